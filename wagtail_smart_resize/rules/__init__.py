"""Rules that decide whether a recomposition is bought."""
