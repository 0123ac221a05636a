"""What was wanted, bought and decided for an image and shape."""

import datetime as dt
from typing import Any

from django.conf import settings as django_settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from wagtail.images import get_image_model_string

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.database import PrimaryQuerySet
from wagtail_smart_resize.core.sizes import Slot

from . import events
from .base import ConditionalUpdateModel
from .candidate import Candidate
from .deletion import cascade_if_migrated, set_null_if_migrated
from .gateway_request import GatewayRequest
from .image_version import ImageVersion


def _is_open() -> Q:
    """Return the condition of `Recomposition.is_open` for the database."""
    return Q(decision=Recomposition.Decision.NONE, live=None)


def _waiting(reason: str, until: Any) -> dict[str, Any]:
    """Return the fields of a wanted row that is not allowed yet, and assessed again at `until`."""
    return {
        "waiting_reason": reason,
        "next_attempt_at": until,
        "failure_code": "",
        "failure_detail": "",
    }


def _exact(value: Any) -> Any:
    """Return a value for JSON with a time's microseconds, which Django's encoder drops."""
    return value.isoformat() if isinstance(value, dt.datetime) else value


class _RaceLost(Exception):
    """Another process, or a person, was faster: the transaction is rolled back."""


class RecompositionQuerySet(PrimaryQuerySet["Recomposition"]):
    def current(self) -> "RecompositionQuerySet":
        """Return the rows of their images' present files."""
        return self.filter(source_hash=F("image__file_hash"))

    def wanted(self) -> "RecompositionQuerySet":
        return self.filter(purchase=Recomposition.Purchase.WANTED)

    def undecided(self) -> "RecompositionQuerySet":
        """Return the rows on which automation may act: see `Recomposition.is_open`."""
        return self.filter(_is_open())

    def due(self, now: Any) -> "RecompositionQuerySet":
        """Return the rows that are wanted, undecided and due.

        A row without `next_attempt_at` is never due; sync wakes it.
        """
        return self.filter(self._is_due(now))

    def postpone_due(self, now: Any, until: Any) -> int:
        """Postpone to `until` those of these rows that are due; return their number."""
        return self.update_in_order(self._is_due(now), next_attempt_at=until)

    @staticmethod
    def _is_due(now: Any) -> Q:
        wanted = Q(purchase=Recomposition.Purchase.WANTED)
        return _is_open() & wanted & Q(next_attempt_at__lte=now)

    def wait(self, reason: str, until: Any) -> int:
        """Note why those of these rows that are wanted are not allowed yet; return their number.

        They are assessed again at `until`, None to leave them until sync finds cause.
        """
        wanted = Q(purchase=Recomposition.Purchase.WANTED)
        return self.update_in_order(wanted, **_waiting(reason, until))

    def wake(self, reason: str, now: Any) -> int:
        """Make those of these rows that wait for `reason` due now; return their number."""
        waiting = Q(purchase=Recomposition.Purchase.WANTED, waiting_reason=reason)
        return self.update_in_order(waiting, next_attempt_at=now, waiting_reason="")

    def stranded(self) -> "RecompositionQuerySet":
        """Return the requested rows with no request under way: it was deleted from the ledger."""
        under_way = GatewayRequest.objects.unfinished().filter(pk=OuterRef("request"))
        requested = self.filter(purchase=Recomposition.Purchase.REQUESTED)
        return requested.filter(~Exists(under_way))

    def awaiting_review(self) -> "RecompositionQuerySet":
        """Return the noted rows with stored candidates: a person has to decide, perhaps anew."""
        return self.filter(awaiting_review_since__isnull=False)._with_candidates()

    def overlooked(self) -> "RecompositionQuerySet":
        """Return the undecided rows that await review but are not noted as such."""
        return self.undecided().filter(awaiting_review_since=None)._with_candidates()

    def note_review(self, *, by_person: bool = False) -> int:
        """Note that the open ones of these rows await review from now on; return their number.

        What a person asked for awaits it where somebody has decided before, too.
        """
        unnoted = Q(awaiting_review_since=None)
        if not by_person:
            unnoted &= _is_open()
        return self.update_in_order(unnoted, awaiting_review_since=timezone.now())

    def _with_candidates(self) -> "RecompositionQuerySet":
        ready = Candidate.objects.filter(recomposition=OuterRef("pk"), stored=True)
        return self.filter(Exists(ready))


