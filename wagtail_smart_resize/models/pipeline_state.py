"""How the pipeline as a whole is doing: one row."""

import datetime as dt
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .base import Row
from .gateway_request import new_token


class PipelineState(Row):
    """One row: the circuit, the pause that the gateway asked for, the runner's lease."""

    circuit_opened_at = models.DateTimeField(null=True, blank=True)
    circuit_code = models.CharField(max_length=32, blank=True, default="")
    circuit_detail = models.TextField(blank=True, default="")
    #: While the circuit is open: when one request may try again.
    probe_at = models.DateTimeField(null=True, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True)
    #: Submissions in a row that found the gateway out of order.
    outages = models.PositiveIntegerField(default=0)
    runner = models.CharField(max_length=64, blank=True, default="")
    runner_until = models.DateTimeField(null=True, blank=True)
    heartbeat = models.DateTimeField(null=True, blank=True)
    last_sync = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("pipeline state")
        verbose_name_plural = _("pipeline states")
        default_permissions = ()

    def __str__(self) -> str:
        return self.circuit_code or "closed"

    @classmethod
    def load(cls) -> "PipelineState":
        """The row, made if there was none: for who writes to it."""
        return cls.objects.get_or_create(pk=1)[0]

    @classmethod
    def peek(cls) -> "PipelineState":
        """The row as it is, or as it would begin: for who only reads, and must write nothing."""
        return cls.objects.filter(pk=1).first() or cls(pk=1)

    @property
    def circuit_open(self) -> bool:
        return self.circuit_opened_at is not None

    def open_circuit(self, code: str, detail: str, probe_at: dt.datetime) -> None:
        """Stop submitting; the moment of the first opening stays while it is open."""
        self.move(
            where={},
            circuit_opened_at=self.circuit_opened_at or timezone.now(),
            circuit_code=code,
            circuit_detail=detail,
            probe_at=probe_at,
        )

    def count_outage(self) -> int:
        """One more submission in a row found the gateway out of order; returns how many."""
        self.move(where={}, outages=F("outages") + 1)
        self.refresh_from_db(fields=["outages"])
        return self.outages

    def close_circuit(self) -> None:
        """A submission went through."""
        self.move(
            where={},
            circuit_opened_at=None,
            circuit_code="",
            circuit_detail="",
            probe_at=None,
            outages=0,
        )

    def take_probe(self, now: dt.datetime, next_probe: dt.datetime) -> bool:
        """Win the one try that an open circuit allows now."""
        return self.move(
            where={"circuit_opened_at__isnull": False, "probe_at__lte": now},
            probe_at=next_probe,
        )

    def take_lease(self, now: dt.datetime, length: dt.timedelta) -> str:
        """The runner's lease, or "" where another has it."""
        token = new_token()
        free = Q(runner_until=None) | Q(runner_until__lte=now)
        matching = PipelineState.objects.filter(free, pk=self.pk)
        return token if matching.update(runner=token, runner_until=now + length) else ""

    def keep_lease(self, token: str, until: Any) -> bool:
        """Prolong the lease that we hold, or give it back (`until` None)."""
        return self.move(where={"runner": token}, runner_until=until)
