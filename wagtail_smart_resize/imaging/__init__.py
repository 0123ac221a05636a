"""Decoding pictures within limits."""
