"""A serializer field for the API: a rendition, and whether it shows a recomposed picture.

It is a field of API v2, which API v3 takes as it is; its schema is read from the annotation.
"""

from typing import Any, NotRequired

from wagtail.images.api.fields import ImageRenditionField

from wagtail_smart_resize.compat import TypedDict

__all__ = ["SmartRenditionField"]


class SmartRendition(TypedDict):
    """What Wagtail's field gives, and what the picture is."""

    url: str
    full_url: str
    width: int
    height: int
    alt: str
    recomposed: bool
    pending: bool
    """Whether another picture is on its way."""
    reason: NotRequired[str]
    """A `ShownBecause`."""


class SmartRenditionError(TypedDict):
    error: str


class SmartRenditionField(ImageRenditionField):
    """Wagtail's `ImageRenditionField`, with `recomposed` and `pending`, and `reason` if wanted.

    What is shown and why is public then: `with_reason` tells whether a budget is used up. An image
    for which nothing is live yet takes one query more; see `reasons.prefetch_reasons`.
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

    def to_representation(self, image: Any) -> SmartRendition | SmartRenditionError:
        # Sites name the field in their models, which are loaded before ours may be.
        from wagtail_smart_resize.editorial.reasons import reasons_of_images

        given = super().to_representation(image)
        if "error" in given:
            return given
        reason = reasons_of_images([image], self.filter_spec)[0]
        given |= {"recomposed": reason.is_recomposed, "pending": reason.is_pending}
        return given | {"reason": reason.value} if self.with_reason else given
