"""What Wagtail's own image screens show of ours."""
