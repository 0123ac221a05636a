"""Wagtail's own tests, with the app installed and without."""
