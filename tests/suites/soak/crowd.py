"""All visitors and editors of a stretch of time, in one process: each is a thread.

Started with a file that holds the plan, and one for what came of it.
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


class Chores:
    """What is still to be done, in an order of its own, spread evenly over the time there is.

    Nobody hurries: on a slow machine it takes longer, and is no less.
    """

    def __init__(self, names: list[str], seconds: float, shuffle: random.Random) -> None:
        shuffle.shuffle(names)
        self._names = names
        self._count = len(names)
        self._pause = seconds / max(1, self._count)
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def next(self) -> str | None:
        """The next one, when its time has come; None when all is done."""
        with self._lock:
            if not self._names:
                return None
            name = self._names.pop()
            due = self._began + self._pause * (self._count - len(self._names) - 1)
        time.sleep(max(0.0, due - time.monotonic()))
        return name


class Crowd:
    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.errors: list[str] = []
        #: The pictures of galleries that anybody was shown.
        self.shown: set[str] = set()

    def tell(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def come(self) -> None:
        """Let all come, and wait until everything is done."""
        chance, seconds = random.Random(self._plan["seed"]), self._plan["seconds"]
        views = Chores(["view"] * self._plan["views"], seconds, chance)
        acts = Chores(list(Counter(self._plan["acts"]).elements()), seconds, chance)
        visitors = [Visitor(self._plan, each, self.tell) for each in range(self._plan["visitors"])]
        editors = [Editor(self._plan, each, self.tell) for each in range(self._plan["editors"])]
        lives = [(visitor, views) for visitor in visitors] + [(editor, acts) for editor in editors]
        people = [threading.Thread(target=self._live, args=life) for life in lives]
        for person in people:
            person.start()
        for person in people:
            person.join()
        self.shown = {address for visitor in visitors for address in visitor.seen}

    def _live(self, somebody: Any, chores: Chores) -> None:
        self._noted(somebody.arrive)
        while (name := chores.next()) is not None:
            if self._noted(lambda name=name: somebody.do(name)):
                self.tell(name)

    def _noted(self, act: Callable[[], Any]) -> bool:
        try:
            act()
        except Exception:
            with self._lock:
                self.errors.append(traceback.format_exc())
            return False
        return True


def main(plan: dict[str, Any]) -> dict[str, Any]:
    crowd, began = Crowd(plan), time.monotonic()
    crowd.come()
    return {
        "counts": crowd.counts,
        "errors": crowd.errors,
        "shown": sorted(crowd.shown),
        "seconds": time.monotonic() - began,
    }


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(main(json.loads(Path(sys.argv[1]).read_text()))))
