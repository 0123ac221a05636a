"""For a site's own tests: an image with a recomposed picture that is live, without any request.

`wagtail_smart_resize.testing.fixtures` offers it to pytest; this module does without, and can be
imported before Django is set up.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wagtail_smart_resize.models import Candidate

__all__ = ["recomposed"]


def recomposed(image: Any, spec: str, picture: bytes | None = None) -> "Candidate":
    """Store a recomposed picture of the image for "1200x630" or a preset, and make it live.

    `picture` is the bytes of a JPEG, PNG or WebP; without it, one of a single colour in the slot's
    size. Called again for a shape, the new picture takes the place of the one before. No request is
    written and no budget is used. What the image instance has looked up of ours is looked up anew.

    Raises ValueError where the spec can't be read or the picture has another shape, and
    PIL.UnidentifiedImageError where it is none.
    """
    from .pictures import make_live

    return make_live(image, spec, picture)
