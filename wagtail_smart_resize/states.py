"""Where a recomposition stands, for a site's own code: docs/reference/python.md."""

from .editorial.states import (
    State,
    StateName,
    Tone,
    published_versions,
    state_of,
    states,
    with_state_relations,
)

__all__ = [
    "State",
    "StateName",
    "Tone",
    "published_versions",
    "state_of",
    "states",
    "with_state_relations",
]
