"""What a site's own code can do with recompositions: docs/reference/python.md."""

from .editorial.asking import (
    GenerationOptions,
    ResizeTarget,
    call_off,
    dismiss_failure,
    price_of,
    recheck_status,
    request_recomposition,
    resume_buying,
    retry,
    stop_buying,
    try_now,
    verdict_for,
)
from .editorial.deciding import (
    choose,
    opt_in,
    opt_out,
    undo,
    use_crop,
    use_crop_everywhere,
)
from .editorial.own_pixels import keep_pixels
from .editorial.refusals import Refused

__all__ = [
    "GenerationOptions",
    "Refused",
    "ResizeTarget",
    "call_off",
    "choose",
    "dismiss_failure",
    "keep_pixels",
    "opt_in",
    "opt_out",
    "price_of",
    "recheck_status",
    "request_recomposition",
    "resume_buying",
    "retry",
    "stop_buying",
    "try_now",
    "undo",
    "use_crop",
    "use_crop_everywhere",
    "verdict_for",
]
