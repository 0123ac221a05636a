"""From completed to stored: which output is whose, what goes live, and what can't be had."""

import datetime as dt
import io

import pytest
from django.core.files.storage import FileSystemStorage
from django.utils import timezone
from support.factories import candidate, plain_image
from support.purchases import Purchase, Status, again, candidates, only, spent, want

from wagtail_smart_resize.core.sizes import request_size, same_shape, shape_of
from wagtail_smart_resize.exceptions import DownloadError
from wagtail_smart_resize.models import Candidate, GatewayRequest, ImageVersion, Recomposition
from wagtail_smart_resize.purchasing import fetching, offering, passes
from wagtail_smart_resize.reasons import is_recomposed

pytestmark = pytest.mark.django_db


@pytest.fixture
def image():
    return plain_image(400, 300)


@pytest.fixture
def rows(image):
    return want(image, "200x200", "200x100", "100x200")


def change(settings, **changes):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, **changes}


def shapes_of(row):
    return [shape_of(each.width, each.height) for each in candidates(row)]


# Which output is whose

ODD_BUT_WHOLE = [
    ("reversed", "the order does not count"),
    ("unnamed", "names do not count"),
    ("immediate", "in the first answer"),
]


@pytest.mark.parametrize(("word", "reason"), ODD_BUT_WHOLE)
def test_each_shape_gets_its_own_picture(gateway, run, rows, word, reason):
    gateway.misbehave(word)
    if word == "unnamed":
        gateway.misbehave("reversed")
    run()
    for row in rows:
        (shape,) = shapes_of(again(row))
        assert same_shape(shape, row.shape), reason
        assert (row.purchase, row.live) == (Purchase.IDLE, candidates(row)[0])
    request = only(GatewayRequest)
    assert (request.status, request.charged, request.error_code) == (Status.DONE, "yes", "")
    assert (len(gateway.requests), spent()) == (1, 3)


def test_a_picture_too_many_is_kept_to_choose_from(gateway, run, rows):
    gateway.misbehave("more")
    run()
    assert [len(candidates(row)) for row in rows] == [1, 1, 2]
    assert all(again(row).live == candidates(row)[0] for row in rows)
    assert (len(gateway.downloads), spent()) == (4, 3)


def test_pictures_too_many_are_kept_within_bounds(gateway, run, image, monkeypatch):
    monkeypatch.setattr(fetching, "MAX_SURPLUS", 0)
    (row,) = want(image, "200x200")
    gateway.misbehave("more")
    run()
    assert (again(row).purchase, len(candidates(row))) == (Purchase.IDLE, 1)
    assert only(GatewayRequest).status == Status.DONE


def test_a_picture_too_many_that_can_t_be_had_holds_nothing_up(gateway, run, image, monkeypatch):
    fetch = fetching.downloads.download

    def fail_the_last(output, **kwargs):
        if "_1." in output.file_name:
            raise DownloadError("result_404", "There is none.")
        return fetch(output, **kwargs)

    monkeypatch.setattr(fetching.downloads, "download", fail_the_last)
    (row,) = want(image, "200x200")
    gateway.misbehave("more")
    run()
    request = only(GatewayRequest)
    assert (request.status, request.error_code) == (Status.DONE, "")
    assert again(row).live == candidates(row)[0]


# Another shape than asked for


def test_a_picture_of_the_engines_shape_waits_where_the_cut_loses_much(gateway, run, rows):
    """1376x768 for 2:1 loses 10.4 %; the square is a shape of the engine's own."""
    gateway.misbehave("preset")
    run()
    square, wide, tall = map(again, rows)
    assert square.live == candidates(square)[0]
    for row in (wide, tall):
        (kept,) = candidates(row)
        assert (row.purchase, row.live, row.failure_code) == (Purchase.IDLE, None, "")
        assert (round(kept.share_cut_away, 3), kept.cut_percent) == (0.104, 11)
    assert set(Recomposition.objects.awaiting_review()) == {wide, tall}
    request = only(GatewayRequest)
    assert (request.status, request.charged, request.error_code) == (Status.DONE, "yes", "")
    assert (len(gateway.requests), spent()) == (1, 3)


