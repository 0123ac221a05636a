"""What the settings may hold."""
