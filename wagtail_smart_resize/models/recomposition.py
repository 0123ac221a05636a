"""What was wanted, bought and decided for an image and a shape."""

import logging
import secrets
from functools import partial
from typing import Any

from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from wagtail.images import get_image_model_string

from wagtail_smart_resize.signals import recomposition_declined, recomposition_failed

from .base import Row, only_if
from .candidate_file import CandidateFileField
from .gateway_request import GatewayRequest
from .image_version import ImageVersion

logger = logging.getLogger(__name__)


def _is_open() -> Q:
    """`Recomposition.is_open`, for the database."""
    return Q(decision=Recomposition.Decision.NONE, live=None)


class RecompositionQuerySet(models.QuerySet):
    def wanted(self) -> "RecompositionQuerySet":
        return self.filter(purchase=Recomposition.Purchase.WANTED)

    def due(self, now: Any) -> "RecompositionQuerySet":
        """Wanted, not decided, and to be looked at now. Without a next attempt: sync's to wake."""
        return self.filter(self._is_due(now))

    def postpone_due(self, now: Any, until: Any) -> int:
        """Those of these rows that are due are looked at again then."""
        return self.filter(only_if(self._is_due(now))).update(next_attempt=until)

    @staticmethod
    def _is_due(now: Any) -> Q:
        wanted = Q(purchase=Recomposition.Purchase.WANTED)
        return _is_open() & wanted & Q(next_attempt__lte=now)

    def wake(self, reason: str, now: Any) -> int:
        """Those of these rows that wait for this reason are looked at again now."""
        waiting = Q(purchase=Recomposition.Purchase.WANTED, waiting_reason=reason)
        return self.filter(only_if(waiting)).update(next_attempt=now, waiting_reason="")

    def stranded(self) -> "RecompositionQuerySet":
        """Requested, and no request is under way: its row was deleted from the ledger."""
        under_way = GatewayRequest.objects.unfinished().filter(pk=OuterRef("request"))
        requested = self.filter(purchase=Recomposition.Purchase.REQUESTED)
        return requested.filter(~Exists(under_way))

    def awaiting_review(self) -> "RecompositionQuerySet":
        """Candidates are there, nobody has decided, and none is live."""
        return self.filter(review_since__isnull=False)._undecided_with_candidates()

    def overlooked(self) -> "RecompositionQuerySet":
        """The same, but not noted."""
        return self.filter(review_since=None)._undecided_with_candidates()

    def note_review(self) -> int:
        """From now on they await review, as far as nobody has decided."""
        unnoted = _is_open() & Q(review_since=None)
        return self.filter(only_if(unnoted)).update(review_since=timezone.now())

    def _undecided_with_candidates(self) -> "RecompositionQuerySet":
        ready = Candidate.objects.filter(recomposition=OuterRef("pk"), stored=True)
        return self.filter(_is_open(), Exists(ready))


