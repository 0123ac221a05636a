"""Smart resize for the images that are selected in the listing."""
