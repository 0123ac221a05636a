"""The report of all recompositions."""
