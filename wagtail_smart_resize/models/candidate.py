"""Pictures that are stored for an image and shape: bought ones, and those derived from them."""

import math
import secrets
from typing import Any

from django.core.files.base import ContentFile
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.sizes import Size, share_cut_away
from wagtail_smart_resize.integrity.report import Report

from .base import ConditionalUpdateModel
from .candidate_file import CandidateFileField
from .gateway_request import GatewayRequest

logger = get_logger(__name__)


class Candidate(ConditionalUpdateModel):
    """A stored output of the API. The row names its file before the file is written."""

    recomposition = models.ForeignKey(
        "Recomposition", on_delete=models.CASCADE, related_name="candidates"
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
    #: Where the original lies in it, as shares of its size: left, top, width, height. Empty if it
    #: was not found, None if nobody has looked.
    original_box = models.JSONField(null=True, blank=True)
    #: What its file says of itself: the IPTC's code of its digital source type, or "", and whether
    #: a C2PA manifest came with it, of which nothing was verified. Renditions pass none on.
    source_type = models.CharField(max_length=64, blank=True, default="")
    has_c2pa = models.BooleanField(default=False)
    #: The bought version that it was made of, with the photograph's own pixels over its subject.
    derived_from = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="derived"
    )
    #: Which pixels are the photograph's own, and how well they meet the others: "area" (in the
    #: version's pixels), "share", "seam", "passed", and "focus", the focal area at that time.
    own_pixels = models.JSONField(null=True, blank=True)
    #: What the check against the original has found: `integrity.report.Report` as JSON. None if it
    #: was not checked. `passed` and `score` are out of it, for filters and orders.
    report = models.JSONField(null=True, blank=True)
    passed = models.BooleanField(null=True, blank=True)
    score = models.FloatField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("candidate")
        verbose_name_plural = _("candidates")
        default_permissions = ()
        ordering = ["pk"]
        indexes = [
            # What was never stored, and what is new.
            models.Index(fields=("stored", "created_at"), name="smart_resize_stored"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=("request", "position"), name="smart_resize_one_candidate_per_output"
            )
        ]

    def __str__(self) -> str:
        return f"{self.width}x{self.height} {self.file_name}"

    @property
    def file_name(self) -> str:
        """Return the file's name in its storage."""
        return self.file.name or ""

    @property
    def size(self) -> Size:
        return Size(self.width, self.height)

    @property
    def label(self) -> str:
        """Return the code of the digital source type that its renditions are labelled with."""
        # It is slow to import, and not every process needs it.
        from wagtail_smart_resize.renditions import provenance

        return provenance.source_type(self.source_type, keeps_original=self.is_derived)

    @property
    def is_derived(self) -> bool:
        """Return whether it was made here of a version that was bought."""
        return self.derived_from_id is not None

    @property
    def bought_with(self) -> GatewayRequest | None:
        """Return the request by which it was bought, or the version that it was derived from."""
        return self.derived_from.request if self.derived_from else self.request

    @property
    def source_size(self) -> Size | None:
        """Return the original's size as displayed, which its request has read from the file."""
        request = self.bought_with
        return request.source_size if request else None

    @property
    def checked(self) -> Report | None:
        """Return what the check against the original has found; None if it was not checked."""
        return Report.from_json(self.report) if self.report else None

    @property
    def share_cut_away(self) -> float:
        """Return the share (0 to under 1) that the cut to the recomposition's shape loses.

        It is 0 unless the service sent a picture of another shape than was asked for.
        """
        return share_cut_away(self.size, self.recomposition.shape)

    @property
    def cut_percent(self) -> int:
        """Return the same in percent, rounded up."""
        return math.ceil(self.share_cut_away * 100)

    @staticmethod
    def new_name(image_id: Any, extension: str) -> str:
        """Return a name that can't be guessed: candidates may await review in public storage."""
        return f"smart_resize/{image_id}/{secrets.token_urlsafe(18)}.{extension}"

    def write(self, content: bytes, *, is_new: bool = False) -> bool:
        """Write the file under the row's name, then note in the row that it is stored.

        Storages may change a name that is taken, so what an earlier try left is deleted first,
        unless the row `is_new`, and the name that the storage returned is recorded. If the row was
        deleted meanwhile, the file is deleted, too, and False returned. What is paid for is stored
        even where nothing may be deleted.
        """
        storage = self.file.storage
        if not is_new:
            self._delete_left_file()
        name = storage.save(self.file_name, ContentFile(content), max_length=255)
        is_there = self.update_if(where={}, file=name, stored=True)
        if not is_there:
            storage.delete(name)
        return is_there

    def _delete_left_file(self) -> None:
        try:
            self.file.storage.delete(self.file_name)
        except Exception:
            logger.exception("Can't delete what an earlier try may have left: %s", self.file_name)
