"""How much work encoders put into a recomposed rendition.

Most of what publishing costs is encoding, and most of that goes into the last hundredths of a
file's size. No bytes are promised for recomposed renditions, as they are for the crop: so the
encoders do less here than Wagtail has them do. docs/evidence/performance.md has the figures.
"""

from collections.abc import Mapping
from typing import Any

#: By Pillow's format: what is passed to `save` beside Wagtail's arguments. JPEGs are not
#: progressive, which takes more than half of their encoding for a hundredth of their size.
_LESS_WORK: dict[str | None, dict[str, Any]] = {
    "AVIF": {"speed": 8},
    "JPEG": {"progressive": False},
    "WEBP": {"method": 2},
}


def with_less_work(format: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of Pillow's `save`, with less work for the encoder.

    `given`: Wagtail's. A lossless picture is left as it is, since there the work makes its size.
    """
    if given.get("lossless") or (format == "AVIF" and given.get("quality") == 100):
        return dict(given)
    return {**given, **_LESS_WORK.get(format, {})}
