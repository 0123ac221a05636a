"""Processes that are killed at every point between two outside effects."""
