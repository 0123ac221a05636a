"""What all shapes of an image's screen have in common."""

from typing import Any

from django.utils.functional import cached_property

from wagtail_smart_resize.editorial import permissions
from wagtail_smart_resize.models import ImageVersion
from wagtail_smart_resize.rules import assess

from . import progress_estimate
from .preview import Preview


class ImageContext:
    """What is known of an image, and what its user may do with it: each asked for once."""

    def __init__(self, image: Any, user: Any) -> None:
        self.image, self.user = image, user

    @cached_property
    def version(self) -> ImageVersion | None:
        return ImageVersion.objects.filter(pk=self.image.pk).first()

    @cached_property
    def preview(self) -> Preview:
        return Preview.of(self.image)

    @cached_property
    def about(self) -> Any:
        return assess.About.of(self.image, self.preview.facts)

    @cached_property
    def usual(self) -> Any:
        return progress_estimate.usual()

    # What the user may do

    @cached_property
    def may_smart_resize(self) -> bool:
        return permissions.may_smart_resize(self.user, self.image)

    @cached_property
    def may_choose(self) -> bool:
        return permissions.may_choose(self.user, self.image)

    @property
    def may_decline(self) -> bool:
        return self.may_smart_resize or self.may_choose
