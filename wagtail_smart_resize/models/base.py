"""Base class and helper of the app's models."""

from typing import Any, Self

from django.db import models
from django.db.models import Q

from wagtail_smart_resize.core.database import PrimaryQuerySet, unindexed


class ConditionalUpdateModel(models.Model):
    """A row that changes state by conditional UPDATE, so that races have one winner."""

    # Wagtail must not count these rows' references to images as uses of the images.
    wagtail_reference_index_ignore = True

    objects = PrimaryQuerySet.as_manager()

    class Meta:
        abstract = True
        # For rows that are found through another row.
        base_manager_name = "objects"

    def update_if(self, *, where: dict[str, Any] | Q, **changes: Any) -> bool:
        """Write `changes` if the stored row still matches `where`; return whether it did.

        `where` is a dict of field look-ups, empty for no condition, or a Q. The instance takes the
        changes only if they were written. Expressions such as F() are written, but the instance has
        their values only after the next fetch.
        """
        matching = type(self)._base_manager.filter(pk=self.pk)
        if where:
            matching = matching.filter(unindexed(where if isinstance(where, Q) else Q(**where)))
        if not matching.update(**changes):
            return False
        self._apply(changes)
        return True

    def _apply(self: Self, changes: dict[str, Any]) -> None:
        for name, value in changes.items():
            if not hasattr(value, "resolve_expression"):
                setattr(self, name, value)
