"""What is stored. State changes are methods on the rows: conditional updates."""

from .ledger import GatewayRequest, Spend
from .recompositions import Candidate, OptOut, Recomposition
from .state import PipelineState
from .versions import FeedCounter, ImageVersion, RetiredRendition

__all__ = [
    "Candidate",
    "FeedCounter",
    "GatewayRequest",
    "ImageVersion",
    "OptOut",
    "PipelineState",
    "Recomposition",
    "RetiredRendition",
    "Spend",
]
