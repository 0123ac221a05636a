"""The state of the pipeline as a whole, in one row."""

import datetime as dt
from typing import Any

from django.conf import settings as django_settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wagtail_smart_resize.core import database

from . import events
from .base import ConditionalUpdateModel
from .deletion import set_null_if_migrated

#: Maximum number of images of which the failures in a row are kept.
MAX_FAILED_IMAGES = 1000


class PipelineState(ConditionalUpdateModel):
    """The only row: the circuit, the pause that the gateway asked for, the next pass."""

    circuit_opened_at = models.DateTimeField(null=True, blank=True)
    circuit_code = models.CharField(max_length=32, blank=True, default="")
    circuit_detail = models.TextField(blank=True, default="")
    #: Time of the next probe while the circuit is open.
    probe_at = models.DateTimeField(null=True, blank=True)
    #: Digests of the settings with which it was tried since the circuit opened.
    tried_settings = models.JSONField(default=list, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True)
    #: Number of consecutive submissions that found the gateway out of order.
    consecutive_outages = models.PositiveIntegerField(default=0)
    #: Keys, as text, of the images whose purchases came to nothing since the last one that did not.
    failed_images = models.JSONField(default=list, blank=True)
    #: When the first of them failed.
    failing_since = models.DateTimeField(null=True, blank=True)
    #: Day of which the log tells that the budget was used up.
    budget_told_on = models.DateField(null=True, blank=True)
    #: When a person stopped all buying; empty while it goes on.
    buying_stopped_at = models.DateTimeField(null=True, blank=True)
    buying_stopped_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=set_null_if_migrated,
        related_name="+",
    )
    #: When the next pass is due or, while one is made, when another runner may follow.
    next_pass_at = models.DateTimeField(null=True, blank=True)
    last_pass_at = models.DateTimeField(null=True, blank=True)
    last_repair_at = models.DateTimeField(null=True, blank=True)

    #: When each of the last repairs began, and the highest key of a rendition then, the newest
    #: last: [[moment, key], ...]. By them the next one knows what is new.
    repairs_begun = models.JSONField(default=list, blank=True)
    #: A digest of all else on which repairs depend.
    repaired_with = models.CharField(max_length=16, blank=True, default="")
    #: Key, as text, of the last image to which the reading of all images has come.
    reading_after = models.CharField(max_length=64, blank=True, default="")
    #: When somebody asked for a whole reading that has not come to its end; else empty.
    reading_asked_at = models.DateTimeField(null=True, blank=True)
    #: When a reading last came to its end; empty while it must, before only changes are looked at.
    read_wholly_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("pipeline state")
        verbose_name_plural = _("pipeline states")
        default_permissions = ()

    def __str__(self) -> str:
        return self.circuit_code or "closed"

    @classmethod
    def get_current(cls) -> "PipelineState":
        """Return the row, created if there is none, for callers that write to it."""
        return cls.objects.get_or_create(pk=1)[0]

    @classmethod
    def peek(cls) -> "PipelineState":
        """Return the row, or an unsaved one with defaults, for callers that must write nothing."""
        return cls.objects.filter(pk=1).first() or cls(pk=1)

    @classmethod
    def lock(cls) -> None:
        """Lock the row until the transaction ends, if the database can."""
        cls.objects.select_for_update().filter(pk=1).first()

    @property
    def circuit_open(self) -> bool:
        return self.circuit_opened_at is not None

    @property
    def is_stopped(self) -> bool:
        """Return whether a person has stopped all buying."""
        return self.buying_stopped_at is not None

    def open_circuit(
        self, code: str, detail: str, probe_at: dt.datetime, tried_settings: str = ""
    ) -> None:
        """Stop submissions; the time of the first opening stays while the circuit is open.

        `tried_settings`: a digest of the settings with which it was tried.
        """
        why = {"circuit_code": code, "circuit_detail": detail, "probe_at": probe_at}
        self._note_tried(tried_settings)
        opened = self.update_if(
            where={"circuit_opened_at": None}, circuit_opened_at=timezone.now(), **why
        )
        if opened or self.update_if(where=~Q(circuit_code=code), **why):
            events.circuit_opened(code, detail, probe_at)
        else:
            self.update_if(where={}, **why)

    def count_outage(self) -> int:
        """Count a submission that found the gateway out of order; return how many in a row did."""
        self.update_if(where={}, consecutive_outages=F("consecutive_outages") + 1)
        self.refresh_from_db(fields=["consecutive_outages"])
        return self.consecutive_outages

    def close_circuit(self) -> None:
        """Close the circuit and forget its outages: the service is well again."""
        code = self.circuit_code
        closed = self.update_if(
            where={"circuit_opened_at__isnull": False},
            circuit_opened_at=None,
            circuit_code="",
            circuit_detail="",
            probe_at=None,
            tried_settings=[],
        )
        if closed:
            events.circuit_closed(code)
        self.update_if(where={}, consecutive_outages=0)

    def _note_tried(self, digest: str) -> None:
        if digest and digest not in self.tried_settings:
            self.update_if(where={}, tried_settings=[*self.tried_settings, digest][-20:])

    def is_untried(self, digest: str) -> bool:
        """Return whether the circuit is open, and was tried with other settings only."""
        return self.circuit_open and bool(self.tried_settings) and digest not in self.tried_settings

    def probe_with_new_settings(self, digest: str, now: dt.datetime) -> bool:
        """Make the probe due if nothing was tried with these settings; return whether so."""
        if not self.is_untried(digest):
            return False
        self._note_tried(digest)
        return self.update_if(where={"circuit_opened_at__isnull": False}, probe_at=now)

    def stop_buying(self, user: Any) -> bool:
        """Send nothing until `resume_buying`; return False if it was stopped before."""
        stopped = self.update_if(
            where={"buying_stopped_at": None},
            buying_stopped_at=timezone.now(),
            buying_stopped_by=user,
        )
        if stopped:
            events.buying_stopped(str(user or "the command line"))
        return stopped

    def resume_buying(self, user: Any) -> bool:
        """Go on; return False if it was not stopped."""
        resumed = self.update_if(
            where={"buying_stopped_at__isnull": False},
            buying_stopped_at=None,
            buying_stopped_by=None,
        )
        if resumed:
            events.buying_resumed(str(user or "the command line"))
        return resumed

    def count_failure(self, image_id: Any) -> int:
        """Count a purchase that came to nothing; return of how many images in a row that is so."""
        with database.atomic():
            stored = type(self).objects.select_for_update().get(pk=self.pk)
            images = [*stored.failed_images, str(image_id)]
            self.update_if(
                where={},
                failed_images=list(dict.fromkeys(images))[-MAX_FAILED_IMAGES:],
                failing_since=stored.failing_since or timezone.now(),
            )
        return len(self.failed_images)

    def forget_failures(self) -> None:
        """Note that the failures are in a row no more."""
        self.update_if(where={}, failed_images=[], failing_since=None)

    def pause(self, until: dt.datetime, detail: str) -> None:
        """Send nothing until then, as the gateway has asked."""
        over = Q(paused_until=None) | Q(paused_until__lte=timezone.now())
        if self.update_if(where=over, paused_until=until):
            events.paused(until, detail)
        else:
            self.update_if(where={"paused_until__lt": until}, paused_until=until)

    def take_probe(self, now: dt.datetime, next_probe: dt.datetime) -> bool:
        """Take the one probe that an open circuit allows now; return whether it was free."""
        return self.update_if(
            where={"circuit_opened_at__isnull": False, "probe_at__lte": now},
            probe_at=next_probe,
        )

    # The appointment of the next pass

    @classmethod
    def begin_pass(
        cls, now: dt.datetime, until: dt.datetime, appointed: dt.datetime | None = None
    ) -> bool:
        """Take the pass that is due at `now`; return whether there was one to take.

        `until`: when another runner may follow, should this one die. `appointed`: a later time for
        which a pass may be taken now.
        """
        due = Q(next_pass_at=None) | Q(next_pass_at__lte=now) | Q(next_pass_at=appointed)
        return bool(cls.objects.filter(due, pk=1).update(next_pass_at=until))

    @classmethod
    def end_pass(cls, until: dt.datetime, due: dt.datetime) -> bool:
        """Appoint the next pass for `due`; return whether this pass was to do so.

        `until` is that of `begin_pass`. Where it has changed, the next pass was brought forward, or
        another runner has followed.
        """
        return bool(cls.objects.filter(pk=1, next_pass_at=until).update(next_pass_at=due))

    @classmethod
    def bring_pass_forward(cls, when: dt.datetime) -> bool:
        """Appoint a pass for `when`; return False if there is an earlier appointment."""
        cls.get_current()
        later = Q(next_pass_at=None) | Q(next_pass_at__gt=when)
        return bool(cls.objects.filter(later, pk=1).update(next_pass_at=when))

    def replace_appointment(self, when: dt.datetime) -> bool:
        """Appoint the next pass for `when`, if the appointment is still the one that was read."""
        return self.update_if(where={"next_pass_at": self.next_pass_at}, next_pass_at=when)
