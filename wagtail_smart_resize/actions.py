"""What a site's own code can do with recompositions: docs/reference/python.md."""

from .editorial.actions import (
    GenerationOptions,
    Refused,
    ResizeTarget,
    choose,
    dismiss_failure,
    opt_in,
    opt_out,
    price_of,
    recheck_status,
    request_recomposition,
    retry,
    use_crop,
    verdict_for,
)

__all__ = [
    "GenerationOptions",
    "Refused",
    "ResizeTarget",
    "choose",
    "dismiss_failure",
    "opt_in",
    "opt_out",
    "price_of",
    "recheck_status",
    "request_recomposition",
    "retry",
    "use_crop",
    "verdict_for",
]
