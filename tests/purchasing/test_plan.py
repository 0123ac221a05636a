"""From wanted to asked for: what joins, what waits and why, what is taken back, who wins a race."""

import datetime as dt
import threading
from decimal import Decimal

import pytest
from django.db import connections
from django.utils import timezone
from support.factories import candidate, photo, plain_image
from support.purchases import Purchase, Status, again, claimed, only, spent, want
from support.waiting import TIMEOUT_SECONDS, join
from testapp.models import PicturePage
from wagtail.models import Collection, CollectionViewRestriction, Page

from wagtail_smart_resize.actions import ResizeTarget, request_recomposition
from wagtail_smart_resize.editorial import states
from wagtail_smart_resize.exceptions import SourceUnavailable
from wagtail_smart_resize.models import (
    GatewayRequest,
    ImageVersion,
    OptOut,
    PipelineState,
    Recomposition,
)
from wagtail_smart_resize.purchasing import claims, passes, plan, schedule, source_image
from wagtail_smart_resize.repair import repairs
from wagtail_smart_resize.rules import assess

pytestmark = pytest.mark.django_db


@pytest.fixture
def image():
    return plain_image(800, 600)


def one_pass():
    return passes.run_pass(workers=1)


def claim(row):
    return claimed(row.image_id, row.recipe)


def sizes(request):
    return [asked["size"] for asked in request.sizes]


# What joins


def test_all_shapes_of_an_image_are_one_request(gateway, run, image):
    want(image, "200x200", "200x100", "100x200")
    run()
    assert len(gateway.requests) == 1
    assert len(gateway.requests[0]["target_sizes"]) == 3
    assert set(Recomposition.objects.values_list("purchase", flat=True)) == {Purchase.IDLE}


def test_a_row_that_is_not_due_yet_joins_the_request_of_one_that_is(gateway, image):
    first, later = want(image, "200x200", "200x100")
    later.update_if(where={}, next_attempt_at=timezone.now() + dt.timedelta(hours=1))
    assert len(claim(first).sizes) == 2


def test_recipes_are_asked_for_apart(gateway, run, image):
    want(image, "200x200")
    want(image, "200x200", recipe="portrait")
    run()
    prompts = {asked.get("prompt", "") for asked in gateway.requests}
    assert prompts == {"", "Keep the whole person in the picture."}


ALIKE = [
    ("400x220", "600x338", 1, "2.4 % apart: a srcset means them to be the same"),
    ("600x338", "400x220", 1, "the order doesn't matter"),
    ("1000x1000", "1030x1000", 1, "exactly 3 %"),
    ("1000x1000", "1031x1000", 2, "a little more than 3 %"),
    ("400x300", "300x400", 2, "upright and lying"),
]


@pytest.mark.parametrize(("one", "other", "bought", "reason"), ALIKE)
def test_shapes_within_three_percent_are_bought_once(gateway, one, other, bought, reason):
    image = plain_image(900, 300)
    row = want(image, one, other)[0]
    request = claim(row)
    assert len(request.sizes) == bought, reason
    assert Recomposition.objects.count() == bought
    if bought == 1:
        assert set(only(Recomposition).slots) == {one, other}


def test_the_shape_that_is_shown_largest_is_the_one_bought(gateway, image):
    row = want(image, "400x220", "600x338")[0]
    claim(row)
    assert only(Recomposition).shape == Decimal("1.775")


STATES = ["in flight", "done", "failed", "decided"]


@pytest.mark.parametrize("state", STATES)
def test_a_later_want_of_nearly_the_same_shape_joins_what_there_is(gateway, run, image, state):
    (first,) = want(image, "200x110")
    if state == "failed":
        gateway.misbehave("FAILED")
    if state == "decided":
        first.choose(None, None)
    one_pass() if state == "in flight" else run()
    gateway.behave()
    before = len(gateway.requests)
    want(image, "300x169")
    run()
    assert len(gateway.requests) == max(before, 1 if state == "in flight" else before)
    assert again(first).slots == ["200x110", "300x169"]
    assert only(Recomposition) == first


