"""What is live for each image, in the form in which every process learns it."""

import datetime as dt
import time
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.db import connections, models
from django.db.models import F
from django.db.models.functions import Coalesce, Greatest, Least
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from wagtail.images import get_image_model_string

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.database import PrimaryQuerySet
from wagtail_smart_resize.core.sizes import same_shape
from wagtail_smart_resize.renditions.accessor import PublishedStateDescriptor
from wagtail_smart_resize.renditions.published import PublishedEntry

from .base import ConditionalUpdateModel
from .deletion import cascade_if_migrated


def generation_key(shape: Decimal, recipe: str) -> str:
    """Return the key of a shape and recipe in `ImageVersion.generations`."""
    return f"{shape} {recipe}"


class PublishedStateField(models.OneToOneField[Any, Any]):
    """A one-to-one field whose reverse accessor, `image.smart_resize`, needs no query."""

    related_accessor_class = PublishedStateDescriptor

    def deconstruct(self) -> Any:
        # Migrations record Django's field: they must not import this app's code.
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.OneToOneField", args, kwargs


class ImageVersion(ConditionalUpdateModel):
    """What is live for an image, published under versions that are part of rendition keys.

    All but the generations is derived from the image's recompositions. `revision` grows with every
    write that a flip must not overlook: a flip is conditional on the revision that it started from.
    """

    image = PublishedStateField(
        get_image_model_string(),
        on_delete=cascade_if_migrated,
        related_name="smart_resize",
        primary_key=True,
    )
    source_hash = models.CharField(max_length=40, blank=True)
    #: [[shape, recipe, version, candidate's file name or "" for the crop, generation], ...]
    live = models.JSONField(default=list, blank=True)
    #: {"shape recipe": generation that the next flip of that shape takes}
    generations = models.JSONField(default=dict, blank=True)
    revision = models.BigIntegerField(default=0)
    #: Time of the last flip; None before the first.
    published_at = models.DateTimeField(null=True, blank=True, db_index=True)
    publish_due_at = models.DateTimeField(null=True, blank=True, db_index=True)
    publish_attempts = models.PositiveIntegerField(default=0)
    purge_due_at = models.DateTimeField(null=True, blank=True, db_index=True)
    damage_noted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("image version")
        verbose_name_plural = _("image versions")

    def __str__(self) -> str:
        return f"{self.image_id}: {self.published_at}"

    @classmethod
    def get_for(cls, image_id: Any) -> "ImageVersion":
        """Return the image's row, created if there is none."""
        return cls.objects.get_or_create(pk=image_id)[0]

    @classmethod
    def ensure_rows(cls, image_ids: Iterable[Any]) -> None:
        """Create the rows of images that have none."""
        wanted = set(image_ids)
        missing = wanted - set(cls.objects.filter(pk__in=wanted).values_list("pk", flat=True))
        cls.objects.bulk_create([cls(pk=pk) for pk in missing], ignore_conflicts=True)

    @classmethod
    def lock(cls, image_id: Any) -> None:
        """Lock the image's row until the transaction ends.

        Whatever touches an image's purchases or versions queues here. Call it as the first
        statement of the transaction, so that SQLite takes its write lock at once, and MariaDB reads
        what is true after the wait.
        """
        cls.objects.filter(pk=image_id).update(revision=F("revision"))

    @classmethod
    def lock_all(cls, image_ids: Iterable[Any]) -> None:
        """Lock the rows of several images, as `lock` does, in one order for everybody."""
        keys = list(image_ids)
        if connections[database.alias()].features.has_select_for_update:
            list(cls.objects.locked(keys).values_list("pk"))
        else:
            cls.objects.filter(pk__in=keys).update(revision=F("revision"))

    @classmethod
    def mark_publish_due(cls, image_id: Any, when: dt.datetime | None = None) -> None:
        """Note that what is to be live has changed, so that a runner prepares and flips it.

        `when`: from when on, None for now. What is due earlier stays so. Locks the image's row, as
        `lock` does.
        """
        when = when or timezone.now()
        changes: dict[str, Any] = {
            "publish_due_at": Least(Coalesce("publish_due_at", when), when),
            "publish_attempts": 0,
            "revision": F("revision") + 1,
        }
        if not cls.objects.filter(pk=image_id).update(**changes):
            cls.get_for(image_id)
            cls.objects.filter(pk=image_id).update(**changes)

    @classmethod
    def note_damage(cls, image_id: Any) -> None:
        """Note that a live candidate can't be read, and the crop was stored under its version.

        The image becomes due for publication, unless damage is noted already.
        """
        now = timezone.now()
        cls.objects.filter(pk=image_id, damage_noted_at=None).update(
            damage_noted_at=now, publish_due_at=now, revision=F("revision") + 1
        )

    def generation(self, shape: Decimal, recipe: str) -> int:
        """Return the generation of what goes live next for the shape.

        It is the highest of the shapes within 3 %, since each of them may have served the same
        slots.
        """
        highest = 0
        for key, generation in self.generations.items():
            other, _space, of_recipe = key.partition(" ")
            if of_recipe == recipe and same_shape(Decimal(other), shape):
                highest = max(highest, generation)
        return highest

    def raise_generations(self, keys: Iterable[tuple[Decimal, str]]) -> bool:
        """Give what goes live next for these shapes and recipes keys that never existed before.

        What is live keeps its version. Return False if a flip or another change came in between;
        otherwise a flip that is being prepared fails, and starts over. A generation is at least the
        present time in Unix seconds, so that none returns after the row was lost or restored.
        """
        now = int(time.time())
        raised = {generation_key(*key): max(now, self.generation(*key) + 1) for key in keys}
        return self.update_if(
            where={"revision": self.revision},
            generations=self.generations | raised,
            revision=F("revision") + 1,
        )

    def generations_with(self, entries: Iterable[PublishedEntry]) -> dict[str, int]:
        """Return the generations, raised to at least those of the entries that go live."""
        raised = {
            generation_key(entry.shape, entry.recipe): entry.generation
            for entry in entries
            if entry.generation > self.generation(entry.shape, entry.recipe)
        }
        return self.generations | raised


class PublicationCounterQuerySet(PrimaryQuerySet["PublicationCounter"]):
    def current(self) -> int:
        """Return the number of the last flip, 0 before the first."""
        return self.values_list("value", flat=True).first() or 0


class PublicationCounter(ConditionalUpdateModel):
    """The number of the last flip, in one row, by which processes learn that something went live.

    The row's lock makes flips commit in the order of their numbers.
    """

    value = models.BigIntegerField(default=0)

    objects = PublicationCounterQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        verbose_name = _("publication counter")
        verbose_name_plural = _("publication counters")

    def __str__(self) -> str:
        return str(self.value)

    @classmethod
    def advance(cls) -> None:
        """Number a flip. Call it inside the flip's transaction.

        The number is at least the present time in microseconds, so that none returns after the row
        was lost, or an older database restored.
        """
        now = time.time_ns() // 1000
        value = Greatest(F("value") + 1, now, output_field=models.BigIntegerField())
        if not cls.objects.filter(pk=1).update(value=value):
            cls.objects.get_or_create(pk=1)
            cls.objects.filter(pk=1).update(value=value)
