"""Tests of Wagtail's that can't pass with the app, by a part of their id, and why."""

#: With the app installed.
WITH_APP: dict[str, str] = {}

#: With `fill-` replaced by `smartresize-` in the tests of `wagtail.images`.
WITH_FILTER: dict[str, str] = {}
