"""Whether the gateway may have the source picture of a request, at the moment of asking."""

from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.models import GatewayRequest, OptOut, Recomposition
from wagtail_smart_resize.rules.usage import is_private, usage_of
from wagtail_smart_resize.rules.verdict import Usage


def may_be_sent(request: GatewayRequest) -> bool:
    """Return whether the image may still be sent to the gateway for this request.

    It may not if it has been deleted, is private or opted out, or has another file by now. For a
    request that no person made, it may not once only unpublished pages use it, unless the rules
    were overridden; after a mere preview, a published page must use it.
    """
    image = request.image
    if image is None or image.file_hash != request.source_hash:
        return False
    if is_private(image) or OptOut.objects.filter(image=image).exists():
        return False
    return request.by_person or _is_still_published(request, image)


def _is_still_published(request: GatewayRequest, image: SiteImage) -> bool:
    rows = Recomposition.objects.filter(pk__in=request.recomposition_ids())
    asked = list(rows.values_list("wanted_by", "rules_overridden"))
    if any(rules_overridden for _wanted_by, rules_overridden in asked):
        return True
    uses = usage_of(image)
    preview = Recomposition.WantedBy.PREVIEW
    if all(wanted_by == preview for wanted_by, _overruled in asked):
        return uses is Usage.PUBLISHED
    return uses is not Usage.UNPUBLISHED
