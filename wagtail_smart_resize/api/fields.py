"""Serializer field for a rendition and whether it shows a recomposed picture.

It is a field for Wagtail's API v2. API v3 accepts it as it is, and reads its schema from the return
annotation.
"""

from typing import Any, NotRequired

from wagtail.images.api.fields import ImageRenditionField

from wagtail_smart_resize.compat import TypedDict
from wagtail_smart_resize.core.site_image import SiteImage

__all__ = ["SmartRenditionField"]


class SmartRendition(TypedDict):
    """The value of Wagtail's field, extended by what the rendition shows."""

    url: str
    full_url: str
    width: int
    height: int
    alt: str
    recomposed: bool
    pending: bool
    """True if another picture is on its way."""
    reason: NotRequired[str]
    """The value of a `ShownBecause`."""


class SmartRenditionError(TypedDict):
    error: str


class SmartRenditionField(ImageRenditionField):
    """Wagtail's `ImageRenditionField` with `recomposed`, `pending` and optionally `reason`.

    `with_reason` adds `reason`, and makes public why the picture is shown, for example that a
    budget is used up. An image with nothing live takes one extra query unless it was prefetched
    with `reasons.prefetch_reasons`.
    """

    def __init__(
        self,
        filter_spec: str,
        preserve_svg: bool = False,
        *args: Any,
        with_reason: bool = False,
        **kwargs: Any,
    ) -> None:
        self.with_reason = with_reason
        super().__init__(filter_spec, preserve_svg, *args, **kwargs)

    def to_representation(self, image: SiteImage) -> SmartRendition | SmartRenditionError:
        # Sites use the field in their models, which may be loaded before this app's models.
        from wagtail_smart_resize.editorial.reasons import reasons_of_images

        given = super().to_representation(image)
        if "error" in given:
            return given
        reason = reasons_of_images([image], self.filter_spec)[0]
        given |= {"recomposed": reason.is_recomposed, "pending": reason.is_pending}
        return given | {"reason": reason.value} if self.with_reason else given
