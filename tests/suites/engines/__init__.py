"""The backends that docs/running.md names, with its settings and commands."""
