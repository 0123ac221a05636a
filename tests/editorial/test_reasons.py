"""What a rendition shows, and why, as code of a site is told."""

import pytest
from django.db import DatabaseError, connection, models
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from support.factories import candidate, live, plain_image, recomposition
from testapp.models import StoryPage
from wagtail.images import get_image_model
from wagtail.models import Page

from wagtail_smart_resize.editorial import reasons
from wagtail_smart_resize.editorial.reasons import (
    ShownBecause,
    prefetch_reasons,
    reason_of,
    reasons_of,
    reasons_of_images,
)
from wagtail_smart_resize.models import GatewayRequest, ImageVersion, PipelineState, Recomposition
from wagtail_smart_resize.publishing import publication
from wagtail_smart_resize.purchasing import demand
from wagtail_smart_resize.renditions import demand_notes
from wagtail_smart_resize.rules import verdict

pytestmark = pytest.mark.django_db

#: Queries are counted as a visitor's are, who has no transaction.
as_a_visitor = pytest.mark.django_db(transaction=True)

SPEC = "smartresize-400x400"
Purchase, Decision = Recomposition.Purchase, Recomposition.Decision


def fresh(image):
    return get_image_model().objects.get(pk=image.pk)


def queries(ask):
    with CaptureQueriesContext(connection) as captured:
        ask()
    return len(captured)


@pytest.fixture
def image():
    return plain_image()


def told(image, spec=SPEC):
    """Return the reason told of the rendition, after checking that image and spec tell the same."""
    seen = fresh(image)
    reason = reason_of(seen.get_rendition(spec))
    assert reasons_of_images([seen], spec) == [reason]
    return reason


# The way of a picture


def test_right_after_the_first_crop_it_is_pending_before_anything_is_written(image):
    assert told(image) is ShownBecause.PENDING
    assert not Recomposition.objects.exists()
    demand.write_noted_demand()
    assert told(image) is ShownBecause.PENDING


def test_a_crop_that_nobody_noted_has_not_been_asked_for(image):
    fresh(image).get_rendition(SPEC)
    demand_notes.notes.reset()
    assert told(image) is ShownBecause.NOT_ASKED


def test_another_shape_that_was_noted_tells_nothing_of_this_one(image):
    fresh(image).get_rendition("smartresize-400x200")
    assert reasons_of_images([fresh(image)], SPEC) == [ShownBecause.NOT_ASKED]


def request(status, **fields):
    return GatewayRequest.objects.create(
        status=status, recipe={}, sizes=[], outputs_asked=1, **fields
    )


@pytest.mark.parametrize("status", ["new", "sending", "sent", "fetching"])
def test_what_is_being_bought_is_pending(image, status):
    row = recomposition(image, purchase=Purchase.REQUESTED)
    row.update_if(where={}, request=request(status))
    assert told(image) is ShownBecause.PENDING


def test_candidates_wait_for_review(image):
    candidate(recomposition(image, purchase=Purchase.IDLE))
    assert told(image) is ShownBecause.REVIEW


def test_what_is_about_to_go_live_is_pending(image):
    row = recomposition(image, purchase=Purchase.IDLE)
    row.update_if(where={}, live=candidate(row))
    assert told(image) is ShownBecause.PENDING


def test_what_is_live_is_recomposed(image):
    live(image)
    assert told(image) is ShownBecause.RECOMPOSED


def test_a_crop_that_was_held_over_the_flip_is_pending(image):
    held = fresh(image).get_rendition(SPEC)
    live(image)
    held.image = fresh(image)
    assert reason_of(held) is ShownBecause.PENDING


@pytest.mark.parametrize("is_published", [False, True])
def test_a_crop_that_was_chosen_is_declined(image, is_published):
    row = recomposition(image, purchase=Purchase.IDLE, decision=Decision.CROP)
    candidate(row)
    if is_published:
        ImageVersion.mark_publish_due(image.pk)
        publication.publish(image.pk)
        assert fresh(image).smart_resize.entries
    assert told(image) is ShownBecause.DECLINED


@pytest.mark.parametrize("code", ["unknown", "http_400"])
def test_what_failed_has_failed(image, code):
    recomposition(image, purchase=Purchase.FAILED, failure_code=code)
    assert told(image) is ShownBecause.FAILED


# Rules and settings


@pytest.mark.parametrize("reason", verdict.Reason)
def test_what_a_rule_holds_up_has_that_rules_reason(image, reason):
    recomposition(image, waiting_reason=reason)
    assert told(image) == reason.value


def test_a_rule_of_another_release_makes_no_other_image_unknown(image):
    recomposition(image, waiting_reason="of_tomorrow")
    other = plain_image()
    recomposition(other, purchase=Purchase.FAILED)
    told = reasons_of_images([fresh(image), fresh(other)], SPEC)
    assert told == [ShownBecause.UNKNOWN, ShownBecause.FAILED]


def test_a_persons_request_may_wait_for_the_budget(image):
    row = recomposition(image, purchase=Purchase.REQUESTED)
    row.update_if(where={}, request=request("new", error_code="budget", next_step_at=None))
    assert told(image) is ShownBecause.BUDGET


def test_an_open_circuit_holds_up_what_waits_for_its_turn(image):
    recomposition(image)
    PipelineState.get_current().open_circuit("402", "", probe_at=timezone.now())
    assert told(image) is ShownBecause.CIRCUIT_OPEN


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"API_KEY": ""}, ShownBecause.NO_KEY), ({"AUTO_GENERATE": False}, "automatic_off")],
)
def test_where_nothing_is_noted_the_setting_is_the_reason(image, configure, changes, reason):
    configure(**changes)
    assert told(image) == reason