class Recomposition(Row):
    """One image's picture in one shape and recipe: three independent facts about it.

    `live` alone decides what is served; `purchase` says where buying stands; `decision` says
    what a person chose. Shapes are ratios, width over height, to three decimals.
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
        CANDIDATE = "candidate", _("recomposed picture")
        CROP = "crop", _("standard crop")

    image = models.ForeignKey(
        get_image_model_string(),
        on_delete=models.CASCADE,
        related_name="smart_resize_recompositions",
        verbose_name=_("image"),
    )
    source_hash = models.CharField(max_length=40)
    shape = models.DecimalField(_("shape"), max_digits=9, decimal_places=3)
    recipe = models.CharField(_("recipe"), max_length=64, blank=True, default="")
    #: Slots seen for it, as text: ["1200x630-c50", ...]
    slots = models.JSONField(default=list, blank=True)

    wanted_at = models.DateTimeField(_("wanted since"), default=timezone.now)
    wanted_by = models.CharField(max_length=16, choices=WantedBy.choices, default=WantedBy.TEMPLATE)
    asked_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("asked by"),
    )
    overruled = models.BooleanField(default=False)
    #: A `rules.Reason` while the row waits for more than its turn.
    waiting_reason = models.CharField(max_length=32, blank=True, default="")

    live = models.ForeignKey(
        "Candidate", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    purchase = models.CharField(max_length=16, choices=Purchase.choices, default=Purchase.WANTED)
    failure_code = models.CharField(max_length=32, blank=True, default="")
    failure_detail = models.TextField(blank=True, default="")
    attempts = models.PositiveIntegerField(default=0)
    next_attempt = models.DateTimeField(null=True, blank=True)
    request = models.ForeignKey(
        "GatewayRequest", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    #: Since when candidates are there and nobody has decided: the review queue goes by it, since
    #: to look for candidates of all rows takes as long as there are rows.
    review_since = models.DateTimeField(null=True, blank=True)
    decision = models.CharField(max_length=16, choices=Decision.choices, default=Decision.NONE)
    decided_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("decided by"),
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    #: When it was first seen that the image has another file now; its row goes some days later.
    replaced_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = RecompositionQuerySet.as_manager()

    class Meta:
        verbose_name = _("recomposition")
        verbose_name_plural = _("recompositions")
        default_permissions = ()
        permissions = [
            ("smart_resize_recomposition", "Can smart resize images"),
            ("approve_recomposition", "Can approve recomposed images"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=("image", "source_hash", "shape", "recipe"),
                name="smart_resize_bought_once",
            )
        ]
        indexes = [
            models.Index(fields=("purchase", "next_attempt"), name="smart_resize_due"),
            models.Index(fields=("review_since", "id"), name="smart_resize_review"),
            # The report: its order, and what it can be narrowed down by.
            models.Index(fields=("wanted_at", "id"), name="smart_resize_newest"),
            models.Index(fields=("shape", "wanted_at", "id"), name="smart_resize_shapes"),
            models.Index(fields=("failure_code", "wanted_at", "id"), name="smart_resize_failures"),
            models.Index(fields=("waiting_reason", "wanted_at", "id"), name="smart_resize_waits"),
            models.Index(fields=("purchase", "wanted_at", "id"), name="smart_resize_purchases"),
        ]

    def __str__(self) -> str:
        return f"{self.image_id} {self.shape} {self.recipe}".rstrip()

    # Purchase

    def wait(self, reason: str, until: Any = None) -> bool:
        """Not allowed yet: say why, and look again at `until` (None: when sync finds cause)."""
        return self.move(
            where={"purchase": self.Purchase.WANTED},
            waiting_reason=reason,
            next_attempt=until,
            failure_code="",
            failure_detail="",
        )

    def try_later(self, code: str, detail: str, when: Any, *, attempts: int) -> bool:
        """Nothing could be asked for: say why, and try again at `when`."""
        return self.move(
            where={"purchase": self.Purchase.WANTED},
            failure_code=code,
            failure_detail=detail,
            next_attempt=when,
            attempts=attempts,
        )

    def want_again(self, when: Any, *, attempts: int, reason: str = "") -> bool:
        """The request came to nothing and was not charged: wanted again at `when`."""
        return self.move(
            where={"purchase": self.Purchase.REQUESTED},
            purchase=self.Purchase.WANTED,
            attempts=attempts,
            next_attempt=when,
            waiting_reason=reason,
        )

    def leave(self) -> bool:
        """Nothing is bought for it: it has candidates already."""
        return self.move(
            where={"purchase": self.Purchase.WANTED},
            purchase=self.Purchase.IDLE,
            waiting_reason="",
            failure_code="",
            failure_detail="",
            next_attempt=None,
        )

    def fail(self, code: str, detail: str) -> bool:
        """Buying it failed for good; only a person asks again."""
        failed = self.move(
            where={"purchase__in": [self.Purchase.REQUESTED, self.Purchase.WANTED]},
            purchase=self.Purchase.FAILED,
            failure_code=code,
            failure_detail=detail,
            next_attempt=None,
        )
        if failed:
            tell = partial(recomposition_failed.send_robust, type(self), recomposition=self)
            transaction.on_commit(tell)
        return failed

    def bought(self) -> bool:
        """Its outputs are stored."""
        return self.move(
            where={"purchase": self.Purchase.REQUESTED},
            purchase=self.Purchase.IDLE,
            failure_code="",
            failure_detail="",
            waiting_reason="",
            attempts=0,
            next_attempt=None,
        )

    # Live and decision: each is recorded at once and flipped by a runner.

    @property
    def is_open(self) -> bool:
        """Whether automation has a say: nobody has decided, and nothing is live."""
        return self.decision == self.Decision.NONE and self.live_id is None

    def go_live(self, candidate: "Candidate") -> bool:
        """Automation's turn: only where nobody has decided and nothing is live."""
        with transaction.atomic():
            ImageVersion.lock(self.image_id)
            won = self.move(where=_is_open(), live=candidate, review_since=None)
            if won:
                ImageVersion.mark_due(self.image_id)
        return won

    def choose(self, candidate: "Candidate | None", user: Any) -> None:
        """A person's decision: this candidate, or the standard crop where it is None.

        The last recorded decision stands. Raises ValueError for a candidate of another
        recomposition, or one whose file is not stored.
        """
        if candidate and (candidate.recomposition_id != self.pk or not candidate.stored):
            raise ValueError("The candidate does not belong to this recomposition.")
        with transaction.atomic():
            ImageVersion.lock(self.image_id)
            self.move(
                where={},
                live=candidate,
                review_since=None,
                decision=self.Decision.CANDIDATE if candidate else self.Decision.CROP,
                decided_by=user,
                decided_at=timezone.now(),
            )
            ImageVersion.mark_due(self.image_id)
        if candidate is None:
            tell = partial(recomposition_declined.send_robust, type(self), recomposition=self)
            transaction.on_commit(tell)


