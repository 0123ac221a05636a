"""Whether a picture is bought at all."""
