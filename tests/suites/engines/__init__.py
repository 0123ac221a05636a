"""The backends that docs/operations/running.md names, with its settings and commands."""
