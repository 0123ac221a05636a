"""Client of the Smart Resize API, whose vocabulary stays in here. Knows no model and no Wagtail."""
