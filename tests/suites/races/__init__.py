"""Eight processes that run all operations on the same images, at the same time."""