LITTLE = [
    ("240x126", {}, True, "5.9 % is less than a crop may lose"),
    ("200x100", {"MIN_CROP_LOSS": 0.11}, True, "the site minds no more than that"),
    ("240x126", {"MIN_CROP_LOSS": 0.05}, False, "the site minds it"),
    ("240x126", {"MIN_CROP_LOSS": 0.0}, False, "the site minds any loss"),
    ("240x126", {"REVIEW": True}, False, "a person sees each"),
]


@pytest.mark.parametrize(("slot", "changes", "goes_live", "reason"), LITTLE)
def test_a_picture_of_another_shape_goes_live_where_little_is_cut(
    gateway, run, image, settings, slot, changes, goes_live, reason
):
    change(settings, **changes)
    (row,) = want(image, slot)
    gateway.misbehave("preset")
    run()
    (kept,) = candidates(row)
    assert again(row).live == (kept if goes_live else None), reason
    assert row.purchase == Purchase.IDLE


def test_a_picture_of_another_shape_is_shown_in_the_slots(gateway, run, image):
    want(image, "240x126")
    gateway.misbehave("preset")
    run()
    shown = image.get_rendition("smartresize-240x126")
    assert (shown.width, shown.height, is_recomposed(shown)) == (240, 126, True)


def test_a_person_may_choose_a_picture_of_any_shape(gateway, run, rows):
    gateway.misbehave("off-size")
    run()
    for row in rows:
        (kept,) = candidates(row)
        assert (again(row).purchase, row.live) == (Purchase.IDLE, None)
        row.choose(kept, None)
    run()
    image = Recomposition.objects.first().image
    shown = [image.get_rendition(f"smartresize-{row.slots[0]}") for row in rows]
    assert all(map(is_recomposed, shown))
    for rendition, row in zip(shown, rows, strict=True):
        assert same_shape(shape_of(rendition.width, rendition.height), row.shape)


@pytest.mark.parametrize("word", ["off-size", "preset"])
def test_a_shape_fails_only_where_no_picture_is_left_for_it(gateway, run, rows, word):
    gateway.misbehave(word)
    gateway.misbehave("fewer")
    run()
    assert sorted(len(candidates(row)) for row in rows) == [0, 1, 1]
    for row in rows:
        code = "" if candidates(row) else "missing"
        assert again(row).failure_code == code
    assert only(GatewayRequest).error_code == "missing"


def test_the_picture_of_the_right_shape_comes_first(gateway, run, image, settings):
    """Two come for each shape; of the first the service has made the shape that it works in."""
    change(settings, CANDIDATES=2)
    (row,) = want(image, "240x126")
    gateway.misbehave("preset")
    run()
    _first, other = candidates(row)
    row.update_if(where={}, live=None, purchase=Purchase.REQUESTED)
    other.update_if(where={}, width=480, height=252)
    assert offering.offer_candidates(only(GatewayRequest), again(row))
    assert again(row).live == other


def test_what_a_person_has_chosen_meanwhile_stays_where_it_is(gateway, run, rows):
    gateway.misbehave("off-size")
    run()
    square, wide, _tall = rows
    (kept,) = candidates(square)
    square.choose(kept, None)
    wide.adopt(kept)
    assert again(kept).recomposition == square


INCOMPLETE = [
    ("fewer", [True, True, False], "the last one is missing"),
    ("string-media-url", [True, False, False], "one address instead of a list"),
]


@pytest.mark.parametrize(("word", "came", "reason"), INCOMPLETE)
def test_a_missing_picture_fails_its_shape_alone(gateway, run, rows, word, came, reason):
    gateway.misbehave(word)
    run()
    for row, there in zip(rows, came, strict=True):
        assert again(row).purchase == (Purchase.IDLE if there else Purchase.FAILED), reason
        assert row.failure_code == ("" if there else "missing")
    assert (len(gateway.requests), spent()) == (1, 3)
    assert only(GatewayRequest).error_code == "missing"


