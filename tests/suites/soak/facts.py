"""Reads the tables and files at the end, in a process of its own, which repairs first."""

import json
import sys
from pathlib import Path
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from wagtail.images import get_image_model  # noqa: E402

from suites.soak.models import NEWS, Gallery  # noqa: E402
from wagtail_smart_resize.models import (  # noqa: E402
    BudgetPeriod,
    Candidate,
    GatewayRequest,
    ImageVersion,
    Recomposition,
)
from wagtail_smart_resize.repair import repairs  # noqa: E402


def facts() -> dict[str, Any]:
    repairs.run()
    return {
        "requests": list(
            GatewayRequest.objects.order_by("pk").values(
                "pk",
                "source_hash",
                "recipe",
                "sizes",
                "images_per_size",
                "by_person",
                "status",
                "charged",
                "outputs_asked",
                "outputs_received",
            )
        ),
        "candidates": Candidate.objects.count(),
        "spent": dict(BudgetPeriod.objects.values_list("period", "outputs")),
        "left": {
            "unfinished": GatewayRequest.objects.unfinished().count(),
            "wanted": Recomposition.objects.wanted()
            .filter(waiting_reason__in=["", "circuit_open"])
            .count(),
            "flips": ImageVersion.objects.exclude(publish_due_at=None).count(),
            # A decision on a file that was replaced meanwhile never takes effect.
            "undoable": Recomposition.objects.filter(replaced_at=None)
            .exclude(takes_effect_at=None)
            .count(),
            "purges": ImageVersion.objects.exclude(purge_due_at=None).count(),
            "unstored": Candidate.objects.filter(stored=False).count(),
        },
        "files": files(),
    }


def files() -> dict[str, list[str]]:
    """Return rows without their file, and files without a row."""
    images, renditions = get_image_model(), get_image_model().get_rendition_model()
    named = {
        row.file.name
        for model in (images, renditions, Candidate)
        for row in model._default_manager.all()
    }
    media = Path(settings.MEDIA_ROOT)
    there = {str(file.relative_to(media)) for file in media.rglob("*") if file.is_file()}
    return {"missing": sorted(named - there), "unreferenced": sorted(there - named)}


def site() -> dict[str, Any]:
    """Return what visitors and editors need: the galleries' photographs, and the collections."""
    from wagtail.models import Collection

    photos = {
        picture.photo_id for gallery in Gallery.objects.all() for picture in gallery.pictures.all()
    }
    return {
        "photos": sorted(photos),
        "news": Collection.objects.get(name=NEWS).pk,
        "root": Collection.get_first_root_node().pk,
    }


QUERIES = {"facts": facts, "site": site}

if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(QUERIES[sys.argv[1]]()))
