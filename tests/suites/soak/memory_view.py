"""A view of a web process's memory, which can't be measured from outside."""

import contextlib
import gc
import os
import sys
import time
import weakref
from collections import Counter
from collections.abc import Iterator

from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest, JsonResponse

#: Classes that every library uses for everything.
COMMON = {dict, list, tuple, set, frozenset, type, type(lambda: 0)}
#: Classes of bounded caches: psycopg keeps a limited number of parsed statements.
OF_BOUNDED_CACHES = {"psycopg._queries.QueryPart"}


def memory(request: HttpRequest) -> JsonResponse:
    """Return the memory blocks in use, without garbage; with `?objects` the count of each class."""
    if "objects" in request.GET:
        with _no_other_thread():
            _forget_database_errors()
    gc.collect()
    answer = {"process": os.getpid(), "blocks": sys.getallocatedblocks()}
    if "objects" in request.GET:
        answer["objects"] = _objects()
    return JsonResponse(answer)


@contextlib.contextmanager
def _no_other_thread() -> Iterator[None]:
    """Run a block while no other thread runs: a tuple that one is creating must not be held."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)
    # A waiting thread takes its turn now, and the next one waits for that interval.
    time.sleep(0.05)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


def _forget_database_errors() -> None:
    """Let connections forget what made their last transaction roll back.

    Django keeps the exception, with the frames and so the page that raised it, until the next one:
    one page in each thread that has lost a race for a rendition of Wagtail's.
    """
    for each in gc.get_objects():
        if isinstance(each, BaseDatabaseWrapper) and not each.in_atomic_block:
            each.rollback_exc = None


def _objects() -> dict[str, int]:
    """Count the objects of each class, and weak references by the class of what they refer to.

    Those to classes are not counted: Python keeps one for each subclass, and one for each class
    that was ever compared with an abstract one. A form that is shown for the first time makes
    dozens.
    """
    with _no_other_thread():
        objects = gc.get_objects()
        classes = Counter(map(type, objects))
        targets = Counter(type(each()) for each in objects if _refers_weakly_to_no_class(each))
        del objects
    del classes[weakref.ReferenceType]
    named = {_name(each): count for each, count in classes.items() if each not in COMMON}
    weakly = {f"weakly {_name(each)}": count for each, count in targets.items()}
    return {name: count for name, count in named.items() if name not in OF_BOUNDED_CACHES} | weakly


def _refers_weakly_to_no_class(each: object) -> bool:
    return type(each) is weakref.ReferenceType and not isinstance(each(), type)


def _name(of: type) -> str:
    return f"{of.__module__}.{of.__qualname__}"
