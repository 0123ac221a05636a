"""The queue of recompositions that await a person's choice."""
