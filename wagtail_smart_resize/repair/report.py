"""The findings of a repair, and what became of them."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

from wagtail_smart_resize.core.logs import get_logger

logger = get_logger(__name__)


class Repair(Enum):
    """Kinds of repairs, with the words under which the command counts them."""

    AHEAD = "moments that a clock had put too far ahead"
    HASHES = "image file hashes filled in"
    FLIPS = "images to be published anew"
    REBUILT = "lost image versions rebuilt"
    WANTED = "shapes noted as wanted"
    RETIRED = "renditions noted as retired"
    RETURNED = "retired renditions found in use again"
    DELETED = "retired renditions deleted"
    GONE = "notes about deleted renditions removed"
    STRANDED = "purchases without a request settled"
    UNSTORED = "candidates without a file removed"
    SOURCES = "source pictures deleted that a request had left"
    OVERLOOKED = "recompositions put into the review queue"
    MOVED = "recompositions noted in their images' collections"
    REPLACED = "recompositions of replaced files noted"
    RESTORED = "recompositions of restored files kept"
    TIDIED = "recompositions of replaced files deleted"
    WOKEN = "waiting shapes allowed now"
    WAITING = "waiting shapes that wait for another reason now"


@dataclass(frozen=True)
class Finding:
    """Something to repair.

    `act` repairs it and returns the number of repairs made. That may be fewer than `size`, where
    another process was faster.
    """

    repair: Repair
    size: int
    act: Callable[[], int]


@dataclass
class Report:
    """Number of repairs of each kind that were made or, in a dry run, would be."""

    dry_run: bool = False
    counts: Counter[Repair] = field(default_factory=Counter)
    failed: int = 0

    def settle(self, finding: Finding) -> None:
        """Repair a finding, or count it in a dry run; one failure stops no other repair."""
        if self.dry_run:
            self.counts[finding.repair] += finding.size
            return
        try:
            self.counts[finding.repair] += int(finding.act())
        except Exception:
            logger.exception("A repair failed (%s); the next run tries again", finding.repair.value)
            self.failed += 1

    def take(self, step: Callable[[], Iterable[Finding]]) -> None:
        """Settle all findings of a step."""
        try:
            for finding in step():
                self.settle(finding)
        except Exception:
            logger.exception("Can't look for repairs in %s", step.__qualname__)
            self.failed += 1

    def lines(self) -> list[str]:
        return [
            f"{repair.value}: {self.counts[repair]}" for repair in Repair if self.counts[repair]
        ]