class Candidate(Row):
    """One stored output of the API. The row names its file before the file is written."""

    recomposition = models.ForeignKey(
        Recomposition, on_delete=models.CASCADE, related_name="candidates"
    )
    request = models.ForeignKey(
        "GatewayRequest",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="candidates",
    )
    file = CandidateFileField(max_length=255)
    stored = models.BooleanField(default=False)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    #: SHA-256 of the file's bytes, in hexadecimal.
    digest = models.CharField(max_length=64)
    position = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("candidate")
        verbose_name_plural = _("candidates")
        default_permissions = ()
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=("request", "recomposition", "position"),
                name="smart_resize_one_candidate_per_output",
            )
        ]

    def __str__(self) -> str:
        return f"{self.width}x{self.height} {self.file.name}"

    @staticmethod
    def new_name(image_id: Any, extension: str) -> str:
        """A name that can't be guessed: candidates may wait for review in public storage."""
        return f"smart_resize/{image_id}/{secrets.token_urlsafe(18)}.{extension}"

    def store(self, content: bytes) -> None:
        """Write the file under the name that the row has, then say so in the row.

        Storages may change a name that is taken: what an earlier try left is removed first, and
        the name that the storage gave is the one recorded. If the row was deleted meanwhile, no
        file stays behind. What is paid for is stored even where nothing may be deleted.
        """
        storage = self.file.storage
        try:
            storage.delete(self.file.name)
        except Exception:
            logger.exception("Can't delete what an earlier try may have left: %s", self.file.name)
        name = storage.save(self.file.name, ContentFile(content), max_length=255)
        with transaction.atomic():
            Recomposition.objects.filter(pk=self.recomposition_id).note_review()
            is_there = self.move(where={}, file=name, stored=True)
        if not is_there:
            storage.delete(name)
