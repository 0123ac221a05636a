"""Wagtail's seam: the operation, and what a process knows is published. Knows no model."""
