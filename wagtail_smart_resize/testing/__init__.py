"""For a site's own tests: make a recomposition of an image live, without any request.

`wagtail_smart_resize.testing.fixtures` offers it as a pytest fixture. This module doesn't need
pytest, and can be imported before Django is set up.
"""

from typing import TYPE_CHECKING

from wagtail_smart_resize.core.site_image import SiteImage

if TYPE_CHECKING:
    from wagtail_smart_resize.models import Candidate

__all__ = ["recomposed"]


def recomposed(image: SiteImage, spec: str, picture: bytes | None = None) -> "Candidate":
    """Store a recomposition of the image for "1200x630" or a preset, and make it live.

    `picture` is the bytes of a JPEG, PNG or WebP; without it, a picture of a single colour in the
    slot's size is drawn. Another call for the same shape replaces the picture. No request is
    written and no budget is used. What the image instance has cached of this app is cleared.
    Returns the candidate.

    Raises ValueError where the spec can't be read or the picture has another shape, and
    PIL.UnidentifiedImageError where it is none.
    """
    from .pictures import make_live

    return make_live(image, spec, picture)
