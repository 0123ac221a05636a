"""The Smart Resize API: its words stop here. Knows no model and nothing of Wagtail."""
