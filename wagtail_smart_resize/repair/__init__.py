"""The repairs of `smart_resize_sync`, by what the database tables say."""
