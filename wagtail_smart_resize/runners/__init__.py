"""Runners: what makes the passes of the pipeline, and when."""
