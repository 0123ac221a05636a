"""Real server processes on loopback: what no test client can show. Run with `pytest -m servers`."""
