"""Real server processes on loopback, for what no test client can show. Run with `pytest -m
servers`."""
