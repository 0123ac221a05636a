"""Where a recomposition stands, for a site's own code: docs/python.md."""

from .editorial.states import State, Tone, Word, load, state_of, states, versions

__all__ = ["State", "Tone", "Word", "load", "state_of", "states", "versions"]
