"""What visitors' browsers and the gateway fetch."""
