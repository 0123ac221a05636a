"""The app's models. Their state changes are methods on the rows: conditional updates."""

from .budget import BudgetPeriod
from .candidate import Candidate
from .changed_image import ChangedImage
from .gateway_request import GatewayRequest
from .image_version import ImageVersion, PublicationCounter
from .opt_out import OptOut
from .pipeline_state import PipelineState
from .recomposition import Recomposition
from .retired_rendition import RetiredRendition

__all__ = [
    "BudgetPeriod",
    "Candidate",
    "ChangedImage",
    "GatewayRequest",
    "ImageVersion",
    "OptOut",
    "PipelineState",
    "PublicationCounter",
    "Recomposition",
    "RetiredRendition",
]
