"""A site that changes its image model once it has pictures: see `test_othermodel`."""
