"""Additions to Wagtail's own image screens."""