def test_the_ledger_says_why_though_the_end_was_cut_off(gateway, run, rows, monkeypatch):
    gateway.misbehave("fewer")

    finish, calls = GatewayRequest.finish, []

    def cut_off_once(self, *args, **kwargs):
        calls.append(again(rows[-1]).failure_code)
        if len(calls) == 1:
            raise OSError
        return finish(self, *args, **kwargs)

    monkeypatch.setattr(GatewayRequest, "finish", cut_off_once)
    run()
    assert calls == ["missing", "missing"]
    request = only(GatewayRequest)
    assert (request.status, request.error_code) == (Status.DONE, "missing")


def test_two_candidates_come_and_one_of_them_goes_live(gateway, run, image, settings):
    change(settings, CANDIDATES=2)
    square, wide = want(image, "200x200", "200x100")
    run()
    assert gateway.requests[0]["num_images_per_size"] == 2
    assert (len(candidates(square)), len(candidates(wide)), spent()) == (2, 2, 4)
    assert again(square).live in candidates(square)
    assert again(wide).live in candidates(wide)


def test_one_candidate_of_two_is_enough_to_go_live(gateway, run, image, settings):
    change(settings, CANDIDATES=2)
    (row,) = want(image, "200x200")
    gateway.misbehave("fewer")
    run()
    assert (again(row).purchase, len(candidates(row))) == (Purchase.IDLE, 1)
    assert row.live is not None


SHAPES = [(16, 9), (9, 16), (1, 1), (21, 9), (191, 100), (8, 1), (1, 8), (3000, 7), (4, 5), (3, 2)]


@pytest.mark.parametrize(("width", "height"), SHAPES)
@pytest.mark.parametrize("tier", ["1K", "2K", "4K"])
def test_rounding_makes_no_size_of_ours_another_shape(width, height, tier):
    shape = shape_of(width, height)
    asked = request_size(shape, tier)
    if min(asked) >= 34:
        assert same_shape(shape_of(*asked), shape)
    assert same_shape(shape_of(*asked), shape_of(*asked))


# What goes live


def test_with_review_nothing_goes_live_by_itself(gateway, run, rows, settings):
    change(settings, REVIEW=True)
    run()
    for row in rows:
        assert (again(row).purchase, row.live, len(candidates(row))) == (Purchase.IDLE, None, 1)
    assert set(Recomposition.objects.awaiting_review()) == set(rows)


def test_a_candidate_with_fewer_pixels_than_the_crop_waits_for_a_person(gateway, run):
    (row,) = want(plain_image(400, 300), "300x300")
    gateway.misbehave("small")
    run()
    assert (again(row).purchase, row.live, len(candidates(row))) == (Purchase.IDLE, None, 1)
    assert list(Recomposition.objects.awaiting_review()) == [row]


def test_a_small_candidate_goes_live_where_the_crop_is_no_larger(gateway, run):
    (row,) = want(plain_image(200, 100), "300x300")
    gateway.misbehave("small")
    run()
    assert again(row).live is not None


ENOUGH = [
    ((800, 600), "400x400", (400, 400), True, "as many pixels as the slot"),
    ((800, 600), "400x400", (399, 399), False, "one pixel fewer than the crop"),
    ((300, 300), "400x400", (300, 300), True, "the crop has no more either"),
    ((800, 600), "400x400", (390, 500), False, "cut to the slot's shape it is too narrow"),
]


@pytest.mark.parametrize(("source", "slot", "size", "enough", "reason"), ENOUGH)
def test_a_candidate_gives_enough_by_what_the_crop_gives(source, slot, size, enough, reason):
    (row,) = want(plain_image(*source), slot)
    assert offering.has_enough_pixels(row, candidate(row, size=size), None) is enough, reason


def test_a_decision_made_while_it_was_bought_stands(gateway, run, rows):
    square = rows[0]
    passes.run_pass(workers=1)
    square.choose(None, None)
    run()
    assert (again(square).decision, square.live) == ("crop", None)
    assert (square.purchase, len(candidates(square))) == (Purchase.IDLE, 1)


def test_what_is_live_stays_live_when_more_is_bought(gateway, run, image):
    (row,) = want(image, "200x200")
    run()
    before = again(row).live
    row.update_if(where={}, purchase=Purchase.REQUESTED)
    second = again(only(GatewayRequest))
    second.pk = None
    second.status, second.source_token, second.by_person = Status.NEW, "another", True
    second.save()
    row.update_if(where={}, request=second)
    run()
    assert (again(row).live, len(candidates(row))) == (before, 2)


