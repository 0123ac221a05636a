"""Facts about an image file that the rules need."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceFacts:
    """Facts that only the opened file reveals. Width and height are in pixels, as displayed."""

    width: int
    height: int
    is_animated: bool
    is_transparent: bool
    format: str = ""
    """Pillow's name of it, such as "JPEG"."""
