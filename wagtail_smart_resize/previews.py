"""For a site that shows drafts by views of its own, such as those of a headless front end."""

from wagtail_smart_resize.renditions.request_tracking import as_preview

__all__ = ["as_preview"]
