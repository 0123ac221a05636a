"""What the rules want to know of a picture."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceFacts:
    """What only the opened file tells. Width and height are as displayed."""

    width: int
    height: int
    is_animated: bool
    is_transparent: bool
