"""Publication: renditions are prepared, the version flips, caches are purged."""
