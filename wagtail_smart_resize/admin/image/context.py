"""The data that all places of an image's screen share."""

from collections.abc import Sequence
from typing import Any

from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import ngettext
from wagtail.permissions import page_permission_policy

from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.editorial import permissions, places
from wagtail_smart_resize.models import ImageVersion
from wagtail_smart_resize.rules import assess

from . import progress_estimate
from .preview import Preview


def open_pages(user: Any, pages: places.Pages) -> set[int]:
    """Return the keys of those pages that the user may see in the admin."""
    open_to_user = page_permission_policy.explorable_instances(user)
    return set(open_to_user.filter(pk__in=list(pages.by_key)).values_list("pk", flat=True))


class ImageContext:
    """Facts about an image and the user's permissions on it, each looked up once."""

    def __init__(self, image: SiteImage, user: Any) -> None:
        self.image, self.user = image, user

    @cached_property
    def pages(self) -> places.Pages:
        """What is known of the pages that show the image."""
        raise NotImplementedError

    @cached_property
    def version(self) -> ImageVersion | None:
        return ImageVersion.objects.filter(pk=self.image.pk).first()

    @cached_property
    def preview(self) -> Preview:
        return Preview.for_image(self.image)

    @cached_property
    def image_facts(self) -> Any:
        return assess.ImageFacts.for_image(self.image, self.preview.facts)

    @cached_property
    def usual(self) -> Any:
        """Return how long a request usually takes, as a timedelta."""
        return progress_estimate.usual()

    # Pages

    @cached_property
    def open_pages(self) -> set[int]:
        return open_pages(self.user, self.pages)

    def listed(self, pages: Sequence[Any]) -> list[tuple[str, str]]:
        """Return title and address in the admin of those pages that the user may see."""
        return [
            (
                str(page.get_admin_display_title()),
                reverse("wagtailadmin_pages:edit", args=[page.pk]),
            )
            for page in pages
            if page.pk in self.open_pages
        ]

    def where(self, pages: Sequence[Any]) -> str:
        """Return the title of the only page if the user may see it, else the number of pages."""
        if not pages:
            return ""
        if len(pages) == 1 and pages[0].pk in self.open_pages:
            return str(pages[0].get_admin_display_title())
        text = ngettext("%(count)d page", "%(count)d pages", len(pages))
        return text % {"count": len(pages)}

    # Permissions

    @cached_property
    def may_smart_resize(self) -> bool:
        return permissions.may_smart_resize(self.user, self.image)

    @cached_property
    def may_choose(self) -> bool:
        return permissions.may_choose(self.user, self.image)

    @property
    def may_decline(self) -> bool:
        return self.may_smart_resize or self.may_choose
