"""The ledger: what was asked of the gateway, and what became of it."""

import datetime as dt
import secrets
from collections.abc import Sequence
from typing import Any

from django.conf import settings as django_settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from wagtail.images import get_image_model_string

from wagtail_smart_resize.core.database import PrimaryQuerySet
from wagtail_smart_resize.core.money import Price
from wagtail_smart_resize.core.sizes import Size

from . import source_file
from .base import ConditionalUpdateModel
from .deletion import set_null_if_migrated


def new_token() -> str:
    """Return random text that can't be guessed."""
    return secrets.token_urlsafe(24)


#: The fields of a request on which no process works.
RELEASED: dict[str, Any] = {"lease": "", "leased_until": None}


class GatewayRequestQuerySet(PrimaryQuerySet["GatewayRequest"]):
    def unfinished(self) -> "GatewayRequestQuerySet":
        return self.filter(status__in=GatewayRequest.UNFINISHED)

    def unsent(self) -> "GatewayRequestQuerySet":
        return self.filter(status=GatewayRequest.Status.NEW)

    def with_source_file(self) -> "GatewayRequestQuerySet":
        return self.filter(source_file__gt="")

    def in_flight(self) -> "GatewayRequestQuerySet":
        """Return the requests whose source may be fetched, by the gateway or `check_reachable`.

        A request of unknown outcome with a known id may be at work, and its result can still be
        fetched.
        """
        statuses = [
            GatewayRequest.Status.NEW,
            GatewayRequest.Status.SENDING,
            GatewayRequest.Status.SENT,
        ]
        perhaps = Q(status=GatewayRequest.Status.UNKNOWN, request_id__gt="")
        return self.filter(Q(status__in=statuses) | perhaps)

    def due(self, now: Any) -> "GatewayRequestQuerySet":
        """Return the unfinished requests whose next step is due and that no process has leased."""
        free = Q(leased_until=None) | Q(leased_until__lte=now)
        return self.unfinished().filter(free, next_step_at__lte=now)


