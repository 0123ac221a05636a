"""Bulk action: recompose the images selected in Wagtail's listing."""
