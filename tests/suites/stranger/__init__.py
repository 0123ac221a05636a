"""A user who has a Wagtail site and the README, and nothing else. Needs a package index."""
