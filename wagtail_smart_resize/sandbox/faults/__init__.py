"""Faults that the sandbox shows on request."""
