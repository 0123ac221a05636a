"""The report's filters. Their choices are limited to values of rows that the user may see."""

import uuid
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from functools import reduce
from operator import or_
from typing import Any

import django_filters
from django import forms
from django.contrib.auth import get_user_model
from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django_filters.widgets import SuffixedMultiWidget
from wagtail.admin.filters import CollectionFilter, MultipleUserFilter, WagtailFilterSet
from wagtail.models import Collection

from wagtail_smart_resize.core import formatting
from wagtail_smart_resize.core.sizes import SHAPE_TOLERANCE
from wagtail_smart_resize.editorial import delays, failures, integrity, listings
from wagtail_smart_resize.models import GatewayRequest, Recomposition
from wagtail_smart_resize.models.recomposition import RecompositionQuerySet
from wagtail_smart_resize.settings import settings

Choices = list[tuple[str, Any]]

#: Number of recent batches offered as choices; any other can be named in the URL.
RECENT_BATCHES = 20
#: Number of recent requests of people that are searched for recent batches.
RECENT_REQUESTS = 500


class PlainDateRange(SuffixedMultiWidget):
    """Two native date inputs: Wagtail's date widget needs an inline script."""

    template_name = "wagtailadmin/widgets/range_input.html"
    suffixes = ["from", "to"]

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        labels = (_("Date from"), _("Date to"))
        inputs = (
            forms.DateInput(format="%Y-%m-%d", attrs={"type": "date", "aria-label": label})
            for label in labels
        )
        super().__init__(tuple(inputs), attrs)

    def decompress(self, value: Any) -> list[Any]:
        return [value.start, value.stop] if value else [None, None]


def _multiple_choice(label: Any, **kwargs: Any) -> django_filters.MultipleChoiceFilter:
    # No `distinct`: none of these conditions joins another table, so no row is found twice.
    return django_filters.MultipleChoiceFilter(
        label=label, widget=forms.CheckboxSelectMultiple, distinct=False, **kwargs
    )


class RecompositionFilterSet(WagtailFilterSet):
    live = django_filters.ChoiceFilter(
        label=_("Live"),
        method="filter_live",
        choices=[("recomposed", _("AI version")), ("crop", _("Crop"))],
        empty_label=_("All"),
        widget=forms.RadioSelect,
    )
    purchase = _multiple_choice(_("Purchase"), choices=Recomposition.Purchase.choices)
    decision = _multiple_choice(_("Decision"), choices=Recomposition.Decision.choices)
    shape = _multiple_choice(_("Place"), method="filter_shape")
    failure = _multiple_choice(_("Failure reason"), field_name="failure_code")
    waiting = _multiple_choice(_("Why it waits"), field_name="waiting_reason")
    user = MultipleUserFilter(
        label=_("User"),
        method="filter_user",
        queryset=lambda request: _users(listings.visible_to(request.user)),
        widget=forms.CheckboxSelectMultiple,
    )
    wanted_at = django_filters.DateFromToRangeFilter(label=_("Asked since"), widget=PlainDateRange)
    check = _multiple_choice(_("Check"), method="filter_check", choices=integrity.CHOICES)
    batch = django_filters.ChoiceFilter(
        label=_("Batch"), method="filter_batch", empty_label=_("All"), widget=forms.RadioSelect
    )

    class Meta:
        model = Recomposition
        fields: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = listings.visible_to(self.request.user)
        self.filters["shape"].extra["choices"] = shape_choices(mine)
        self.filters["failure"].extra["choices"] = failure_choices(mine)
        self.filters["waiting"].extra["choices"] = waiting_choices(mine)
        self.filters["batch"].extra["choices"] = batch_choices(mine, self.data.get("batch"))
        here = mine.filter(collection_id=OuterRef("pk"))
        collections = Collection.objects.filter(Exists(here))
        if len(collections[:2]) > 1:
            self.filters["collection"] = CollectionFilter(
                field_name="image__collection", label=_("Collection"), queryset=collections
            )

    def filter_live(
        self, queryset: QuerySet[Recomposition], name: str, value: str
    ) -> QuerySet[Recomposition]:
        return queryset.filter(live__isnull=value != "recomposed")

    def filter_shape(
        self, queryset: QuerySet[Recomposition], name: str, value: list[str]
    ) -> QuerySet[Recomposition]:
        return queryset.filter(reduce(or_, map(_shape_query, value))) if value else queryset

    def filter_user(
        self, queryset: QuerySet[Recomposition], name: str, value: Any
    ) -> QuerySet[Recomposition]:
        """Return the rows requested or decided by any of these users."""
        if not value:
            return queryset
        return queryset.filter(Q(asked_by__in=value) | Q(decided_by__in=value))

    def filter_check(
        self, queryset: QuerySet[Recomposition], name: str, value: list[str]
    ) -> QuerySet[Recomposition]:
        """Return the rows that have a version with any of these verdicts."""
        if not value:
            return queryset
        return queryset.filter(reduce(or_, map(integrity.with_verdict, value)))

    def filter_batch(
        self, queryset: QuerySet[Recomposition], name: str, value: str
    ) -> QuerySet[Recomposition]:
        return queryset.filter(pk__in=in_batch(value))


