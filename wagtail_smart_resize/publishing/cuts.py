"""Pictures cut out of candidates while those were decoded to be checked, for their renditions.

Without them, a candidate that goes live at once would be read from its storage and decoded again.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from wagtail_smart_resize.core.sizes import Size

if TYPE_CHECKING:
    from PIL import Image

#: Maximum number of pixels that are kept for an image: what is cut beyond is cut from the file.
MAX_PIXELS = 8_000_000


class Cuts:
    """Pictures by candidate's file and wanted size."""

    def __init__(self) -> None:
        self._pictures: dict[tuple[str, Size], Image.Image] = {}

    @property
    def room(self) -> int:
        """Return how many pixels more may be kept."""
        kept = sum(picture.width * picture.height for picture in self._pictures.values())
        return MAX_PIXELS - kept

    def keep(self, file: str, pictures: "Mapping[Size, Image.Image]") -> None:
        """Keep what was cut out of a candidate's file, by the sizes that were wanted."""
        self._pictures |= {(file, wanted): picture for wanted, picture in pictures.items()}

    def find(self, file: str, wanted: Size) -> "Image.Image | None":
        return self._pictures.get((file, wanted))
