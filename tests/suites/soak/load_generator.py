"""Runs all visitors and editors for a while, in one process: each is a thread.

Arguments: a file that holds the plan, and one for the result.
"""

import json
import random
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from suites.soak.editors import Editor
from suites.soak.visitors import Visitor


class PacedTasks:
    """Tasks in random order, spread evenly over the available time.

    On a slow machine they take longer, but none is dropped.
    """

    def __init__(self, names: list[str], seconds: float, shuffle: random.Random) -> None:
        shuffle.shuffle(names)
        self._names = names
        self._count = len(names)
        self._pause = seconds / max(1, self._count)
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def next(self) -> str | None:
        """Return the next task, when its time has come; None when all are done."""
        with self._lock:
            if not self._names:
                return None
            name = self._names.pop()
            due = self._began + self._pause * (self._count - len(self._names) - 1)
        time.sleep(max(0.0, due - time.monotonic()))
        return name


class LoadGenerator:
    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.errors: list[str] = []
        #: The galleries' pictures that any visitor was shown.
        self.shown: set[str] = set()

    def count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def run(self) -> None:
        """Start all threads, and wait until all tasks are done."""
        chance, seconds = random.Random(self._plan["seed"]), self._plan["seconds"]
        views = PacedTasks(["view"] * self._plan["views"], seconds, chance)
        acts = PacedTasks(list(Counter(self._plan["acts"]).elements()), seconds, chance)
        visitors = [Visitor(self._plan, each, self.count) for each in range(self._plan["visitors"])]
        editors = [Editor(self._plan, each, self.count) for each in range(self._plan["editors"])]
        people_and_tasks = [(visitor, views) for visitor in visitors] + [
            (editor, acts) for editor in editors
        ]
        threads = [
            threading.Thread(target=self._run_person, args=person) for person in people_and_tasks
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.shown = {address for visitor in visitors for address in visitor.seen}

    def _run_person(self, person: Any, tasks: PacedTasks) -> None:
        self._succeeds(person.set_up)
        while (name := tasks.next()) is not None:
            if self._succeeds(lambda name=name: person.do(name)):
                self.count(name)

    def _succeeds(self, act: Callable[[], Any]) -> bool:
        try:
            act()
        except Exception:
            with self._lock:
                self.errors.append(traceback.format_exc())
            return False
        return True


def main(plan: dict[str, Any]) -> dict[str, Any]:
    load, began = LoadGenerator(plan), time.monotonic()
    load.run()
    return {
        "counts": load.counts,
        "errors": load.errors,
        "shown": sorted(load.shown),
        "seconds": time.monotonic() - began,
    }


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(main(json.loads(Path(sys.argv[1]).read_text()))))