def test_what_joins_a_preview_s_want_makes_it_a_template_s(gateway, image):
    (first,) = want(image, "400x220", by="preview")
    (other,) = want(image, "600x338")
    assert claim(other) is not None
    assert only(Recomposition).wanted_by == "template"
    assert not Recomposition.objects.filter(pk=first.pk).exists()


def test_a_wanted_row_with_candidates_is_never_deleted_nor_due_for_ever(gateway, run, image):
    want(image, "400x220")
    run()
    (kept,) = want(image, "600x338")
    candidate(kept)
    run()
    assert (again(kept).purchase, len(gateway.requests)) == (Purchase.IDLE, 1)
    assert schedule.next_step_at() is None or schedule.next_step_at() > timezone.now()


# Identity


def test_a_blank_hash_is_filled_in_before_it_counts(gateway, run, image):
    type(image).objects.update(file_hash="")
    image.refresh_from_db()
    want(image, "200x200", "100x100")
    run()
    image.refresh_from_db()
    row = only(Recomposition)
    assert row.source_hash == image.file_hash != ""
    assert (row.purchase, set(row.slots)) == (Purchase.IDLE, {"200x200", "100x100"})
    want(image, "150x150")
    run()
    assert len(gateway.requests) == 1


def test_rows_of_before_and_after_the_hash_was_known_become_one(gateway, run, image):
    hashed = image.file_hash
    image.file_hash = ""
    want(image, "200x200")
    image.file_hash = hashed
    want(image, "100x100")
    run()
    assert set(only(Recomposition).slots) == {"200x200", "100x100"}
    assert len(gateway.requests) == 1


def replace_file(image):
    """Replace the file as Wagtail does when an editor uploads another picture."""
    other = plain_image(800, 600, "teal")
    type(image).objects.filter(pk=image.pk).update(file=other.file.name, file_hash=other.file_hash)
    image.refresh_from_db()


def test_a_file_replaced_while_wanted_is_the_one_that_is_bought(gateway, run, image):
    want(image, "200x200")
    replace_file(image)
    run()
    assert (only(Recomposition).source_hash, len(gateway.requests)) == (image.file_hash, 1)
    assert only(GatewayRequest).source_hash == image.file_hash


def test_a_file_replaced_before_the_post_is_not_paid_for_twice(gateway, run, image):
    (row,) = want(image, "200x200")
    claim(row)
    replace_file(image)
    run()
    assert len(gateway.requests) == 1
    withdrawn, done = GatewayRequest.objects.order_by("pk")
    assert (withdrawn.error_code, withdrawn.error_detail) == ("withdrawn", "outdated")
    assert (withdrawn.charged, withdrawn.reserved_on) == ("no", None)
    assert (done.status, done.source_hash) == (Status.DONE, image.file_hash)
    assert spent() == 1


def test_a_file_replaced_after_the_post_leaves_the_new_one_untouched(gateway, run, image):
    (row,) = want(image, "200x200")
    one_pass()
    replace_file(image)
    run()
    assert again(row).purchase == Purchase.IDLE
    assert row.source_hash != image.file_hash
    assert not image.smart_resize.entries


# What waits, and what is taken back


def page_with(image, *, live):
    root = Page.objects.filter(depth=1).first() or Page.add_root(title="Root", slug="root")
    return root.add_child(instance=PicturePage(title="A page", slug="page", photo=image, live=live))


def make_private(image):
    below = Collection.get_first_root_node().add_child(name="Private")
    CollectionViewRestriction.objects.create(
        collection=below, restriction_type=CollectionViewRestriction.LOGIN
    )
    type(image).objects.filter(pk=image.pk).update(collection=below)


def opt_out(image):
    OptOut.objects.create(image=image)


def unpublish(image):
    PicturePage.objects.update(live=False)


FORBIDDEN = [
    (make_private, "private", 24),
    (opt_out, "opted_out", 24),
    (unpublish, "not_published", 24),
]


@pytest.mark.parametrize(("forbid", "reason", "hours"), FORBIDDEN)
def test_what_is_forbidden_since_it_was_wanted_waits(gateway, run, image, forbid, reason, hours):
    page_with(image, live=True)
    (row,) = want(image, "200x200")
    forbid(image)
    run()
    assert (again(row).purchase, row.waiting_reason) == (Purchase.WANTED, reason)
    assert (gateway.requests, GatewayRequest.objects.count(), spent()) == ([], 0, 0)
    wait = row.next_attempt_at - timezone.now()
    assert dt.timedelta(hours=hours - 1) < wait <= dt.timedelta(hours=hours)


