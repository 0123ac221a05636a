"""What people can do with recompositions, and what they read of them. Knows no HTTP."""
