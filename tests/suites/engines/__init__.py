"""The backends that docs/running.md names, with the settings and commands that stand there."""
