"""Validation of the settings."""