class Recomposition(ConditionalUpdateModel):
    """The picture of an image in one shape and recipe, with three independent facts about it.

    `live` alone decides what is served; `purchase` says where buying stands; `decision` says what a
    person chose, or that the check against the original has declined what was bought. A shape is
    the ratio of width to height, to three decimals.
    """

    class WantedBy(models.TextChoices):
        TEMPLATE = "template", _("a template")
        PREVIEW = "preview", _("a preview")
        PERSON = "person", _("a person")

    class Purchase(models.TextChoices):
        IDLE = "idle", _("idle")
        WANTED = "wanted", _("wanted")
        REQUESTED = "requested", _("requested")
        FAILED = "failed", _("failed")

    class Decision(models.TextChoices):
        NONE = "none", _("not decided")
        CANDIDATE = "candidate", _("AI version")
        CROP = "crop", _("crop")
        CHECK = "check", _("crop, by the check")

    image = models.ForeignKey(
        get_image_model_string(),
        on_delete=cascade_if_migrated,
        related_name="smart_resize_recompositions",
        verbose_name=_("image"),
    )
    #: The image's collection, by which lists find the rows of those who may see some collections
    #: only. It may be out of date: see `image_collection`. No foreign key, so that a collection can
    #: be deleted, and moved images be written, without a lock on rows of ours.
    collection_id = models.BigIntegerField(null=True, blank=True, editable=False)
    source_hash = models.CharField(max_length=40)
    shape = models.DecimalField(_("shape"), max_digits=9, decimal_places=3)
    recipe = models.CharField(_("recipe"), max_length=64, blank=True, default="")
    #: Slots seen for this shape, as text: ["1200x630-c50", ...]
    slots = models.JSONField(default=list, blank=True)
    #: Pages that have asked for it, the newest first: [[key, "blog.articlepage"], ...]. Not all: a
    #: page that finds the crop made by another one asks for nothing.
    shown_on = models.JSONField(default=list, blank=True)
    MAX_PAGES = 20

    wanted_at = models.DateTimeField(_("asked since"), default=timezone.now)
    wanted_by = models.CharField(max_length=16, choices=WantedBy.choices, default=WantedBy.TEMPLATE)
    asked_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=set_null_if_migrated,
        related_name="+",
        # Its index has the collection in it, too.
        db_index=False,
        verbose_name=_("asked by"),
    )
    rules_overridden = models.BooleanField(default=False)
    #: A `rules.Reason` while the row waits for more than its turn, else "".
    waiting_reason = models.CharField(max_length=32, blank=True, default="")

    live = models.ForeignKey(
        "Candidate", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    purchase = models.CharField(max_length=16, choices=Purchase.choices, default=Purchase.WANTED)
    failure_code = models.CharField(max_length=32, blank=True, default="")
    failure_detail = models.TextField(blank=True, default="")
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    request = models.ForeignKey(
        "GatewayRequest", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    #: Start of the wait for review, with candidates stored on which nobody has decided. The review
    #: queue reads it: a search for the candidates of all rows takes time in proportion to the rows.
    awaiting_review_since = models.DateTimeField(null=True, blank=True)
    decision = models.CharField(max_length=16, choices=Decision.choices, default=Decision.NONE)
    decided_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=set_null_if_migrated,
        related_name="+",
        # Its index has the collection in it, too.
        db_index=False,
        verbose_name=_("decided by"),
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    #: Until then the decision can be undone, and visitors see what they saw before it.
    takes_effect_at = models.DateTimeField(null=True, blank=True)
    #: The fields that the decision has replaced, for as long as it can be undone.
    before_decision = models.JSONField(null=True, blank=True, encoder=DjangoJSONEncoder)
    #: When it was first seen that the image has another file; the row is deleted some days later.
    replaced_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = RecompositionQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        verbose_name = _("AI version")
        verbose_name_plural = _("AI versions")
        default_permissions = ()
        permissions = [
            ("smart_resize_recomposition", "Can ask for AI versions of images"),
            ("approve_recomposition", "Can approve AI versions of images"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=("image", "source_hash", "shape", "recipe"),
                name="smart_resize_bought_once",
            )
        ]
        indexes = [
            models.Index(
                fields=("purchase", "next_attempt_at", "wanted_at"), name="smart_resize_due"
            ),
            models.Index(fields=("awaiting_review_since", "id"), name="smart_resize_review"),
            models.Index(
                fields=("collection_id", "awaiting_review_since", "id"),
                name="smart_resize_reviews",
            ),
            # The report's order and its filters.
            models.Index(fields=("wanted_at", "id"), name="smart_resize_newest"),
            models.Index(fields=("collection_id", "wanted_at", "id"), name="smart_resize_places"),
            models.Index(fields=("asked_by", "collection_id"), name="smart_resize_askers"),
            models.Index(fields=("decided_by", "collection_id"), name="smart_resize_deciders"),
            models.Index(fields=("shape", "wanted_at", "id"), name="smart_resize_shapes"),
            models.Index(fields=("failure_code", "wanted_at", "id"), name="smart_resize_failures"),
            models.Index(fields=("waiting_reason", "wanted_at", "id"), name="smart_resize_waits"),
            models.Index(fields=("purchase", "wanted_at", "id"), name="smart_resize_purchases"),
            # What a sync deletes when its time is over.
            models.Index(fields=("replaced_at",), name="smart_resize_replaced"),
        ]

    def __str__(self) -> str:
        return f"{self.image_id} {self.shape} {self.recipe}".rstrip()

    @property
    def parsed_slots(self) -> list[Slot]:
        return [Slot.parse(text) for text in self.slots]

    def shown_on_with(self, pages: list[list[Any]]) -> list[list[Any]]:
        """Return `shown_on` with these pages before those noted, as many as are kept."""
        new = [page for page in pages if page not in self.shown_on]
        return [*new, *self.shown_on][: self.MAX_PAGES]

    # Purchase

    def wait(self, reason: str, until: Any = None) -> bool:
        """Note why the row is not allowed yet, and assess it again at `until`.

        `until`: None to leave it until sync finds cause.
        """
        return self.update_if(where={"purchase": self.Purchase.WANTED}, **_waiting(reason, until))

    def try_later(self, code: str, detail: str, when: Any, *, attempts: int) -> bool:
        """Note why nothing could be requested, and try again at `when`."""
        return self.update_if(
            where={"purchase": self.Purchase.WANTED},
            failure_code=code,
            failure_detail=detail,
            next_attempt_at=when,
            attempts=attempts,
        )

    def want_again(self, when: Any, *, attempts: int, reason: str = "") -> bool:
        """Want the row again at `when`: its request came to nothing and was not charged."""
        return self.update_if(
            where={"purchase": self.Purchase.REQUESTED},
            purchase=self.Purchase.WANTED,
            attempts=attempts,
            next_attempt_at=when,
            waiting_reason=reason,
        )

    def leave(self) -> bool:
        """Stop wanting the row."""
        return self._become_idle(self.Purchase.WANTED)

    def take_back(self) -> bool:
        """Stop wanting the row, whose request was taken back before it was sent."""
        return self._become_idle(self.Purchase.REQUESTED)

    def _become_idle(self, before: "Recomposition.Purchase", **changes: Any) -> bool:
        return self.update_if(where={"purchase": before}, **self._idle(), **changes)

    @classmethod
    def _idle(cls) -> dict[str, Any]:
        """Return the fields of a row for which nothing is bought, or to be bought."""
        return {
            "purchase": cls.Purchase.IDLE,
            "failure_code": "",
            "failure_detail": "",
            "waiting_reason": "",
            "next_attempt_at": None,
        }

    def fail(self, code: str, detail: str) -> bool:
        """Fail the purchase for good, so that only a person can ask again; send the signal."""
        failed = self.update_if(
            where={"purchase__in": [self.Purchase.REQUESTED, self.Purchase.WANTED]},
            purchase=self.Purchase.FAILED,
            failure_code=code,
            failure_detail=detail,
            next_attempt_at=None,
        )
        if failed:
            events.row_failed(self)
        return failed

    def bought(self) -> bool:
        """Note that the outputs of the request are stored."""
        return self._become_idle(self.Purchase.REQUESTED, attempts=0)

    def decline_by_check(self) -> bool:
        """Note that the check declines all that was bought; return False if somebody has decided.

        The crop stays, and a person may still choose what was declined.
        """
        return self.update_if(
            where=_is_open(),
            decision=self.Decision.CHECK,
            decided_at=timezone.now(),
            awaiting_review_since=None,
        )

    def bought_to_go_live(self, candidate: Candidate, publish_at: dt.datetime) -> bool:
        """Note that the outputs are stored, and set the live one if automation still may."""
        open_request = _is_open() & Q(purchase=self.Purchase.REQUESTED)
        return self._go_live(candidate, open_request, publish_at, **self._idle(), attempts=0)

    def bought_to_be_used(
        self, candidate: Candidate, request: GatewayRequest, publish_at: dt.datetime
    ) -> bool:
        """Note that the outputs are stored, and that whoever asked wanted this one used at once.

        That is a decision of that person, unless somebody has decided since they asked.
        """
        since = Q(decided_at=None) | Q(decided_at__lte=request.created_at)
        return self._go_live(
            candidate,
            since & Q(purchase=self.Purchase.REQUESTED),
            publish_at,
            **self._idle(),
            attempts=0,
            decision=self.Decision.CANDIDATE,
            decided_by=request.asked_by,
            decided_at=timezone.now(),
            takes_effect_at=None,
            before_decision=None,
        )

    @property
    def is_wanted(self) -> bool:
        """Return whether the row waits to be bought: it is wanted, and automation may act."""
        return self.purchase == self.Purchase.WANTED and self.is_open

    # Live and decision. Changes are recorded at once, and flipped by a runner.

    @property
    def is_open(self) -> bool:
        """Return whether automation may act: nobody has decided, and nothing is live."""
        return self.decision == self.Decision.NONE and self.live_id is None

    def go_live(self, candidate: Candidate) -> bool:
        """Set the live candidate by automation, if nobody has decided and nothing is live."""
        return self._go_live(candidate, _is_open())

    def adopt(self, candidate: Candidate) -> None:
        """Make the candidate of another shape of the image one of this row's, unless it is live."""
        with database.atomic():
            ImageVersion.lock(self.image_id)
            if not Recomposition.objects.filter(live=candidate).exists():
                candidate.update_if(where={}, recomposition=self)
                Recomposition.objects.filter(pk=self.pk).note_review()

    def _go_live(
        self,
        candidate: Candidate,
        where: Q,
        publish_at: dt.datetime | None = None,
        **changes: Any,
    ) -> bool:
        changes |= {"live": candidate, "awaiting_review_since": None}
        try:
            with database.atomic():
                ImageVersion.mark_publish_due(self.image_id, publish_at)
                if not self.update_if(where=where, **changes):
                    raise _RaceLost
        except _RaceLost:
            return False
        return True

    def choose(
        self,
        candidate: Candidate | None,
        user: Any,
        takes_effect_at: dt.datetime | None = None,
    ) -> bool:
        """Record a person's decision for a candidate, or for the standard crop (None).

        The last recorded decision stands. Until `takes_effect_at`, None for now, it can be undone.
        Return False if the same person has just decided the same, and may still undo that.

        Raise ValueError for a candidate of another recomposition, or one whose file is not stored.
        """
        if candidate and (candidate.recomposition_id != self.pk or not candidate.stored):
            raise ValueError("The candidate does not belong to this recomposition.")
        with database.atomic():
            ImageVersion.lock(self.image_id)
            before = None
            if takes_effect_at:
                self.refresh_from_db(fields=self._UNDONE)
                if self._is_decided_so(candidate, user):
                    # Pressed twice: undone once, all is as it was before the first.
                    return False
                before = {name: _exact(getattr(self, name)) for name in self._UNDONE}
            self.update_if(
                where={},
                live=candidate,
                awaiting_review_since=None,
                decision=self.Decision.CANDIDATE if candidate else self.Decision.CROP,
                decided_by=user,
                decided_at=timezone.now(),
                takes_effect_at=takes_effect_at,
                before_decision=before,
            )
            ImageVersion.mark_publish_due(self.image_id, takes_effect_at)
        if candidate is None and takes_effect_at is None:
            events.declined(self)
        return True

    def _is_decided_so(self, candidate: Candidate | None, user: Any) -> bool:
        """Return whether the same person has just decided the same, and may still undo it."""
        same = self.live_id == (candidate.pk if candidate else None) and (
            self.decision == (self.Decision.CANDIDATE if candidate else self.Decision.CROP)
        )
        mine = user is not None and self.decided_by_id == user.pk
        pending = self.takes_effect_at is not None and self.takes_effect_at > timezone.now()
        return same and mine and pending

    #: What a decision changes, and undoing it restores.
    _UNDONE = (
        "live_id",
        "awaiting_review_since",
        "decision",
        "decided_by_id",
        "decided_at",
        "takes_effect_at",
        "purchase",
        "waiting_reason",
        "next_attempt_at",
        "failure_code",
        "failure_detail",
    )

    def undo_decision(self, now: dt.datetime) -> bool:
        """Restore what the last decision has replaced; return False if it has taken effect."""
        if self.before_decision is None:
            return False
        fields: dict[str, Any] = {name: self._meta.get_field(name) for name in self._UNDONE}
        before = {
            name: field.to_python(self.before_decision[name])
            for name, field in fields.items()
            if name in self.before_decision
        }
        with database.atomic():
            ImageVersion.mark_publish_due(self.image_id)
            undone = self.update_if(
                where={"takes_effect_at": self.takes_effect_at, "takes_effect_at__gt": now},
                **before,
                before_decision=None,
            )
        return undone

    def settle_decision(self) -> None:
        """Note that the decision has taken effect: it can't be undone any more."""
        settled = self.update_if(
            where={"takes_effect_at": self.takes_effect_at},
            takes_effect_at=None,
            before_decision=None,
        )
        if settled and self.decision == self.Decision.CROP:
            events.declined(self)
