"""Every fault at every step, against the whole app. Run with `pytest -m faults`."""