# What can't be had

BROKEN_FOR_GOOD = [
    ("not-an-image", "text"),
    ("svg", "not a format that is taken"),
    ("bomb", "too many pixels"),
    ("huge", "too many bytes"),
    ("redirect-private", "an address that is never fetched"),
]


@pytest.mark.parametrize(("word", "reason"), BROKEN_FOR_GOOD)
def test_an_output_that_is_no_picture_fails_its_shape_and_is_paid_for(
    gateway, run, image, word, reason
):
    (row,) = want(image, "200x200")
    gateway.misbehave(word, where="download")
    run()
    gateway.behave()
    run()
    assert again(row).purchase == Purchase.FAILED, reason
    assert row.failure_code not in ("", "missing")
    assert (len(gateway.requests), len(gateway.downloads), spent()) == (1, 1, 1)
    assert (only(GatewayRequest).charged, Candidate.objects.count()) == ("yes", 0)


FOR_NOW = [
    "html",
    "403",
    "404",
    "429",
    "500",
    "502",
    "503",
    "504",
    "reset",
    "broken-off",
    "truncated",
    "expired",
]


@pytest.mark.parametrize("word", FOR_NOW)
def test_an_output_that_can_t_be_had_for_now_is_fetched_again(gateway, run, image, word):
    (row,) = want(image, "200x200")
    gateway.misbehave(word, times=3, where="download")
    run()
    assert (again(row).purchase, len(candidates(row))) == (Purchase.IDLE, 1)
    assert (len(gateway.requests), len(gateway.downloads)) == (1, 4)
    assert only(GatewayRequest).outputs[0].keys() == {"file_name", "content_type"}


def test_an_expired_address_is_given_up_after_an_hour_and_nothing_bought_again(
    gateway, run, moving_clock, image
):
    (row,) = want(image, "200x200")
    gateway.misbehave("expired")
    run(6)
    request = only(GatewayRequest)
    assert (request.status, again(row).purchase) == (Status.FETCHING, Purchase.REQUESTED)
    assert request.next_step_at > timezone.now() or request.consecutive_errors > 1
    moving_clock.skip(minutes=61)
    run()
    assert (again(row).purchase, row.failure_code) == (Purchase.FAILED, "result_404")
    assert (len(gateway.requests), spent(), only(GatewayRequest).charged) == (1, 1, "yes")


def test_one_address_that_does_not_answer_holds_up_no_other_shape(gateway, run, rows):
    gateway.misbehave("500", times=1, where="download")
    passes.run_pass(workers=1)
    while again(only(GatewayRequest)).status != Status.FETCHING:
        run.make_due()
        passes.run_pass(workers=1)
    purchases = [again(row).purchase for row in rows]
    assert sorted(purchases) == [Purchase.IDLE, Purchase.IDLE, Purchase.REQUESTED]
    run()
    assert {again(row).purchase for row in rows} == {Purchase.IDLE}


def test_the_ledger_keeps_no_address(gateway, run, rows):
    run()
    assert all("url" not in output for output in only(GatewayRequest).outputs)
    assert only(GatewayRequest).outputs_received == 3


# Storage in trouble


def test_a_storage_that_fails_changes_no_state_and_is_tried_again(gateway, run, image, monkeypatch):
    (row,) = want(image, "200x200")
    save, left = FileSystemStorage.save, [2]

    def fail_twice(self, name, content, max_length=None):
        if left[0] and name.startswith("smart_resize/"):
            left[0] -= 1
            raise OSError("no space left on device")
        return save(self, name, content, max_length=max_length)

    monkeypatch.setattr(FileSystemStorage, "save", fail_twice)
    run()
    assert left == [0]
    assert (again(row).purchase, len(candidates(row))) == (Purchase.IDLE, 1)
    assert (Candidate.objects.count(), len(gateway.requests)) == (1, 1)
    assert candidates(row)[0].file.storage.exists(candidates(row)[0].file.name)


