"""What the tables and files say, as plain data."""

import re
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Sum
from wagtail.images import get_image_model
from wagtail.models import ModelLogEntry

from suites.races import pictures
from suites.races.racer import look
from wagtail_smart_resize.editorial import audit
from wagtail_smart_resize.models import (
    BudgetPeriod,
    Candidate,
    GatewayRequest,
    ImageVersion,
    Recomposition,
)
from wagtail_smart_resize.renditions import published, published_cache

#: What tells in the ledger that nothing was bought.
NOT_CHARGED = GatewayRequest.Charged.NO
#: The file of a rendition that was prepared: Wagtail's own names have no such part.
PREPARED = re.compile(r"\.[0-9a-f]{12}\.")


def bought() -> int:
    """Outputs that the ledger says were bought."""
    charged = GatewayRequest.objects.exclude(charged=NOT_CHARGED)
    return charged.aggregate(outputs=Sum("outputs_asked"))["outputs"] or 0


def spent() -> dict[str, int]:
    return dict(BudgetPeriod.objects.values_list("period", "outputs"))


def final() -> dict[str, Any]:
    published_cache.process_cache.reset()
    return {
        "requests": list(
            GatewayRequest.objects.order_by("pk").values(
                "pk",
                "image_id",
                "recipe",
                "source_hash",
                "request_id",
                "status",
                "charged",
                "outputs_asked",
                "outputs_received",
                "error_code",
                "by_person",
                "batch",
                "images_per_size",
            )
        ),
        "rows": [_row(row) for row in Recomposition.objects.select_related("live")],
        "pages": [_page(version) for version in ImageVersion.objects.select_related("image")],
        "files": _files(),
        "left": {
            "unfinished": GatewayRequest.objects.unfinished().count(),
            "wanted": Recomposition.objects.wanted().count(),
            "flips": ImageVersion.objects.exclude(publish_due_at=None).count(),
            "purges": ImageVersion.objects.exclude(purge_due_at=None).count(),
            "unstored": Candidate.objects.filter(stored=False).count(),
        },
    }


def _row(row: Recomposition) -> dict[str, Any]:
    return {
        "pk": row.pk,
        "image": row.image_id,
        "shape": str(row.shape),
        "recipe": row.recipe,
        "purchase": row.purchase,
        "decision": row.decision,
        "decided_by": row.decided_by_id,
        "live": row.live_id,
        "candidates": [candidate.pk for candidate in row.candidates.all()],
        "last_decision": _last_decision(row),
    }


def _last_decision(row: Recomposition) -> list[Any] | None:
    """Who chose what, the last of all in the audit log: ["candidate", 7, user] or ["crop", ...].

    The log's entries were written under the image's lock, so their order is that of the choices.
    """
    entries = ModelLogEntry.objects.filter(object_id=str(row.image_id))
    decisions = entries.filter(action__in=[audit.CHOOSE, audit.DECLINE]).order_by("-pk")
    for entry in decisions:
        if set(entry.data["sizes"]) & set(row.slots):
            candidate = entry.data.get("candidate")
            return ["candidate" if candidate else "crop", candidate, entry.user_id]
    return None


def _page(version: ImageVersion) -> dict[str, Any]:
    """What the image's page shows, and what its version says that it should."""
    image = version.image
    entries = [published.PublishedEntry.from_json(stored) for stored in version.live]
    said = published.PublishedState(entries, image.file_hash)
    shown = []
    for file, picture in zip(look(image.pk), pictures.SHOWN, strict=True):
        entry = said.entry(picture.shape, picture.recipe)
        shows = pictures.shows(file, image.pk)
        shown.append({"says": entry.file if entry else None, "shows": shows})
    return {"image": image.pk, "hash": version.source_hash == image.file_hash, "shown": shown}


def _files() -> dict[str, list[str]]:
    """Files without a row that names them, and rows without their file.

    Where two visitors make the same crop at once, Wagtail leaves the file of the one who comes
    second, with `fill` as well: told apart from ours.
    """
    root = Path(settings.MEDIA_ROOT)
    there = {str(file.relative_to(root)) for file in root.rglob("*") if file.is_file()}
    image_model = get_image_model()
    sources = image_model.objects.values_list("file", flat=True)
    renditions = image_model.get_rendition_model().objects.values_list("file", flat=True)
    candidates = Candidate.objects.values_list("file", flat=True)
    named = {*sources, *renditions, *candidates}
    nobodys = sorted(there - named)
    ours = [name for name in nobodys if name.startswith("smart_resize/") or PREPARED.search(name)]
    return {
        "of_nobody": ours,
        "of_nobody_by_wagtail": [name for name in nobodys if name not in ours],
        "missing": sorted(named - there),
    }
