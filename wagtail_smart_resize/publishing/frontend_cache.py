"""The front-end cache, which holds pages with the former picture's URL."""

from django.apps import apps

from wagtail_smart_resize.core import database
from wagtail_smart_resize.models import ImageVersion
from wagtail_smart_resize.rules import usage


def purge_pages(version: ImageVersion) -> None:
    """Purge the pages that use the image from the front-end cache, if the site has one.

    Exceptions of the cache's backend are let through, and the purge stays due.
    """
    if apps.is_installed("wagtail.contrib.frontend_cache"):
        from wagtail.contrib.frontend_cache.utils import PurgeBatch

        image = database.site_images(with_hidden=True).filter(pk=version.pk).first()
        if image is not None:
            batch = PurgeBatch()
            batch.add_pages(usage.pages_using(image))
            batch.purge()
    version.update_if(where={"purge_due_at": version.purge_due_at}, purge_due_at=None)