@pytest.mark.parametrize(("forbid", "reason", "hours"), FORBIDDEN)
def test_what_is_forbidden_since_it_was_claimed_is_withdrawn(
    gateway, run, image, forbid, reason, hours
):
    page_with(image, live=True)
    (row,) = want(image, "200x200")
    claim(row)
    assert spent() == 1
    forbid(image)
    run()
    assert (gateway.requests, spent()) == ([], 0)
    request = only(GatewayRequest)
    assert (request.error_code, request.error_detail) == ("withdrawn", reason)
    assert (again(row).purchase, row.waiting_reason) == (Purchase.WANTED, reason)


def test_a_shape_that_the_site_refuses_meanwhile_holds_up_no_other(
    gateway, run, image, monkeypatch, settings
):
    square, wide = want(image, "200x200", "200x100")
    claim(square)
    allow(settings, f"{__name__}.only_squares")
    run()
    assert (again(square).purchase, again(wide).purchase) == (Purchase.IDLE, Purchase.WANTED)
    assert wide.waiting_reason == "refused_by_site"
    assert (len(gateway.requests), spent()) == (1, 1)


def only_squares(image, *, shape, sizes, recipe):
    return shape == 1


def explode(image, *, shape, sizes, recipe):
    raise RuntimeError("the site's own mistake")


def allow(settings, path):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "ALLOW": path}


@pytest.mark.parametrize("name", ["only_squares", "explode"])
def test_what_the_site_does_not_allow_waits(gateway, run, image, settings, name):
    allow(settings, f"{__name__}.{name}")
    (row,) = want(image, "200x100")
    run()
    assert (again(row).waiting_reason, gateway.requests) == ("refused_by_site", [])
    assert row.next_attempt_at > timezone.now()


def test_a_purchase_is_judged_once_and_again_if_it_waited(gateway, run, image, monkeypatch):
    judged = []
    site_allows = assess.site_allows

    def count(image, shape, slots, recipe):
        judged.append(shape)
        return site_allows(image, shape, slots, recipe)

    monkeypatch.setattr(assess, "site_allows", count)
    square, wide = want(image, "200x200", "200x100")
    run()
    assert sorted(judged) == sorted([square.shape, wide.shape])
    judged.clear()
    (tall,) = want(image, "100x200")
    claim(tall)
    run()
    assert judged == [tall.shape] * 2
    assert (len(gateway.requests), spent()) == (2, 3)


NEVER = [
    ("private", make_private),
    ("opted_out", opt_out),
]


@pytest.mark.parametrize(("reason", "forbid"), NEVER)
def test_no_person_s_request_sends_what_is_private(gateway, run, image, reason, forbid):
    (row,) = want(image, "200x200", by="person")
    row.update_if(where={}, rules_overridden=True)
    request = claim(row)
    request.update_if(where={}, by_person=True)
    forbid(image)
    run()
    assert (again(row).purchase, row.failure_code) == (Purchase.FAILED, "withdrawn")
    assert (gateway.requests, spent()) == ([], 0)


def test_a_person_s_request_is_not_withdrawn_for_taste(gateway, run, settings):
    image = plain_image(400, 390)
    (row,) = want(image, "200x200", by="person")
    row.update_if(where={}, rules_overridden=True)
    request = claim(row)
    request.update_if(where={}, by_person=True)
    row.update_if(where={}, rules_overridden=False)
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "AUTO_GENERATE": False}
    run()
    assert again(row).purchase == Purchase.IDLE


def test_a_preview_s_want_waits_until_a_template_wants_it(gateway, run, image):
    (row,) = want(image, "200x200", by="preview")
    run()
    assert (again(row).waiting_reason, gateway.requests) == ("not_published", [])
    want(image, "200x200", by="preview")
    assert again(row).next_attempt_at > timezone.now() + dt.timedelta(hours=1)
    want(image, "200x200", by="template")
    again(row).update_if(where={}, next_attempt_at=row.next_attempt_at - dt.timedelta(seconds=3))
    one_pass()
    run()
    assert (again(row).purchase, row.wanted_by) == (Purchase.IDLE, "template")


