"""Which index serves what is asked often, and that what is asked does not grow with a site."""

import datetime as dt
import json

import pytest
from django.db import connection
from django.utils import timezone
from support.factories import plain_image, recomposition

from wagtail_smart_resize.admin.report import filters
from wagtail_smart_resize.core import clock
from wagtail_smart_resize.editorial import listings, monthly_figures, permissions
from wagtail_smart_resize.models import BudgetPeriod, GatewayRequest, ImageVersion, Recomposition
from wagtail_smart_resize.purchasing import agenda
from wagtail_smart_resize.renditions import published_cache

pytestmark = pytest.mark.django_db


def plan_of(queryset):
    """The plan, where reading a whole table, or sorting, costs more than any index."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
    (plan,) = json.loads(queryset.explain(format="json"))
    return plan["Plan"]


def indexes_of(plan):
    """The names of all indexes that a plan uses."""
    own = {plan["Index Name"]} if "Index Name" in plan else set()
    return own.union(*(indexes_of(each) for each in plan.get("Plans", ())))


def mine():
    return Recomposition.objects.all()


def newest(**conditions):
    return mine().filter(**conditions).order_by("-wanted_at", "-pk")[:50]


QUERIES = {
    "the report": (lambda: newest(), "smart_resize_newest"),
    "a shape": (lambda: newest(shape="1.778"), "smart_resize_shapes"),
    "a purchase": (lambda: newest(purchase="failed"), "smart_resize_purchases"),
    "a failure": (lambda: newest(failure_code="unknown"), "smart_resize_failures"),
    "the review queue": (
        lambda: mine().awaiting_review().order_by("awaiting_review_since", "pk")[:50],
        "smart_resize_review",
    ),
    "a collection": (lambda: newest(collection_id=2), "smart_resize_places"),
    "a collection's review queue": (
        lambda: (
            mine()
            .awaiting_review()
            .filter(collection_id=2)
            .order_by("awaiting_review_since", "pk")[:50]
        ),
        "smart_resize_reviews",
    ),
    "who asked": (lambda: mine().filter(asked_by=2, collection_id=2)[:1], "smart_resize_askers"),
    "who decided": (
        lambda: mine().filter(decided_by=2, collection_id=2)[:1],
        "smart_resize_deciders",
    ),
    "a reason": (lambda: newest(waiting_reason="budget"), "smart_resize_waits"),
    "the next shape": (
        lambda: mine().filter(shape__gt="1").order_by("shape")[:1],
        "smart_resize_shapes",
    ),
    "the month": (
        lambda: GatewayRequest.objects.filter(
            reserved_on__range=(dt.date(2026, 11, 1), dt.date(2026, 11, 30))
        ),
        "smart_resize_reserved",
    ),
    "claims": (
        lambda: Recomposition.objects.due(timezone.now()).order_by("next_attempt_at", "wanted_at")[
            :1
        ],
        "smart_resize_due",
    ),
    "the next claim": (
        lambda: agenda.claimable().order_by("next_attempt_at")[:1],
        "smart_resize_due",
    ),
    "steps": (
        lambda: GatewayRequest.objects.filter(status="sent", next_step_at__lte=timezone.now()),
        "smart_resize_steps",
    ),
    "what is published": (
        lambda: published_cache.process_cache._published().order_by("-published_at")[
            : published_cache.process_cache.MAX_IMAGES
        ],
        "wagtail_smart_resize_imageversion_published_at",
    ),
    "flips": (
        lambda: ImageVersion.objects.filter(publish_due_at__lte=timezone.now()).order_by(
            "publish_due_at"
        ),
        "wagtail_smart_resize_imageversion_publish_due_at",
    ),
    "purges": (
        lambda: ImageVersion.objects.filter(purge_due_at__lte=timezone.now()).order_by(
            "purge_due_at"
        ),
        "wagtail_smart_resize_imageversion_purge_due",
    ),
    "the budget": (
        lambda: BudgetPeriod.objects.filter(period="2026-11-23"),
        "wagtail_smart_resize_budgetperiod_period",
    ),
}


@pytest.mark.postgresql
@pytest.mark.parametrize("name", QUERIES)
def test_an_index_serves(name):
    make, index = QUERIES[name]
    plan = plan_of(make())
    used = indexes_of(plan)
    assert any(each.startswith(index) for each in used), (used, plan)
    assert '"Sort"' not in json.dumps(plan)


@pytest.mark.postgresql
def test_a_change_of_an_image_reads_its_rows_by_the_image():
    plan = plan_of(Recomposition.objects.filter(image_id=1, source_hash="x"))
    (used,) = indexes_of(plan)
    fields = ("image_id", "source_hash", "shape", "recipe")
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, Recomposition._meta.db_table)
    assert found[used]["columns"] in (["image_id"], list(fields))


# Whatever the database


def sql_of(queryset):
    return str(queryset.query)


def test_a_superusers_rows_are_not_compared_with_all_images(people):
    assert "WHERE" not in sql_of(listings.visible_to(people.superuser))
    assert "wagtailimages" not in sql_of(listings.visible_to(people.superuser).values("pk"))


def test_others_rows_are_those_of_their_images(people):
    here, elsewhere = plain_image(collection=people.here), plain_image()
    row, _other = recomposition(here), recomposition(elsewhere)
    assert list(listings.visible_to(people.editor)) == [row]
    assert listings.visible_to(people.superuser).count() == 2


def test_no_images_are_not_all_images():
    images = type(plain_image()).objects
    assert permissions.are_all(images.all())
    assert not permissions.are_all(images.none())
    assert not permissions.are_all(images.filter(width=1))
    assert not permissions.are_all(images.all()[:1])
    assert not permissions.are_all(images.all().union(images.all()))


def test_choices_take_a_query_per_value_whatever_the_rows(people, django_assert_num_queries):
    def fill(images):
        for _ in range(images):
            image = plain_image()
            recomposition(image, "200x400")
            recomposition(image, "400x200")

    for images in (1, 5):
        fill(images)
        with django_assert_num_queries(3):
            choices = filters.shape_choices(mine())
        labels = [value for value, _label in choices if value.startswith("shape:")]
        assert labels == ["shape:0.500", "shape:2.000"]


def test_no_filter_looks_for_rows_found_twice(rf, people):
    request = rf.get("/")
    request.user = people.superuser
    recomposition(plain_image(), purchase="failed", failure_code="unknown")
    data = {"purchase": ["failed"], "failure": ["unknown"]}
    found = filters.RecompositionFilterSet(data, queryset=mine(), request=request)
    assert found.is_valid()
    assert "DISTINCT" not in sql_of(found.qs)
    assert found.qs.count() == 1


def test_a_page_is_cut_before_it_is_joined(people, django_assert_num_queries):
    for _ in range(3):
        recomposition(plain_image())
    page = listings.visible_to(people.superuser).order_by("-wanted_at", "-pk")[:2]
    with django_assert_num_queries(3) as made:
        found = listings.load_page(page)
    cut, joined, _candidates = (each["sql"] for each in made.captured_queries)
    assert "JOIN" not in cut
    assert "LIMIT 2" in cut
    assert "JOIN" in joined
    assert "LIMIT" not in joined.rpartition("WHERE")[2]
    assert found == list(page)


@pytest.mark.parametrize("day", [1, 23, 30])
def test_the_months_spending_is_a_range_of_days(monkeypatch, day):
    today = dt.date(2026, 11, day)
    monkeypatch.setattr(clock, "today", lambda: today)
    days = [dt.date(2026, 10, 31), dt.date(2026, 11, 1), today, dt.date(2026, 12, 1)]
    for reserved_on in days:
        GatewayRequest.objects.create(
            source_hash="x",
            source_token=str(reserved_on),
            resolution="2K",
            output_format="jpeg",
            price=1,
            currency="USD",
            reserved_on=reserved_on,
        )
    assert [price.amount for price in monthly_figures._spent()] == [2]