def in_batch(batch: Any) -> set[int]:
    """Return the primary keys of all recompositions requested in a batch, whatever their state."""
    asked = GatewayRequest.objects.filter(batch=batch).values_list("sizes", flat=True)
    return {each["recomposition"] for sizes in asked for each in sizes}


# Shapes and presets


def _shape_query(value: str) -> Q:
    kind, _colon, name = value.partition(":")
    if kind == "shape":
        return Q(shape=_decimal(name))
    preset = settings.PRESETS[name]
    near = 1 + SHAPE_TOLERANCE
    between = (preset.slot.shape / near, preset.slot.shape * near)
    return Q(shape__range=between, recipe=preset.recipe_name)


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def shape_choices(mine: RecompositionQuerySet) -> Choices:
    """Return the site's presets, then the shapes of the rows, each with one of its sizes."""
    presets = [
        (f"preset:{name}", f"{preset.label} ({formatting.size_text(preset.slot.size)})")
        for name, preset in settings.PRESETS.items()
    ]
    shapes = []
    for row in _one_per_value(mine, "shape"):
        sizes = listings.sizes_of(row)
        label = f"{row.shape} ({sizes[0]})" if sizes else str(row.shape)
        shapes.append((f"shape:{row.shape}", label))
    return presets + shapes


def _one_per_value(mine: RecompositionQuerySet, field: str) -> Iterator[Recomposition]:
    """Yield one row for each value of an indexed field, in the order of the values.

    It runs one query per value, each along the index to the next: there are few values, many rows.
    """
    following = mine.order_by(field)
    row = following.first()
    while row:
        yield row
        row = following.filter(**{f"{field}__gt": getattr(row, field)}).first()


# Reasons


def failure_choices(mine: RecompositionQuerySet) -> Choices:
    """Return the failure codes of the rows, each with its message."""
    failed = mine.filter(failure_code__gt="")
    codes = [row.failure_code for row in _one_per_value(failed, "failure_code")]
    return [(code, failures.describe(code).message) for code in codes]


def waiting_choices(mine: RecompositionQuerySet) -> Choices:
    """Return the reasons why wanted rows wait, each with its label."""
    waiting = mine.wanted().filter(waiting_reason__gt="")
    reasons = [row.waiting_reason for row in _one_per_value(waiting, "waiting_reason")]
    return [(reason, delays.reason_label(reason)) for reason in reasons]


# People and batches


def _users(mine: RecompositionQuerySet) -> QuerySet[Any]:
    User = get_user_model()
    asked, decided = mine.filter(asked_by=OuterRef("pk")), mine.filter(decided_by=OuterRef("pk"))
    known = Exists(asked) | Exists(decided)
    return User._default_manager.filter(known).order_by(User.USERNAME_FIELD)


def batch_choices(mine: RecompositionQuerySet, asked: str | None) -> Choices:
    """Return recent batches of more than one image, and the batch `asked` that the URL names."""
    requests = GatewayRequest.objects.exclude(batch=None)
    theirs = requests.filter(Exists(mine.filter(image=OuterRef("image"))))
    batches = theirs.values("batch").annotate(
        images=Count("image", distinct=True), at=Min("created_at")
    )
    last = requests.order_by("-created_at").values_list("batch", flat=True)[:RECENT_REQUESTS]
    recent = batches.filter(batch__in=set(last))
    several = recent.filter(images__gt=1).order_by("-at")[:RECENT_BATCHES]
    found = {str(each["batch"]): _batch_label(each) for each in several}
    if asked and asked not in found and _is_uuid(asked):
        one = batches.filter(batch=asked).order_by("batch").first()
        found[asked] = _batch_label(one) if one else asked
    return list(found.items())


def _batch_label(batch: Mapping[str, Any]) -> str:
    text = ngettext("%(date)s, %(count)d image", "%(date)s, %(count)d images", batch["images"])
    return text % {"date": formatting.datetime_text(batch["at"]), "count": batch["images"]}


def _is_uuid(text: str) -> bool:
    try:
        return bool(uuid.UUID(text))
    except ValueError:
        return False
