"""The app's admin screens, and its additions to Wagtail's own."""
