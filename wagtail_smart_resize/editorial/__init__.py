"""Actions on recompositions, and their state in words. Independent of HTTP."""