class GatewayRequest(ConditionalUpdateModel):
    """One POST, paid or not, and its outcome. It outlives the image."""

    class Status(models.TextChoices):
        NEW = "new", _("to be sent")
        SENDING = "sending", _("being sent")
        SENT = "sent", _("with the service")
        FETCHING = "fetching", _("being fetched")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        UNKNOWN = "unknown", _("unknown")

    class Charged(models.TextChoices):
        NO = "no", _("no")
        YES = "yes", _("yes")
        UNKNOWN = "unknown", _("unknown")

    UNFINISHED = (Status.NEW, Status.SENDING, Status.SENT, Status.FETCHING)

    image = models.ForeignKey(
        get_image_model_string(),
        null=True,
        blank=True,
        on_delete=set_null_if_migrated,
        related_name="+",
    )
    image_title = models.CharField(max_length=255, blank=True, default="")
    source_hash = models.CharField(max_length=40)
    #: What the opened file said: its size as displayed, and Pillow's name of its format.
    source_width = models.PositiveIntegerField(null=True, blank=True)
    source_height = models.PositiveIntegerField(null=True, blank=True)
    source_format = models.CharField(max_length=16, blank=True, default="")
    #: Secret in the source URL, so that the URL can't be guessed.
    source_token = models.CharField(max_length=64)
    #: Name of the source picture in `SOURCE_STORAGE`: from before it is written until it is gone.
    source_file = models.CharField(max_length=255, blank=True, default="")

    status = models.CharField(max_length=16, choices=Status.choices, default=Status.NEW)
    request_id = models.CharField(max_length=255, blank=True, default="")
    polling_url = models.TextField(blank=True, default="")

    recipe = models.CharField(max_length=64, blank=True, default="")
    prompt = models.TextField(blank=True, default="")
    resolution = models.CharField(max_length=8)
    output_format = models.CharField(max_length=8)
    safety_tolerance = models.CharField(max_length=8, blank=True, default="")
    seed = models.BigIntegerField(null=True, blank=True)
    #: Sizes asked for: [{"size": "2752x1444", "recomposition": 12}, ...]
    sizes = models.JSONField(default=list)
    images_per_size = models.PositiveIntegerField(default=1)

    #: Outputs that the gateway named: [{"url": ..., "file_name": ..., "content_type": ...}, ...]
    outputs = models.JSONField(default=list, blank=True)
    outputs_asked = models.PositiveIntegerField(default=0)
    outputs_received = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=32, blank=True, default="")
    error_detail = models.TextField(blank=True, default="")
    charged = models.CharField(max_length=8, choices=Charged.choices, default=Charged.NO)
    price = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True, default="")
    #: UTC day whose budget holds this request's outputs; empty once given back.
    reserved_on = models.DateField(null=True, blank=True)

    attempts = models.PositiveIntegerField(default=0)
    #: Number of consecutive errors within the present state, for the backoff.
    consecutive_errors = models.PositiveIntegerField(default=0)
    next_step_at = models.DateTimeField(null=True, blank=True, default=timezone.now)
    lease = models.CharField(max_length=64, blank=True, default="")
    leased_until = models.DateTimeField(null=True, blank=True)

    asked_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=set_null_if_migrated,
        related_name="+",
    )
    #: Whether a person asked for exactly this: it is sent as it is, and joined with nothing.
    by_person = models.BooleanField(default=False)
    #: Whether the person wants the first usable picture to go live without being looked at.
    use_at_once = models.BooleanField(default=False)
    batch = models.UUIDField(null=True, blank=True, db_index=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    #: When the source picture was first fetched from the site for this request.
    source_fetched_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    #: Seconds that the gateway was at work, by its own clock.
    service_seconds = models.FloatField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = GatewayRequestQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        verbose_name = _("gateway request")
        verbose_name_plural = _("gateway requests")
        default_permissions = ()
        indexes = [
            models.Index(fields=("status", "next_step_at"), name="smart_resize_steps"),
            # For a month's spending.
            models.Index(fields=("reserved_on",), name="smart_resize_reserved"),
            models.Index(fields=("request_id",), name="smart_resize_request_id"),
            models.Index(fields=("source_file",), name="smart_resize_source_file"),
        ]

    def __str__(self) -> str:
        return self.request_id or f"#{self.pk}"

    def take(self, now: dt.datetime, length: dt.timedelta) -> bool:
        """Take the lease for `length`; return False if it is held, or the request has moved on.

        Until the lease ends, this process alone works on the request.
        """
        free = Q(leased_until=None) | Q(leased_until__lte=now)
        as_read = Q(status=self.status, next_step_at=self.next_step_at)
        return self.update_if(where=free & as_read, lease=new_token(), leased_until=now + length)

    def is_leased_at(self, moment: dt.datetime) -> bool:
        """Return whether the lease that this process has taken still holds then."""
        return self.leased_until is not None and moment < self.leased_until

    @classmethod
    def take_due(
        cls, requests: Sequence["GatewayRequest"], now: dt.datetime, length: dt.timedelta
    ) -> list["GatewayRequest"]:
        """Take the leases of requests of one status together, as `take` does of one.

        Return those that were free, and due still.
        """
        lease, until = new_token(), now + length
        statuses = {request.status for request in requests}
        free = Q(leased_until=None) | Q(leased_until__lte=now)
        due = Q(status__in=statuses, next_step_at__lte=now)
        rows = cls.objects.filter(pk__in=[request.pk for request in requests])
        count = rows.update_in_order(free & due, lease=lease, leased_until=until)
        taken = list(requests)
        if count < len(requests):
            ours = set(rows.filter(lease=lease).values_list("pk", flat=True))
            taken = [request for request in requests if request.pk in ours]
        for request in taken:
            request.lease, request.leased_until = lease, until
        return taken

    def step(self, **changes: Any) -> bool:
        """Write the result of a step if this process still has the lease; return whether so."""
        return self.update_if(where={"lease": self.lease}, **changes)

    def release(self, **changes: Any) -> bool:
        """Write the result of a step and give the lease back; return whether it was held."""
        return self.step(**RELEASED, **changes)

    def finish(self, status: "GatewayRequest.Status", **changes: Any) -> bool:
        """Write the result of the last step, after which nothing is due for this request."""
        changes |= {"status": status, "finished_at": timezone.now(), "next_step_at": None}
        done = self.release(**changes)
        if done:
            source_file.delete_on_commit(self)
        return done

    def has_id_of_another(self) -> bool:
        """Return whether the service gave this request's id to another one, too.

        Then nobody but a person can tell whose pictures these are.
        """
        same = type(self).objects.filter(request_id=self.request_id).exclude(pk=self.pk)
        return bool(self.request_id) and same.exists()

    @property
    def source_size(self) -> Size | None:
        """Return the size of the source as displayed; None if its file was not opened."""
        if not (self.source_width and self.source_height):
            return None
        return Size(self.source_width, self.source_height)

    @property
    def cost(self) -> Price | None:
        """Return what it costs; None if the site had set no price when it was made."""
        return None if self.price is None else Price(self.price, self.currency)

    @property
    def seconds_at_work(self) -> float:
        """Return the seconds from the POST until the service had its pictures, or until now."""
        begun = self.sent_at or self.created_at
        return max(0.0, ((self.completed_at or timezone.now()) - begun).total_seconds())

    def recomposition_ids(self) -> list[int]:
        return [asked["recomposition"] for asked in self.sizes]
