"""What a rendition shows, and why, for a site's own code: docs/howto/templates.md."""

from .editorial.reasons import (
    ShownBecause,
    prefetch_reasons,
    reason_of,
    reasons_of,
    reasons_of_images,
)
from .renditions.recomposed import is_recomposed

__all__ = [
    "ShownBecause",
    "is_recomposed",
    "prefetch_reasons",
    "reason_of",
    "reasons_of",
    "reasons_of_images",
]
