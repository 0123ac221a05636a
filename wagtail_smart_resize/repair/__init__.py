"""What `smart_resize_sync` mends, by what the tables say."""
