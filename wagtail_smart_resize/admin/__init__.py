"""The screens of the admin, ours and what is added to Wagtail's own."""