def test_a_preview_s_want_is_bought_once_a_page_is_published(gateway, run, moving_clock, image):
    page = page_with(image, live=False)
    (row,) = want(image, "200x200", by="preview")
    run()
    assert gateway.requests == []
    PicturePage.objects.filter(pk=page.pk).update(live=True)
    moving_clock.skip(hours=25)
    run()
    assert (again(row).purchase, len(gateway.requests)) == (Purchase.IDLE, 1)


def test_a_person_who_decides_before_the_purchase_spares_it(gateway, run, image):
    square, wide = want(image, "200x200", "200x100")
    claim(square)
    square.choose(None, None)
    run()
    assert [again(square).purchase, again(wide).purchase] == [Purchase.WANTED, Purchase.IDLE]
    assert (square.decision, square.live) == ("crop", None)
    assert gateway.requests[0]["target_sizes"] == [str(plan.request_size(wide.shape, "1K"))]
    assert (len(gateway.requests), spent()) == (1, 1)
    assert schedule.next_step_at() is None


def test_a_person_who_decides_before_the_claim_spares_it(gateway, run, image):
    (row,) = want(image, "200x200")
    row.choose(None, None)
    run()
    assert (gateway.requests, schedule.next_step_at()) == ([], None)


def test_an_image_deleted_before_the_post_gives_its_budget_back(gateway, run, image):
    (row,) = want(image, "200x200")
    claim(row)
    image.delete()
    run()
    request = only(GatewayRequest)
    assert (request.status, request.image, request.image_title) == (
        Status.FAILED,
        None,
        image.title,
    )
    assert (gateway.requests, spent()) == ([], 0)


def test_an_upright_photograph_is_judged_alike_when_claimed_and_when_sent(gateway, run):
    """The database has the width and height from before the EXIF orientation is applied."""
    image = upright_photograph(900, 600)
    assert (image.width, image.height) == (900, 600)
    (row,) = want(image, "300x200")
    run()
    assert (again(row).purchase, len(gateway.requests)) == (Purchase.IDLE, 1)


def upright_photograph(width, height):
    import io

    from django.core.files.images import ImageFile
    from PIL import Image as PillowImage

    data = io.BytesIO()
    picture = PillowImage.new("RGB", (width, height), "olive")
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(data, "JPEG", exif=exif)
    image = photo()
    image.file.save("upright.jpg", ImageFile(io.BytesIO(data.getvalue()), name="upright.jpg"))
    image.width, image.height = width, height
    image._set_file_hash()
    image.save()
    return image


def test_an_svg_waits_and_does_not_count_as_broken(gateway, run, image, monkeypatch):
    monkeypatch.setattr(type(image), "is_svg", lambda self: True)
    (row,) = want(image, "200x200")
    run()
    assert (again(row).waiting_reason, row.purchase) == ("svg", Purchase.WANTED)
    assert row.next_attempt_at is None


# Trouble with the source


def unavailable(code):
    def inspect(image):
        raise SourceUnavailable(code, "The file can't be had.")

    return inspect


@pytest.mark.parametrize("code", ["missing", "unreadable"])
def test_a_file_that_stays_broken_fails_after_some_tries(
    gateway, run, moving_clock, image, monkeypatch, code
):
    (row,) = want(image, "200x200")
    monkeypatch.setattr(source_image, "read_facts", unavailable(code))
    for tries in range(1, claims.MAX_SOURCE_ERRORS):
        moving_clock.skip(hours=2)
        one_pass()
        assert (again(row).purchase, row.attempts) == (Purchase.WANTED, tries)
        assert row.next_attempt_at > timezone.now()
    moving_clock.skip(hours=2)
    one_pass()
    assert (again(row).purchase, row.failure_code) == (Purchase.FAILED, code)
    assert (gateway.requests, spent()) == ([], 0)


def test_a_storage_that_is_down_for_long_fails_nobody(
    gateway, run, moving_clock, image, monkeypatch
):
    (row,) = want(image, "200x200")
    with monkeypatch.context() as patch:
        patch.setattr(source_image, "read_facts", unavailable("storage"))
        for _ in range(12):
            moving_clock.skip(hours=2)
            one_pass()
            assert again(row).next_attempt_at > timezone.now()
    moving_clock.skip(hours=2)
    run()
    assert again(row).purchase == Purchase.IDLE


