"""The data that all shapes of an image's screen share."""

from typing import Any

from django.utils.functional import cached_property

from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.editorial import permissions
from wagtail_smart_resize.models import ImageVersion
from wagtail_smart_resize.rules import assess

from . import progress_estimate
from .preview import Preview


class ImageContext:
    """Facts about an image and the user's permissions on it, each looked up once."""

    def __init__(self, image: SiteImage, user: Any) -> None:
        self.image, self.user = image, user

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
