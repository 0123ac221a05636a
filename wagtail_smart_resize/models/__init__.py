"""What is stored. State changes are methods on the rows: conditional updates."""

from .budget import Spend
from .gateway_request import GatewayRequest
from .image_version import FeedCounter, ImageVersion
from .opt_out import OptOut
from .pipeline_state import PipelineState
from .recomposition import Candidate, Recomposition
from .retired_rendition import RetiredRendition

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
