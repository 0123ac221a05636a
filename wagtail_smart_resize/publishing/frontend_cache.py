"""The front-end cache, which knows pages with the former picture's address."""

from django.apps import apps
from wagtail.images import get_image_model

from wagtail_smart_resize.models import ImageVersion
from wagtail_smart_resize.rules import usage


def purge(version: ImageVersion) -> None:
    """Purge the pages that use the image from the front-end cache, if the site has one.

    Raises what the cache's backend raises: the purge stays due.
    """
    if apps.is_installed("wagtail.contrib.frontend_cache"):
        from wagtail.contrib.frontend_cache.utils import PurgeBatch

        image = get_image_model()._base_manager.filter(pk=version.pk).first()
        if image is not None:
            batch = PurgeBatch()
            batch.add_pages(usage.pages_using(image))
            batch.purge()
    version.move(where={"purge_due": version.purge_due}, purge_due=None)