def test_a_file_that_vanishes_after_the_claim_opens_no_circuit(gateway, run, moving_clock, image):
    (row,) = want(image, "200x200")
    claim(row)
    image.file.storage.delete(image.file.name)
    one_pass()
    assert only(GatewayRequest).error_detail == "outdated"
    assert (PipelineState.get_current().circuit_open, spent()) == (False, 0)
    assert again(row).purchase == Purchase.WANTED


def test_an_unreachable_source_opens_the_circuit_with_its_reason(
    gateway, run, moving_clock, image, monkeypatch
):
    def forbidden(url):
        raise SourceUnavailable("source_401", "The site asks for a password.")

    (row,) = want(image, "200x200")
    with monkeypatch.context() as patch:
        patch.setattr(source_image, "check_reachable", forbidden)
        run(3)
    state = PipelineState.get_current()
    assert (state.circuit_code, state.circuit_detail) == (
        "source_401",
        "The site asks for a password.",
    )
    assert (gateway.requests, spent(), again(row).waiting_reason) == ([], 0, "circuit_open")
    moving_clock.skip(minutes=6)
    run()
    assert (again(row).purchase, PipelineState.get_current().circuit_open) == (Purchase.IDLE, False)


def test_a_claim_that_raises_stops_no_other_and_is_not_due_at_once(
    gateway, run, image, monkeypatch
):
    (broken,) = want(image, "200x200")
    (fine,) = want(plain_image(400, 300), "200x200")
    of = assess.ImageFacts.for_images

    def stumble(images):
        if image in images:
            raise RuntimeError("not foreseen")
        return of(images)

    monkeypatch.setattr(assess.ImageFacts, "for_images", stumble)
    result = one_pass()
    assert result.failed == 1
    assert again(broken).next_attempt_at > timezone.now()
    run(5)
    assert again(fine).purchase == Purchase.IDLE


def test_no_more_are_in_flight_than_the_setting_says_though_passes_overlap(gateway, settings):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "MAX_IN_FLIGHT": 1}
    for _ in range(2):
        want(plain_image(), "200x200")
    # Two passes that found the same room.
    first, second = claims.due_groups(timezone.now(), 2)
    assert claims.claim([first])
    assert claims.claim([second]) == []
    assert (GatewayRequest.objects.count(), spent()) == (1, 1)
    (waits,) = Recomposition.objects.filter(purchase="wanted")
    assert waits.image_id == second.image_id


def test_a_recipe_that_is_gone_from_the_settings_waits(gateway, run, image):
    (row,) = want(image, "200x200", recipe="gone")
    run(3)
    assert (again(row).purchase, gateway.requests) == (Purchase.WANTED, [])
    assert row.next_attempt_at > timezone.now()


def test_without_a_key_nothing_is_claimed_and_flips_go_on(gateway, run, image, settings):
    (row,) = want(image, "200x200")
    chosen = candidate(Recomposition.objects.create(
        image=image, source_hash=image.file_hash, shape=Decimal("2.000"), purchase=Purchase.IDLE
    ))  # fmt: skip
    chosen.recomposition.choose(chosen, None)
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "API_KEY": ""}
    one_pass()
    assert (again(row).purchase, GatewayRequest.objects.count()) == (Purchase.WANTED, 0)
    assert ImageVersion.objects.get(pk=image.pk).published_at is not None


def test_a_request_claimed_before_the_key_went_is_withdrawn(gateway, image, settings):
    (row,) = want(image, "200x200")
    claim(row)
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "API_KEY": ""}
    one_pass()
    assert (only(GatewayRequest).error_detail, spent()) == ("no_key", 0)


# Races


def in_threads(*jobs):
    """Run the jobs at the same moment, each on a connection of its own; returns what they gave."""
    barrier, results = threading.Barrier(len(jobs)), [None] * len(jobs)

    def work(number, job):
        try:
            barrier.wait(TIMEOUT_SECONDS)
            results[number] = job()
        except Exception as error:
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=each) for each in enumerate(jobs)]
    for thread in threads:
        thread.start()
    join(*threads)
    return results


