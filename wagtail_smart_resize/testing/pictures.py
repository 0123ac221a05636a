"""Implementation of `wagtail_smart_resize.testing.recomposed`; needs Django to be set up."""

import hashlib
import io

from PIL import Image

from wagtail_smart_resize.actions import ResizeTarget
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import Size, same_shape, shape_of
from wagtail_smart_resize.models import Candidate, Recomposition
from wagtail_smart_resize.publishing import publication
from wagtail_smart_resize.purchasing import demand, plan

#: Colour of the picture that is drawn where a test provides none.
COLOUR = "rebeccapurple"


def make_live(image: SiteImage, spec: str, picture: bytes | None) -> Candidate:
    """Store a recomposition and make it live: see `wagtail_smart_resize.testing.recomposed`."""
    target = ResizeTarget.parse(spec)
    content = picture if picture is not None else _drawn(target.slot.size)
    with Image.open(io.BytesIO(content)) as opened:
        size, extension = Size(*opened.size), (opened.format or "").lower()
    if not same_shape(shape_of(*size), target.shape):
        raise ValueError(f"A picture of {size} has not the shape of {spec}.")
    plan.identify(image)
    by = Recomposition.WantedBy.TEMPLATE
    (row,) = demand.record_demand(image, [target.slot], target.recipe, by=by)
    candidate = _stored(row, content, size, extension)
    row.leave()
    if not row.go_live(candidate):
        row.choose(candidate, None)
    publication.publish(image.pk)
    # Clear what the instance looked up before.
    image._state.fields_cache.pop("smart_resize", None)
    return candidate


def _drawn(size: Size) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, COLOUR).save(data, "WEBP")
    return data.getvalue()


def _stored(row: Recomposition, content: bytes, size: Size, extension: str) -> Candidate:
    candidate = Candidate.objects.create(
        recomposition=row,
        file=Candidate.new_name(row.image_id, extension),
        width=size.width,
        height=size.height,
        digest=hashlib.sha256(content).hexdigest(),
    )
    candidate.write(content, is_new=True)
    return candidate
