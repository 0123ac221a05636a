"""Tests that kill processes at every point between two outside effects."""
