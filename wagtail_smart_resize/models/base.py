"""What our models share."""

from typing import Any, Self

from django.db import models


class Row(models.Model):
    """A row that changes state by conditional UPDATE, so that races have one winner."""

    # Our rows name images; Wagtail must not count them as places where an image is used.
    wagtail_reference_index_ignore = True

    class Meta:
        abstract = True

    def move(self, *, where: dict[str, Any], **changes: Any) -> bool:
        """Write `changes` if the stored row still matches `where`; tell whether it did.

        Values of `where` are field look-ups. The instance takes the changes only if they were
        written. Expressions such as F() are written, and read back on the next fetch.
        """
        matching = type(self)._base_manager.filter(pk=self.pk, **where)
        if not matching.update(**changes):
            return False
        self._take(changes)
        return True

    def _take(self: Self, changes: dict[str, Any]) -> None:
        for name, value in changes.items():
            if not hasattr(value, "resolve_expression"):
                setattr(self, name, value)
