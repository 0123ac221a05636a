"""Requests the same gallery three times in a row: twice with `fill`, once with `smartresize`.

Runs as a process of its own, so that it measures the site and not the load generator. When its
standard input is closed it writes its measurements and ends.
"""

import http.client
import itertools
import json
import random
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

#: Rounds until a new connection, which may lead to another process.
ROUNDS_PER_CONNECTION = 10
TIMING = re.compile(r"cpu;dur=([\d.]+), db;desc=(\d+)")


def request_page(connection: http.client.HTTPConnection, path: str) -> dict[str, float]:
    """Return a page's cost: milliseconds here, the server's processor time, and its queries."""
    began = time.perf_counter()
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    took = (time.perf_counter() - began) * 1000
    assert response.status == 200, f"{path}: {response.status}"
    cpu, queries = TIMING.fullmatch(response.headers["Server-Timing"]).groups()
    return {"ms": took, "cpu": float(cpu), "queries": int(queries)}


def main(plan: dict[str, Any]) -> list[dict[str, dict[str, float]]]:
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    chance, host, rounds = random.Random(plan["seed"]), urlsplit(plan["url"]).netloc, []
    for number in itertools.count():
        if number % ROUNDS_PER_CONNECTION == 0:
            connection = http.client.HTTPConnection(host, timeout=120)
        gallery = chance.randrange(plan["galleries"])
        twins = chance.sample(plan["twins"], len(plan["twins"]))
        rounds.append({twin: request_page(connection, f"/{twin}-{gallery}/") for twin in twins})
        if over.wait(plan["pause"]):
            return rounds
    raise AssertionError


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(main(json.loads(Path(sys.argv[1]).read_text()))))
