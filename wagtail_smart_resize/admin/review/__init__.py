"""The queue of pictures that await a person's choice."""
