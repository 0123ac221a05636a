"""The plans of the queries that matter, as docs/evidence/query-plans.md shows them."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.db.models import Count
from django.utils import timezone
from wagtail.images import get_image_model

from wagtail_smart_resize.editorial import listings, permissions, row_permissions
from wagtail_smart_resize.models import (
    GatewayRequest,
    ImageVersion,
    PublicationCounter,
    Recomposition,
)
from wagtail_smart_resize.purchasing import schedule
from wagtail_smart_resize.renditions import published_cache
from wagtail_smart_resize.repair.renditions import ours

INTRODUCTION = """\
# Query plans

What PostgreSQL does for the queries that are asked often, at a site of {images:,} images, {rows:,}
recompositions and {renditions:,} renditions. Written by `python -m benchmarks size` with
`BENCH_PLANS` naming this file; `tests/models/test_query_plans.py` holds which index serves which
query.
"""

MOST_LINES = 12


class Plan(NamedTuple):
    asked: str
    served: str
    query: Callable[[], Any]


def _report(user: str = "admin", **conditions: Any) -> Any:
    mine = listings.visible_to(get_user_model().objects.get(username=user))
    return mine.filter(**conditions).order_by("-wanted_at", "-pk").values("pk")[:50]


def _review() -> Any:
    waiting = Recomposition.objects.awaiting_review().filter(replaced_at=None)
    return waiting.order_by("awaiting_review_since", "pk").values("pk")[:100]


def _review_of_an_editor() -> Any:
    user = get_user_model().objects.get(username="editor")
    allowed = row_permissions.conditions_for(user, (permissions.APPROVE,))
    waiting = Recomposition.objects.awaiting_review().filter(allowed.narrow, replaced_at=None)
    return waiting.order_by("awaiting_review_since", "pk").values("pk")[:100]


def _stored_since() -> Any:
    renditions = get_image_model().get_rendition_model().objects
    newest = renditions.order_by("-pk").values_list("pk", flat=True)[99]
    return ours().filter(pk__gt=newest).values_list("image_id", flat=True).distinct()


def _counted() -> Any:
    """Count the rows that an editor may see, as the report's pages need it."""
    mine = listings.visible_to(get_user_model().objects.get(username="editor"))
    return mine.values("collection_id").annotate(count=Count("pk")).order_by()


PLANS = (
    Plan(
        "A process asks every two seconds whether anything went live since its last look.",
        "The primary key.",
        lambda: PublicationCounter.objects.filter(pk=1),
    ),
    Plan(
        "A new process reads what is live, at most 20 000 rows.",
        "The index on `published_at`, from its end.",
        lambda: published_cache.process_cache._published().order_by("-published_at")[
            : published_cache.PublishedCache.MAX_IMAGES + 1
        ],
    ),
    Plan(
        "What a page wanted: is there a row for the image, its file and the shape?",
        "The unique constraint on image, file, shape and recipe, or the image's index.",
        lambda: Recomposition.objects.filter(image_id=59, source_hash="x", recipe=""),
    ),
    Plan(
        "When is the next purchase due?",
        "`smart_resize_due`, from its beginning.",
        lambda: schedule._claimable().order_by("next_attempt_at").values("next_attempt_at")[:1],
    ),
    Plan(
        "Which rows are to be claimed?",
        "`smart_resize_due`: the first by when they are due, then by age.",
        lambda: (
            Recomposition.objects.due(timezone.now())
            .order_by("next_attempt_at", "wanted_at")
            .values("image_id", "recipe")[:50]
        ),
    ),
    Plan(
        "Which requests have a step to take?",
        "`smart_resize_steps`; so many are in flight as the setting allows.",
        lambda: GatewayRequest.objects.due(timezone.now()).values("pk"),
    ),
    Plan(
        "Which images are to be published?",
        "The index on `publish_due_at`.",
        lambda: ImageVersion.objects.filter(publish_due_at__lte=timezone.now()).order_by(
            "publish_due_at"
        ),
    ),
    Plan("The first page of the report.", "`smart_resize_newest`, from its end.", _report),
    Plan(
        "The report of failures.",
        "`smart_resize_purchases`.",
        lambda: _report(purchase="failed"),
    ),
    Plan("The report of a shape.", "`smart_resize_shapes`.", lambda: _report(shape="1.778")),
    Plan(
        "The report of what waits for the budget.",
        "`smart_resize_waits`.",
        lambda: _report(waiting_reason="budget"),
    ),
    Plan(
        "The report of one reason for failing.",
        "`smart_resize_failures`.",
        lambda: _report(failure_code="unknown"),
    ),
    Plan(
        "The review queue.",
        "`smart_resize_review`, from its beginning.",
        _review,
    ),
    Plan(
        "The first page of the report of an editor of one collection in ten.",
        "`smart_resize_places`, from its end; each row found is compared with its image.",
        lambda: _report("editor"),
    ),
    Plan(
        "How many rows such an editor may see.",
        "An index that begins with the collection, and that of the images: the rows of one.",
        _counted,
    ),
    Plan(
        "The review queue of such an editor, before it is compared with the images.",
        "`smart_resize_reviews`, from its beginning.",
        _review_of_an_editor,
    ),
    Plan(
        "A sync finds the images of the renditions that were stored since the last one.",
        "The renditions' primary key.",
        _stored_since,
    ),
)


def page(images: int) -> str:
    counts = {
        "images": images,
        "rows": Recomposition.objects.count(),
        "renditions": get_image_model().get_rendition_model().objects.count(),
    }
    return "\n".join([INTRODUCTION.format(**counts), *(_section(plan) for plan in PLANS)])


def _section(plan: Plan) -> str:
    explained = plan.query().explain(analyze=True, buffers=False, costs=False, timing=False)
    lines = [_short(line) for line in explained.splitlines() if "Execution Time" not in line]
    kept = [line for line in lines if not re.match(r"\s*(Planning|Execution|Buckets|Heap)", line)]
    return f"## {plan.asked}\n\n{plan.served}\n\n```\n" + "\n".join(kept[:MOST_LINES]) + "\n```\n"


def _short(line: str) -> str:
    """Shorten a line: without our tables' prefix, and as wide as a page of Markdown."""
    return line.replace("wagtail_smart_resize_", "")[:150].rstrip()
