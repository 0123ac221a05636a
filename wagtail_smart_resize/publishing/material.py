"""What is at hand when an image is published right after its pictures have come.

Without it the source, and each candidate that goes live, would be read from their storages and
decoded once more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import Size

if TYPE_CHECKING:
    from PIL import Image

#: Maximum number of pixels that are kept for an image: what is cut beyond is cut from the file.
MAX_PIXELS = 8_000_000


@dataclass
class Material:
    """Pictures cut out of candidates while those were decoded to be checked; the source's facts.

    These hold for the file of `source_hash`: its format as Pillow calls it, and its size as
    displayed, None where the file was not opened.
    """

    #: The image as it was read before.
    image: SiteImage | None = None
    source_hash: str = ""
    source_format: str = ""
    source_size: Size | None = None
    _cuts: dict[tuple[str, Size], Any] = field(default_factory=dict)

    @property
    def room(self) -> int:
        """Return how many pixels more may be kept."""
        return MAX_PIXELS - sum(picture.width * picture.height for picture in self._cuts.values())

    def keep(self, file: str, cuts: "Mapping[Size, Image.Image]") -> None:
        """Keep what was cut out of a candidate's file, by the sizes that were wanted."""
        self._cuts |= {(file, wanted): picture for wanted, picture in cuts.items()}

    def cut_of(self, file: str, wanted: Size) -> "Image.Image | None":
        """Return what was cut out of a candidate's file for this size, if it was."""
        return self._cuts.get((file, wanted))
