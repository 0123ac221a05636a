"""Views that visitors' browsers and the gateway fetch pictures from."""
