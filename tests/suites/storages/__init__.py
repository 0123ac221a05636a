"""The app on the storages and caches that sites have. Run with `pytest -m storages`."""
