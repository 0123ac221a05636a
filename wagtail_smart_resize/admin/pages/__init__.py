"""What Wagtail's page editor shows of the page's places."""
