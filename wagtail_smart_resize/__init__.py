"""Recomposes Wagtail's pictures for a shape, where a crop would cut them badly."""

__version__ = "0.9.0"
