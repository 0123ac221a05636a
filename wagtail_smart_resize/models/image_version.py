"""What is live, as every process learns it: DESIGN's seam."""

import time
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from wagtail.images import get_image_model_string

from wagtail_smart_resize.core.sizes import same_shape
from wagtail_smart_resize.renditions.accessor import LiveAccessor
from wagtail_smart_resize.renditions.published import Entry

from .base import Row


def generation_key(shape: Decimal, recipe: str) -> str:
    return f"{shape} {recipe}"


def _read_generation_key(key: str) -> tuple[Decimal, str]:
    shape, _space, recipe = key.partition(" ")
    return Decimal(shape), recipe


class LiveField(models.OneToOneField):
    """A one-to-one field whose other side is `image.smart_resize`, a `Live` without a query."""

    related_accessor_class = LiveAccessor

    def deconstruct(self) -> Any:
        # Migrations name Django's field: they must not import our code.
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.OneToOneField", args, kwargs


class ImageVersion(Row):
    """What is live for an image, published under versions that are part of rendition keys.

    Derived from the image's recompositions, but for the generations. `revision` grows with every
    write that a flip must not overlook: a flip is conditional on the one that it started from.
    """

    image = LiveField(
        get_image_model_string(),
        on_delete=models.CASCADE,
        related_name="smart_resize",
        primary_key=True,
    )
    source_hash = models.CharField(max_length=40, blank=True)
    #: [[shape, recipe, version, candidate's file name or "" for the crop, generation], ...]
    live = models.JSONField(default=list, blank=True)
    #: {"shape recipe": generation that the next flip of that shape takes}
    generations = models.JSONField(default=dict, blank=True)
    revision = models.BigIntegerField(default=0)
    #: Number of the last flip; empty while there was none. The feed reads by it.
    seq = models.BigIntegerField(null=True, blank=True, db_index=True)
    flip_due = models.DateTimeField(null=True, blank=True, db_index=True)
    flip_attempts = models.PositiveIntegerField(default=0)
    purge_due = models.DateTimeField(null=True, blank=True, db_index=True)
    damage_noted = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("image version")
        verbose_name_plural = _("image versions")

    def __str__(self) -> str:
        return f"{self.image_id}: {self.seq}"

    @classmethod
    def of(cls, image_id: Any) -> "ImageVersion":
        """The image's row, made if there was none."""
        return cls.objects.get_or_create(pk=image_id)[0]

    @classmethod
    def lock(cls, image_id: Any) -> None:
        """Hold the image's row until the transaction ends: what touches an image's purchases
        or versions queues here. The first statement of its transaction, so that SQLite takes
        its write lock at once and MariaDB reads what is true after the wait."""
        cls.objects.filter(pk=image_id).update(revision=F("revision"))

    @classmethod
    def mark_due(cls, image_id: Any) -> None:
        """What is to be live has changed: a runner prepares and flips."""
        cls.of(image_id)
        cls.objects.filter(pk=image_id).update(
            flip_due=timezone.now(), flip_attempts=0, revision=F("revision") + 1
        )

    @classmethod
    def note_damage(cls, image_id: Any) -> None:
        """A live candidate could not be read, and the crop was stored under its version."""
        now = timezone.now()
        cls.objects.filter(pk=image_id, damage_noted=None).update(
            damage_noted=now, flip_due=now, revision=F("revision") + 1
        )

    def generation(self, shape: Decimal, recipe: str) -> int:
        """What goes live next for the shape has this generation: the highest of the shapes within
        3 %, since each of them may have served the same slots."""
        known = ((*_read_generation_key(key), value) for key, value in self.generations.items())
        ours = (each for each in known if each[1] == recipe and same_shape(each[0], shape))
        return max((generation for _shape, _recipe, generation in ours), default=0)

    def raise_generations(self, keys: Iterable[tuple[Decimal, str]]) -> bool:
        """Let what goes live next for these shapes and recipes have keys that never were.

        What is live keeps its version. False where a flip or another change came in between;
        otherwise a flip that is being prepared loses, and starts over. A generation is no less
        than the present second, so that none returns where the row was lost or restored.
        """
        now = int(time.time())
        raised = {generation_key(*key): max(now, self.generation(*key) + 1) for key in keys}
        return self.move(
            where={"revision": self.revision},
            generations=self.generations | raised,
            revision=F("revision") + 1,
        )

    def generations_with(self, entries: Iterable[Entry]) -> dict[str, int]:
        """The generations, no less than those of the entries that go live."""
        raised = {
            generation_key(entry.shape, entry.recipe): entry.generation
            for entry in entries
            if entry.generation > self.generation(entry.shape, entry.recipe)
        }
        return self.generations | raised


class FeedCounter(Row):
    """One row. Its lock makes the order of commits the order of the flips' numbers."""

    value = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = _("feed counter")
        verbose_name_plural = _("feed counters")

    def __str__(self) -> str:
        return str(self.value)

    @classmethod
    def next(cls) -> int:
        """The next flip's number. Call inside the flip's transaction: it locks the row."""
        if not cls.objects.filter(pk=1).update(value=F("value") + 1):
            cls.objects.get_or_create(pk=1)
            cls.objects.filter(pk=1).update(value=F("value") + 1)
        return cls.objects.values_list("value", flat=True).get(pk=1)
