"""What was wanted, bought and decided for an image and a shape."""

import logging
import secrets
from functools import partial
from typing import Any

from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.db import models, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from wagtail.images import get_image_model_string

from ..settings import settings
from ..signals import recomposition_failed
from .base import Row
from .ledger import GatewayRequest
from .versions import ImageVersion

logger = logging.getLogger(__name__)


def candidate_storage() -> Storage:
    """The storage of candidates, as the site's settings name it."""
    return settings.candidate_storage()


class CandidateFileField(models.FileField):
    """A file field in the candidates' storage; migrations need not know which that is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["storage"] = candidate_storage
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        kwargs.pop("storage", None)
        return name, "django.db.models.FileField", args, kwargs


class RecompositionQuerySet(models.QuerySet):
    def wanted(self) -> "RecompositionQuerySet":
        return self.filter(purchase=Recomposition.Purchase.WANTED)

    def due(self, now: Any) -> "RecompositionQuerySet":
        """Wanted, not decided, and to be looked at now. Without a next attempt: sync's to wake."""
        undecided = self.filter(decision=Recomposition.Decision.NONE, live=None)
        return undecided.wanted().filter(next_attempt__lte=now)

    def stranded(self) -> "RecompositionQuerySet":
        """Requested, and no request is under way: its row was deleted from the ledger."""
        under_way = GatewayRequest.objects.unfinished().filter(pk=OuterRef("request"))
        requested = self.filter(purchase=Recomposition.Purchase.REQUESTED)
        return requested.filter(~Exists(under_way))

    def awaiting_review(self) -> "RecompositionQuerySet":
        """Candidates are there, nobody has decided, and none is live."""
        ready = Candidate.objects.filter(recomposition=OuterRef("pk"), stored=True)
        undecided = self.filter(decision=Recomposition.Decision.NONE, live=None)
        return undecided.filter(Exists(ready))


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
        undecided = {"decision": self.Decision.NONE, "live": None}
        with transaction.atomic():
            ImageVersion.lock(self.image_id)
            won = self.move(where=undecided, live=candidate)
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
                decision=self.Decision.CANDIDATE if candidate else self.Decision.CROP,
                decided_by=user,
                decided_at=timezone.now(),
            )
            ImageVersion.mark_due(self.image_id)


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
        if not self.move(where={}, file=name, stored=True):
            storage.delete(name)


class OptOut(Row):
    """An image that is never sent to the service."""

    image = models.OneToOneField(
        get_image_model_string(), on_delete=models.CASCADE, related_name="+"
    )
    user = models.ForeignKey(
        django_settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    reason = models.TextField(_("reason"), blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("opt-out")
        verbose_name_plural = _("opt-outs")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.image_id)
