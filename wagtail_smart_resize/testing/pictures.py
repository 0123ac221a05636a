"""What `wagtail_smart_resize.testing.recomposed` does; needs Django to be set up."""

import hashlib
import io
from typing import Any

from PIL import Image

from .. import publishing, wanted
from ..actions import Wish
from ..models import Candidate, Recomposition
from ..pipeline import claims
from ..shapes import Size, same_shape, shape_of

#: Of the picture that is drawn where a test brings none.
COLOUR = "rebeccapurple"


def make_live(image: Any, spec: str, picture: bytes | None) -> Candidate:
    wish = Wish.parse(spec)
    content = picture if picture is not None else _drawn(wish.slot.size)
    with Image.open(io.BytesIO(content)) as opened:
        size, extension = Size(*opened.size), (opened.format or "").lower()
    if not same_shape(shape_of(*size), wish.shape):
        raise ValueError(f"A picture of {size} has not the shape of {spec}.")
    claims.identify(image)
    by = Recomposition.WantedBy.TEMPLATE
    (row,) = wanted.record(image, [wish.slot], wish.recipe, by=by)
    candidate = _stored(row, content, size, extension)
    row.leave()
    if not row.go_live(candidate):
        row.choose(candidate, None)
    publishing.publish(image.pk)
    # What the instance has looked up before.
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
    candidate.store(content)
    return candidate
