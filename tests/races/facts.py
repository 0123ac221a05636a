"""What the tables and files say, as plain data."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db.models import Sum
from PIL import Image, ImageChops, ImageOps, ImageStat
from wagtail.models import ModelLogEntry

from races.racer import look
from wagtail_smart_resize import audit, live
from wagtail_smart_resize.models import (
    Candidate,
    GatewayRequest,
    ImageVersion,
    Recomposition,
    Spend,
)

#: The colour of all images; what the sandbox draws is of another.
CROP = "gold"
#: The template's pictures: shape and recipe.
SHOWN = (
    (Decimal("1.000"), ""),
    (Decimal("1.025"), ""),
    (Decimal("2.000"), ""),
    (Decimal("0.800"), "portrait"),
)
#: What tells in the ledger that nothing was bought.
NOT_CHARGED = GatewayRequest.Charged.NO
#: So much two pictures may differ, of 255, when the same was cut out by other arithmetic.
ALIKE = 5


def bought() -> int:
    """Outputs that the ledger says were bought."""
    charged = GatewayRequest.objects.exclude(charged=NOT_CHARGED)
    return charged.aggregate(outputs=Sum("outputs_asked"))["outputs"] or 0


def spent() -> dict[str, int]:
    return dict(Spend.objects.values_list("period", "outputs"))


def final() -> dict[str, Any]:
    live.memory.reset()
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
            )
        ),
        "rows": [_row(row) for row in Recomposition.objects.select_related("live")],
        "pages": [_page(version) for version in ImageVersion.objects.select_related("image")],
        "left": {
            "unfinished": GatewayRequest.objects.unfinished().count(),
            "wanted": Recomposition.objects.wanted().count(),
            "flips": ImageVersion.objects.exclude(flip_due=None).count(),
            "purges": ImageVersion.objects.exclude(purge_due=None).count(),
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
    entries = [live.Entry.load(stored) for stored in version.live]
    said = live.Live(entries, image.file_hash)
    pictures = []
    for file, (shape, recipe) in zip(look(image.pk), SHOWN, strict=True):
        entry = said.entry(shape, recipe)
        pictures.append({"says": entry.file if entry else None, "shows": _what(file, image.pk)})
    return {"image": image.pk, "hash": version.source_hash == image.file_hash, "shown": pictures}


def _what(file: Path, image_id: Any) -> str:
    """Which of the image's candidates the rendition was cut from, or "" where it is the crop."""
    with Image.open(file) as opened:
        shown = opened.convert("RGB")
    if _difference(shown, Image.new("RGB", shown.size, CROP)) < ALIKE:
        return ""
    candidates = Candidate.objects.filter(recomposition__image_id=image_id)
    found = {_unlike(shown, each.file): each.file.name for each in candidates}
    nearest = min(found, default=ALIKE)
    return found[nearest] if nearest < ALIKE else f"something else: {file}"


def _unlike(shown: Image.Image, file: Any) -> float:
    """How far the rendition is from one cut from this candidate."""
    with Image.open(file.path) as opened:
        return _difference(shown, ImageOps.fit(opened.convert("RGB"), shown.size))


def _difference(one: Image.Image, other: Image.Image) -> float:
    return max(ImageStat.Stat(ImageChops.difference(one, other)).mean)