@pytest.mark.django_db(transaction=True)
def test_of_claims_at_once_one_wins_and_nobody_fails(gateway, image):
    (row,) = want(image, "200x200")
    want(image, "200x100")
    results = in_threads(*[lambda: claim(row)] * 4)
    won = [result for result in results if isinstance(result, GatewayRequest)]
    assert (len(won), results.count(None)) == (1, 3), results
    assert (len(won[0].sizes), spent()) == (2, 2)


@pytest.mark.django_db(transaction=True)
def test_of_senders_at_once_one_posts(gateway, image):
    (row,) = want(image, "200x200")
    claim(row)
    in_threads(*[one_pass] * 3)
    assert len(gateway.requests) == 1


@pytest.mark.django_db(transaction=True)
def test_the_budget_holds_between_claims_of_many_images(gateway, settings):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "DAILY_LIMIT": 3}
    rows = [want(plain_image(400, 300), "200x200")[0] for _ in range(6)]
    results = in_threads(*[lambda row=row: claim(row) for row in rows])
    assert not [result for result in results if isinstance(result, Exception)], results
    for row in rows:
        claim(row)
    assert (spent(), GatewayRequest.objects.count()) == (3, 3)


@pytest.mark.django_db(transaction=True)
def test_a_decision_and_a_claim_at_once_leave_one_truth(gateway, run, image):
    (row,) = want(image, "200x200")
    ImageVersion.get_for(image.pk)
    in_threads(lambda: claim(row), lambda: row.choose(None, None))
    run()
    assert (again(row).decision, row.live, gateway.requests, spent()) == ("crop", None, [], 0)


# Many shapes at once


def test_a_request_has_so_many_sizes_and_the_rest_come_in_others(gateway, run, image, monkeypatch):
    monkeypatch.setattr(plan, "MAX_SIZES", 4)
    shapes = [f"{width}x100" for width in range(160, 300, 14)]
    want(image, *shapes)
    run()
    sent = [len(asked["target_sizes"]) for asked in gateway.requests]
    assert sent == [4, 4, 2]
    assert set(Recomposition.objects.values_list("purchase", flat=True)) == {Purchase.IDLE}
    assert spent() == 10


def test_a_person_s_shapes_are_asked_for_in_several_requests(gateway, image, monkeypatch):
    monkeypatch.setattr(plan, "MAX_SIZES", 4)
    targets = [ResizeTarget.parse(f"{width}x100") for width in range(160, 300, 14)]
    requests = request_recomposition(image, targets, override_rules=True)
    assert [len(each.sizes) for each in requests] == [4, 4, 2]
    assert len({each.batch for each in requests}) == 1
    assert {row.request for row in Recomposition.objects.all()} == set(requests)
    assert spent() == 10


# A preset that was renamed


@pytest.fixture
def renamed(settings, image):
    """A row whose preset has another name now; returns it and the settings of before."""
    (row,) = want(image, "400x500", recipe="portrait")
    before = settings.WAGTAIL_SMART_RESIZE
    presets = {"upright": before["PRESETS"]["portrait"]}
    settings.WAGTAIL_SMART_RESIZE = {**before, "PRESETS": presets}
    return row, before


@pytest.mark.parametrize("look", [one_pass, repairs.run])
def test_a_row_of_a_renamed_preset_says_why_it_waits(gateway, renamed, look):
    row, _before = renamed
    row.update_if(where={}, waiting_reason="budget", next_attempt_at=timezone.now())
    look()
    assert (again(row).waiting_reason, row.purchase) == ("unknown_preset", Purchase.WANTED)
    assert row.next_attempt_at > timezone.now()
    (state,) = states.states(states.with_state_relations(Recomposition.objects.all()))
    assert str(state.message) == "Preset no longer in the settings"
    assert gateway.requests == []


def test_it_is_bought_when_the_preset_is_back(gateway, run, renamed, settings):
    row, before = renamed
    one_pass()
    settings.WAGTAIL_SMART_RESIZE = before
    repairs.run()
    run()
    assert (again(row).purchase, row.waiting_reason) == (Purchase.IDLE, "")
