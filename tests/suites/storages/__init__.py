"""The app on the storages and caches that sites use. Run with `pytest -m storages`."""