def test_a_crash_between_the_row_and_its_file_leaves_no_file_of_nobody(gateway, run, image):
    (row,) = want(image, "200x200")
    passes.run_pass(workers=1)
    left = Candidate.objects.create(
        request=only(GatewayRequest),
        recomposition=row,
        position=0,
        file=Candidate.new_name(image.pk, "jpeg"),
        width=1,
        height=1,
        digest="of another download",
    )
    run()
    stored = again(left)
    assert (stored.stored, Candidate.objects.count()) == (True, 1)
    assert (stored.width, len(stored.digest)) == (256, 64)


def test_a_result_is_stored_where_nothing_may_be_deleted(gateway, run, image, monkeypatch, caplog):
    """An earlier try has left its file, under the name that the row says."""

    def forbidden(self, name):
        raise PermissionError(name)

    monkeypatch.setattr(FileSystemStorage, "delete", forbidden)
    (row,) = want(image, "200x200")
    passes.run_pass(workers=1)
    Candidate.objects.create(
        recomposition=row,
        request=only(GatewayRequest),
        file=Candidate.new_name(image.pk, "webp"),
        width=1,
        height=1,
        digest="",
    )
    run()
    assert (again(row).purchase, len(candidates(row))) == (Purchase.IDLE, 1)
    assert row.live is not None
    assert "what an earlier try may have left" in caplog.text


def test_an_image_deleted_while_it_is_bought_ends_the_request(gateway, run, image):
    want(image, "200x200")
    passes.run_pass(workers=1)
    image.delete()
    run()
    request = only(GatewayRequest)
    assert (request.status, request.charged, request.image) == (Status.DONE, "yes", None)
    assert (Candidate.objects.count(), len(gateway.requests)) == (0, 1)


# Turns


def test_a_turn_of_downloads_ends_and_goes_on_in_the_next(
    gateway, run, moving_clock, rows, monkeypatch
):
    fetch = fetching.downloads.download

    def slow(output, **kwargs):
        moving_clock.skip(minutes=3)
        return fetch(output, **kwargs)

    monkeypatch.setattr(fetching.downloads, "download", slow)
    run(3)
    while (request := only(GatewayRequest)).status == Status.FETCHING:
        assert len(gateway.downloads) == Candidate.objects.count()
        assert request.next_step_at <= timezone.now()
        passes.run_pass(workers=1)
    run()
    assert {again(row).purchase for row in rows} == {Purchase.IDLE}
    assert len(gateway.downloads) == 3


def test_the_pass_that_hears_of_a_result_makes_it_live(gateway, run, image):
    """A tick that left it to the next would cost its visitors a second or two."""
    want(image, "200x200")
    run.make_due()
    passes.run_pass(workers=1)
    gateway.settle()
    run.make_due()
    passes.run_pass(workers=1)
    [version] = ImageVersion.objects.all()
    assert version.live
    assert version.publish_due_at is None


def test_a_publication_that_fails_at_once_is_counted_whatever_the_number_of_shapes(
    gateway, run, image, rows, monkeypatch
):
    def fail(image_id, material=None):
        raise OSError("no storage")

    with monkeypatch.context() as patch:
        patch.setattr(passes.publication, "publish", fail)
        run(3)
    version = ImageVersion.objects.get(pk=image.pk)
    assert {again(row).purchase for row in rows} == {Purchase.IDLE}
    assert version.publish_attempts == 1
    assert version.publish_due_at < timezone.now() + dt.timedelta(seconds=20)


# What a file says of itself


def test_what_a_file_says_of_itself_is_kept(gateway, run, image, monkeypatch):
    from wagtail_smart_resize.renditions import provenance
    from wagtail_smart_resize.sandbox import jobs

    def labelled(picture, output_format):
        content = io.BytesIO()
        params = provenance.params(output_format.upper(), "trainedAlgorithmicMedia")
        picture.save(content, output_format, **params)
        return content.getvalue()

    monkeypatch.setattr(jobs, "encode", labelled)
    (row,) = want(image, "200x200")
    run()
    (stored,) = candidates(row)
    assert (stored.source_type, stored.has_c2pa) == ("trainedAlgorithmicMedia", False)


def test_a_file_that_says_nothing_of_itself_is_kept_without(gateway, run, image):
    (row,) = want(image, "200x200")
    run()
    (stored,) = candidates(row)
    assert (stored.source_type, stored.has_c2pa) == ("", False)
