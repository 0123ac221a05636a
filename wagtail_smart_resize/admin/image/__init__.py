"""The screen of one image: its shapes and the pictures available for each."""