def test_an_svg_is_an_svg_whatever_is_live(image):
    live(image)
    shown = fresh(image)
    assert reasons_of_images([shown], SPEC) == [ShownBecause.RECOMPOSED]
    shown.is_svg = lambda: True
    assert reasons_of_images([shown], SPEC) == [ShownBecause.SVG]


@pytest.mark.parametrize("spec", ["fill-400x400", "original"])
def test_another_filter_is_not_ours(image, spec):
    live(image)
    assert told(image, spec) is ShownBecause.OTHER_FILTER


def test_an_image_of_another_model_is_not_ours(image):
    class Another:
        pk = image.pk

        def is_svg(self):
            return False

    recomposition(image)
    assert reasons_of_images([Another()], SPEC) == [ShownBecause.OTHER_MODEL]


# Which row it is


def test_the_nearest_shape_within_three_percent_tells(image):
    recomposition(image, "400x395", purchase=Purchase.FAILED)
    recomposition(image, "400x389", waiting_reason="budget")
    recomposition(image, "400x200", waiting_reason="private")
    assert told(image) is ShownBecause.FAILED


def test_another_recipe_tells_nothing(image):
    recomposition(image, "400x500", waiting_reason="budget")
    recomposition(image, "400x500", recipe="portrait", waiting_reason="private")
    assert told(image, "smartresize-portrait") is ShownBecause.PRIVATE
    assert told(image, "smartresize-400x500") is ShownBecause.BUDGET


def test_a_file_that_was_replaced_tells_nothing(image):
    recomposition(image, purchase=Purchase.FAILED).update_if(where={}, source_hash="before")
    assert told(image) is ShownBecause.PENDING


def test_of_several_operations_the_first_reason_of_the_list_counts(image):
    recomposition(image, waiting_reason="enough_kept")
    recomposition(image, "300x200", purchase=Purchase.FAILED)
    spec = "smartresize-400x400|smartresize-300x200"
    assert told(image, spec) is ShownBecause.FAILED
    live(image, "300x100")
    assert told(image, f"{spec}|smartresize-300x100") is ShownBecause.RECOMPOSED


# What it promises


def test_values_are_those_of_the_rules_and_a_few_more():
    others = {"recomposed", "pending", "review", "not_asked", "unknown", "declined", "failed"}
    others |= {"other_model", "other_filter"}
    assert {*ShownBecause} == {*verdict.Reason} | others


def test_only_the_live_one_is_recomposed_and_only_what_is_on_its_way_is_pending():
    assert [each.value for each in ShownBecause if each.is_recomposed] == ["recomposed"]
    assert [each.value for each in ShownBecause if each.is_pending] == ["pending"]
    assert ShownBecause.PENDING.may_change
    assert not ShownBecause.RECOMPOSED.may_change


# Queries


def many():
    images = [plain_image(100, 80) for _ in range(5)]
    live(images[0])
    recomposition(images[1], waiting_reason="budget")
    recomposition(images[2], purchase=Purchase.FAILED)
    found = get_image_model().objects.filter(pk__in=[image.pk for image in images])
    return found.prefetch_renditions(SPEC).order_by("pk")


EXPECTED = ["recomposed", "budget", "failed", "pending", "pending"]


@as_a_visitor
def test_many_are_told_in_one_query():
    renditions = [image.get_rendition(SPEC) for image in many()]
    assert queries(lambda: reasons_of(renditions)) == 1
    assert reasons_of(renditions) == EXPECTED


@as_a_visitor
def test_prefetched_they_are_told_in_none():
    found = list(many().prefetch_related(prefetch_reasons()))
    for image in found:
        image.get_rendition(SPEC)
    assert queries(lambda: [reasons_of_images([image], SPEC) for image in found]) == 0
    assert [reasons_of_images([image], SPEC)[0] for image in found] == EXPECTED


@as_a_visitor
def test_they_can_be_prefetched_from_pages(image):
    recomposition(image, waiting_reason="budget")
    Page.objects.get(depth=2).add_child(instance=StoryPage(title="Story", photo=image))
    page = StoryPage.objects.prefetch_related("photo", prefetch_reasons("photo")).get()
    assert page.photo.smart_resize is not None
    assert queries(lambda: reasons_of_images([page.photo], SPEC)) == 0
    assert reasons_of_images([page.photo], SPEC) == [ShownBecause.BUDGET]


@as_a_visitor
@pytest.mark.parametrize("decide", [{}, {"decision": Decision.CROP}])
def test_what_is_live_or_decided_is_told_without_a_query(image, decide):
    live(image)
    if decide:
        Recomposition.objects.update(live=None, **decide)
        ImageVersion.mark_publish_due(image.pk)
        publication.publish(image.pk)
    rendition = fresh(image).get_rendition(SPEC)
    assert queries(lambda: reason_of(rendition)) == 0


def test_what_goes_wrong_is_logged_and_breaks_nothing(image, monkeypatch, caplog):
    live(image)
    other = plain_image()
    shown = [fresh(image).get_rendition(SPEC), fresh(other).get_rendition(SPEC)]

    def gone(*args):
        raise DatabaseError("gone")

    monkeypatch.setattr(models.QuerySet, "_fetch_all", gone)
    assert reasons_of(shown) == [ShownBecause.RECOMPOSED, ShownBecause.UNKNOWN]
    assert "Can't tell why renditions show what they show" in caplog.text
    assert reasons.ShownBecause.UNKNOWN.may_change


def test_a_rendition_whose_image_is_gone_is_unknown_and_no_error(image, caplog):
    live(image)
    shown = fresh(image).get_rendition(SPEC)
    lost = type(shown)(image_id=0, filter_spec=SPEC)
    assert reasons_of([lost, shown]) == [ShownBecause.UNKNOWN, ShownBecause.RECOMPOSED]
    assert "Can't tell why renditions show what they show" in caplog.text
