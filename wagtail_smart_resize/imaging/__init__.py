"""Decoding of pictures within limits."""
