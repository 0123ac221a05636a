"""The report on all recompositions."""
