"""What a site's own code can do with recompositions: docs/reference/python.md."""

from .editorial.actions import (
    GenerationOptions,
    Refused,
    ResizeTarget,
    call_off,
    choose,
    dismiss_failure,
    opt_in,
    opt_out,
    price_of,
    recheck_status,
    request_recomposition,
    resume_buying,
    retry,
    stop_buying,
    use_crop,
    verdict_for,
)

__all__ = [
    "GenerationOptions",
    "Refused",
    "ResizeTarget",
    "call_off",
    "choose",
    "dismiss_failure",
    "opt_in",
    "opt_out",
    "price_of",
    "recheck_status",
    "request_recomposition",
    "resume_buying",
    "retry",
    "stop_buying",
    "use_crop",
    "verdict_for",
]
