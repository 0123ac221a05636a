"""What a web process says of itself that nobody sees from outside."""

import gc
import os
import sys
import time
from collections import Counter

from django.http import HttpRequest, JsonResponse

#: Classes that every library uses for everything.
COMMON = {dict, list, tuple, set, frozenset, type, type(lambda: 0)}
#: psycopg keeps so many statements as it has parsed them, and no more.
OF_BOUNDED_CACHES = {"psycopg._queries.QueryPart"}


def inside(request: HttpRequest) -> JsonResponse:
    """The memory blocks in use, garbage not counted; `?objects`: how many of each class."""
    gc.collect()
    told = {"process": os.getpid(), "blocks": sys.getallocatedblocks()}
    if "objects" in request.GET:
        told["objects"] = _objects()
    return JsonResponse(told)


def _objects() -> dict[str, int]:
    """Counted while no other thread runs: a tuple that one is about to make must not be held."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)
    # Who was waiting for its turn takes it now, and waits that long for the next.
    time.sleep(0.05)
    try:
        classes = Counter(map(type, gc.get_objects()))
    finally:
        sys.setswitchinterval(interval)
    named = {
        f"{each.__module__}.{each.__qualname__}": count
        for each, count in classes.items()
        if each not in COMMON
    }
    return {name: count for name, count in named.items() if name not in OF_BOUNDED_CACHES}
