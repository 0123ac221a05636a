"""What our models share."""

from typing import Any, Self

from django.db import models
from django.db.models import Case, Q, Value, When


def only_if(condition: Q) -> Case:
    """The condition of an UPDATE, in a form that no index serves: rows are found by their key.

    MariaDB and MySQL may find a row by the index of a column in the condition, and lock the index
    before the row. Who holds the row and changes that column waits for the index, so that both
    wait: a deadlock. Found by the primary key, the row is locked first by everybody.
    """
    return Case(When(condition, then=Value(True)), default=Value(False))


class Row(models.Model):
    """A row that changes state by conditional UPDATE, so that races have one winner."""

    # Our rows name images; Wagtail must not count them as places where an image is used.
    wagtail_reference_index_ignore = True

    class Meta:
        abstract = True

    def move(self, *, where: dict[str, Any] | Q, **changes: Any) -> bool:
        """Write `changes` if the stored row still matches `where`; tell whether it did.

        `where` holds field look-ups, or is a condition of them. The instance takes the changes
        only if they were written. Expressions such as F() are written, and read back on the next
        fetch.
        """
        matching = type(self)._base_manager.filter(pk=self.pk)
        if where:
            matching = matching.filter(only_if(where if isinstance(where, Q) else Q(**where)))
        if not matching.update(**changes):
            return False
        self._take(changes)
        return True

    def _take(self: Self, changes: dict[str, Any]) -> None:
        for name, value in changes.items():
            if not hasattr(value, "resolve_expression"):
                setattr(self, name, value)
