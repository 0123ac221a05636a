"""The screen of one image: its shapes, and the pictures that each can show."""
