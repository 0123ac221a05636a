"""Eight processes that do all that can be done to the same images, at the same time."""
