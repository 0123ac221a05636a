"""The repair: each thing that a lost process leaves, found by what the tables say."""

import datetime as dt

import pytest
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import connection
from django.db.models import F
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from support.factories import candidate, colour_of, live, photo, plain_image, recomposition
from testapp.models import Person, PersonPage, PicturePage
from wagtail.images import get_image_model
from wagtail.models import Collection, CollectionViewRestriction, Locale, Page

from wagtail_smart_resize.editorial import page_events
from wagtail_smart_resize.editorial.page_events import images_shown_by
from wagtail_smart_resize.models import (
    BudgetPeriod,
    Candidate,
    GatewayRequest,
    ImageVersion,
    OptOut,
    PipelineState,
    Recomposition,
    RetiredRendition,
)
from wagtail_smart_resize.publishing import preparation, publication
from wagtail_smart_resize.renditions import demand_notes
from wagtail_smart_resize.renditions.published_cache import process_cache
from wagtail_smart_resize.repair import repairs
from wagtail_smart_resize.repair.reading import chunks
from wagtail_smart_resize.repair.report import Finding, Repair, Report

pytestmark = pytest.mark.django_db
both_forms = pytest.mark.usefixtures("form")
whole_reading_alone = pytest.mark.whole_reading_alone

Purchase = Recomposition.Purchase
Decision = Recomposition.Decision
Status = GatewayRequest.Status
Charged = GatewayRequest.Charged

SPEC = "smartresize-400x400"
GOLD, BLUE = (255, 215, 0), (70, 130, 180)


def fresh(image):
    return get_image_model().objects.get(pk=image.pk)


def shown(image, spec=SPEC):
    """Return the rendition that a page shows, and lose what it notes as wanted."""
    process_cache.reset()
    rendition = fresh(image).get_rendition(spec)
    demand_notes.notes.reset()
    return rendition


def near(colour, other):
    return all(abs(a - b) < 12 for a, b in zip(colour, other, strict=True))


def found(**kwargs):
    """Return the counts of a repair by name."""
    report = repairs.run(**kwargs)
    assert not report.failed
    return {repair.name: count for repair, count in report.counts.items() if count}


def publish_due():
    """Publish what is due, as the runner does next."""
    for version in ImageVersion.objects.exclude(publish_due_at=None):
        publication.publish(version.pk)


def days_ago(days):
    return timezone.now() - dt.timedelta(days=days)


def request(image, **fields):
    values = {"source_hash": image.file_hash, "resolution": "2K", "output_format": "webp"}
    return GatewayRequest.objects.create(image=image, **{**values, **fields})


def root_page():
    """Tests with transactions of their own end with empty tables."""
    Locale.objects.get_or_create(language_code="en")
    root = Page.objects.filter(depth=1).first()
    return root or Page.add_root(instance=Page(title="Root", slug="root"))


def set_ours(settings, **values):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, **values}


def save(image, **fields):
    """Save the image with these changes, and commit."""
    image = fresh(image)
    for name, value in fields.items():
        setattr(image, name, value)
    with TestCase.captureOnCommitCallbacks(execute=True):
        image.save()


def replace_file(image):
    """Another file for the image, as its edit view leaves it."""
    other = plain_image(colour="crimson")
    save(image, file=other.file.name, file_hash=other.file_hash)
    fresh(image).renditions.all().delete()


@both_forms
class TestTheRenditionsTableIsTheListOfWants:
    @pytest.fixture
    def image(self):
        return plain_image()

    def test_a_crop_that_nobody_noted_becomes_wanted_as_by_a_template(self, image):
        shown(image)
        assert found() == {"WANTED": 1}
        row = Recomposition.objects.get()
        assert (row.image_id, row.source_hash) == (image.pk, image.file_hash)
        assert (row.slots, row.wanted_by, row.purchase) == (["400x400"], "template", "wanted")
        assert row.next_attempt_at is not None

    def test_each_shape_and_recipe_is_wanted_once_whatever_its_sizes_and_formats(self, image):
        for spec in [
            "smartresize-400x400|format-webp",
            "format-jpeg|smartresize-200x200-c50",
            "smartresize-400x300",
            "smartresize-portrait",
        ]:
            shown(image, spec)
        assert found() == {"WANTED": 3}
        rows = {(str(row.shape), row.recipe): row.slots for row in Recomposition.objects.all()}
        assert rows == {
            ("1.000", ""): ["200x200-c50", "400x400"],
            ("1.333", ""): ["400x300"],
            ("0.800", "portrait"): ["400x500"],
        }

    @pytest.mark.parametrize(
        ("why", "fields"),
        [
            ("wanted", {}),
            ("requested", {"purchase": Purchase.REQUESTED}),
            ("failed", {"purchase": Purchase.FAILED}),
            ("decided for the crop", {"purchase": Purchase.IDLE, "decision": Decision.CROP}),
        ],
    )
    @pytest.mark.parametrize("slot", ["400x400", "408x400"])
    def test_a_shape_within_3_percent_of_one_that_has_a_row_is_not_wanted_again(
        self, image, why, fields, slot
    ):
        shown(image)
        if fields.get("purchase") == Purchase.REQUESTED:
            fields = {**fields, "request": request(image)}
        recomposition(image, slot, **fields)
        repairs.run()
        assert Recomposition.objects.count() == 1

    @pytest.mark.parametrize(
        ("slot", "recipe"),
        [("416x400", ""), ("400x400", "portrait")],
        ids=["another shape", "another recipe"],
    )
    def test_a_row_of_something_else_does_not_count(self, image, slot, recipe):
        shown(image)
        recomposition(image, slot, recipe)
        assert found()["WANTED"] == 1

    def test_a_row_of_an_earlier_file_does_not_count(self, image):
        row = recomposition(image, purchase=Purchase.IDLE)
        row.update_if(where={}, source_hash="earlier")
        shown(image)
        assert found()["WANTED"] == 1

    @pytest.mark.parametrize("setting", [{"API_KEY": ""}, {"AUTO_GENERATE": False}])
    def test_nothing_is_wanted_where_templates_note_nothing(self, image, settings, setting):
        shown(image)
        set_ours(settings, **setting)
        assert "WANTED" not in found()

    def test_specs_that_are_not_ours_or_no_longer_valid_are_skipped(self, image, settings):
        shown(image, "fill-400x400")
        shown(image, "smartresize-hero")
        set_ours(settings, PRESETS={})
        assert found() == {}
        assert image.renditions.count() == 2

    def test_a_blank_hash_is_filled_in_first(self, image):
        shown(image)
        file_hash = image.file_hash
        get_image_model().objects.update(file_hash="")
        assert found() == {"HASHES": 1, "WANTED": 1}
        assert fresh(image).file_hash == Recomposition.objects.get().source_hash == file_hash

    def test_images_that_have_nothing_of_ours_are_not_read_for_their_hash(self, image):
        get_image_model().objects.update(file_hash="")
        shown(image, "fill-400x400")
        assert found() == {}
        assert fresh(image).file_hash == ""

    def test_an_image_without_its_file_stops_no_other(self, image):
        broken = plain_image()
        shown(broken)
        shown(image)
        get_image_model().objects.update(file_hash="")
        default_storage.delete(broken.file.name)
        assert found()["HASHES"] == 1
        assert fresh(image).file_hash

    def test_what_was_noted_in_memory_is_written_first(self, image):
        process_cache.reset()
        fresh(image).get_rendition(SPEC)
        assert found() == {}
        assert Recomposition.objects.get().wanted_by == "template"


@both_forms
class TestRetirement:
    @pytest.fixture
    def image(self):
        """An image whose crop gave way to a recomposition."""
        image = plain_image()
        shown(image)
        live(image)
        return image

    @pytest.fixture
    def crop(self, image):
        return image.renditions.get(focal_point_key=self.key_of_crop())

    @staticmethod
    def key_of_crop():
        other = plain_image()
        return shown(other).focal_point_key

    def noted(self, days):
        """The crop was first seen off its key so many days ago."""
        repairs.run()
        RetiredRendition.objects.update(first_seen_at=days_ago(days))

    def test_a_rendition_off_its_key_is_noted_and_its_url_goes_on_answering(self, image, crop):
        assert found()["RETIRED"] == 1
        assert RetiredRendition.objects.get().rendition_id == str(crop.pk)
        assert image.renditions.count() == 2
        assert default_storage.exists(crop.file.name)

    def test_it_is_noted_once(self, image, crop):
        self.noted(days=3)
        seen = RetiredRendition.objects.get().first_seen_at
        assert "RETIRED" not in found()
        assert RetiredRendition.objects.get().first_seen_at == seen

    def test_row_and_file_go_when_the_days_are_over(self, image, crop):
        self.noted(days=7.1)
        assert found() == {"DELETED": 1}
        assert image.renditions.count() == 1
        assert not default_storage.exists(crop.file.name)
        assert not RetiredRendition.objects.exists()
        assert near(colour_of(shown(image)), BLUE)

    def test_they_stay_until_then(self, image, crop):
        self.noted(days=6.9)
        assert found() == {}
        assert default_storage.exists(crop.file.name)

    def test_with_no_days_to_keep_it_goes_with_the_run_after_the_one_that_saw_it(
        self, image, crop, settings
    ):
        set_ours(settings, KEEP_RETIRED_DAYS=0)
        assert found()["RETIRED"] == 1
        assert default_storage.exists(crop.file.name)
        assert found() == {"DELETED": 1}

    def test_one_that_is_on_its_key_again_is_noted_no_more(self, image, crop):
        self.noted(days=8)
        Recomposition.objects.get(image=image).choose(None, None)
        publish_due()
        assert found() == {"RETURNED": 1, "RETIRED": 1}
        assert RetiredRendition.objects.get().rendition_id != str(crop.pk)
        assert shown(image).pk == crop.pk

    def test_notes_about_renditions_that_are_gone_are_removed(self, image, crop):
        self.noted(days=1)
        crop.delete()
        assert found() == {"GONE": 1}
        assert not RetiredRendition.objects.exists()

    def test_renditions_of_specs_that_are_no_longer_valid_are_left_alone(self, image, settings):
        shown(image, "smartresize-hero")
        set_ours(settings, PRESETS={})
        self.noted(days=8)
        assert found()["DELETED"] == 1
        assert image.renditions.filter(filter_spec="smartresize-hero").exists()

    def test_renditions_of_other_filters_are_left_alone(self, image):
        fill = shown(image, "fill-400x400")
        get_image_model().objects.update(focal_point_x=10, focal_point_y=10)
        self.noted(days=8)
        found()
        assert image.renditions.filter(pk=fill.pk).exists()

    def test_the_crop_comes_back_under_a_key_that_never_was(self, image, crop):
        self.noted(days=8)
        repairs.run()
        Recomposition.objects.get(image=image).choose(None, None)
        publish_due()
        again = shown(image)
        assert near(colour_of(again), GOLD)
        assert again.focal_point_key != crop.focal_point_key

    def test_it_comes_back_under_its_own_key_while_it_is_there(self, image, crop):
        Recomposition.objects.get(image=image).choose(None, None)
        publish_due()
        assert shown(image).pk == crop.pk

    def test_a_candidate_comes_back_under_a_key_that_never_was(self, image):
        row = Recomposition.objects.get(image=image)
        first, second = row.live, candidate(row, "green")
        key = shown(image).focal_point_key
        row.choose(second, None)
        publish_due()
        self.noted(days=8)
        assert found()["DELETED"] == 2
        row.choose(first, None)
        publish_due()
        again = shown(image)
        assert near(colour_of(again), BLUE)
        assert again.focal_point_key != key

    def test_what_is_live_keeps_its_version_and_its_renditions(self, image, crop):
        version, rendition = ImageVersion.objects.get().live, shown(image)
        self.noted(days=8)
        repairs.run()
        ImageVersion.mark_publish_due(image.pk)
        publish_due()
        assert ImageVersion.objects.get().live == version
        assert shown(image).pk == rendition.pk

    def test_the_generation_rises_for_the_shape_alone(self, image, crop):
        self.noted(days=8)
        repairs.run()
        version = ImageVersion.objects.get()
        square, near_square, wide = (
            version.generation(shape, "")
            for shape in (
                recomposition.shape for recomposition in _rows("400x400", "408x400", "416x400")
            )
        )
        assert square > 0
        assert near_square == square
        assert wide == 0
        assert version.generation(_rows("400x400")[0].shape, "portrait") == 0

    def test_a_slot_within_3_percent_never_gets_the_key_of_its_deleted_crop(self):
        """The slot's shape is not the row's: the crop of one was deleted, the other is decided."""
        image = plain_image()
        spec = "smartresize-408x400"
        deleted = shown(image, spec)
        live(image, "400x400")
        assert near(colour_of(shown(image, spec)), BLUE)
        self.noted(days=8)
        assert found()["DELETED"] == 1
        Recomposition.objects.get().choose(None, None)
        publish_due()
        assert shown(image, spec).focal_point_key != deleted.focal_point_key

    def test_a_flip_that_is_being_prepared_meanwhile_starts_over(self, image, crop, monkeypatch):
        self.noted(days=8)
        prepare, runs = preparation.prepare, []

        def preparing(*args):
            prepare(*args)
            runs.append(args)
            if len(runs) == 1:
                assert found()["DELETED"] == 1

        monkeypatch.setattr(preparation, "prepare", preparing)
        Recomposition.objects.get(image=image).choose(None, None)
        publish_due()
        assert len(runs) == 2
        assert shown(image).focal_point_key != crop.focal_point_key

    def test_a_damaged_key_does_not_come_back_either(self, image):
        """The crop was stored under the live key: whatever is chosen, never that again."""
        row, damaged = Recomposition.objects.get(image=image), shown(image)
        chosen = row.live
        ImageVersion.note_damage(image.pk)
        publish_due()
        row.choose(None, None)
        publish_due()
        row.choose(chosen, None)
        publish_due()
        assert shown(image).focal_point_key != damaged.focal_point_key


def _rows(*slots):
    from wagtail_smart_resize.core.sizes import Slot

    return [Slot.parse(slot) for slot in slots]


@both_forms
class TestWhatIsPublished:
    def test_a_recomposition_that_is_not_published_becomes_due(self):
        image = plain_image()
        row = recomposition(image, purchase=Purchase.IDLE)
        row.update_if(where={}, live=candidate(row))
        ImageVersion.get_for(image.pk)
        assert found() == {"FLIPS": 1}
        publish_due()
        assert near(colour_of(shown(image)), BLUE)

    def test_one_that_is_published_but_recorded_no_more_becomes_due(self):
        image = plain_image()
        live(image)
        Recomposition.objects.all().delete()
        assert found()["FLIPS"] == 1
        publish_due()
        assert ImageVersion.objects.get().live == []

    @pytest.mark.parametrize("decision", [Decision.NONE, Decision.CROP])
    def test_what_agrees_is_left_alone(self, decision):
        image = plain_image()
        live(image)
        if decision:
            Recomposition.objects.get().choose(None, None)
            publish_due()
        assert found() == {}

    def test_what_is_live_for_a_replaced_file_becomes_due(self):
        image = plain_image()
        live(image)
        replace_file(image)
        assert found()["FLIPS"] == 1
        publish_due()
        assert ImageVersion.objects.get().live == []
        assert found() == {}

    def test_the_same_decision_about_another_file_becomes_due_too(self):
        image = plain_image()
        live(image)
        Recomposition.objects.get().choose(None, None)
        publish_due()
        replace_file(image)
        recomposition(fresh(image), purchase=Purchase.IDLE, decision=Decision.CROP)
        assert found()["FLIPS"] == 1
        publish_due()
        assert ImageVersion.objects.get().source_hash == fresh(image).file_hash

    def test_what_is_due_already_is_not_counted_again(self):
        image = plain_image()
        live(image)
        Recomposition.objects.get().choose(None, None)
        assert found() == {}

    def test_a_lost_version_is_rebuilt_under_a_key_that_never_was(self):
        image = plain_image()
        shown(image)
        live(image)
        key = shown(image).focal_point_key
        ImageVersion.objects.all().delete()
        process_cache.reset()
        assert found()["REBUILT"] == 1
        publish_due()
        again = shown(image)
        assert near(colour_of(again), BLUE)
        assert again.focal_point_key != key

    def test_a_rebuilt_decision_for_the_crop_has_a_key_that_never_was(self):
        image = plain_image()
        live(image)
        Recomposition.objects.get().choose(None, None)
        publish_due()
        key = shown(image).focal_point_key
        ImageVersion.objects.all().delete()
        assert found()["REBUILT"] == 1
        publish_due()
        assert shown(image).focal_point_key != key

    def test_each_rebuilt_version_is_another(self, monkeypatch):
        """Generations that were lost do not tell one loss from the next: the clock does."""
        image = plain_image()
        live(image)
        keys = set()
        for seconds in (1_800_000_000, 1_800_000_001, 1_800_000_002):
            monkeypatch.setattr(
                "wagtail_smart_resize.models.image_version.time.time", lambda s=seconds: s
            )
            ImageVersion.objects.all().delete()
            repairs.run()
            publish_due()
            keys.add(shown(image).focal_point_key)
        assert len(keys) == 3

    def test_an_image_with_nothing_live_or_decided_needs_no_version(self):
        recomposition(plain_image(), purchase=Purchase.IDLE)
        assert found() == {}
        assert not ImageVersion.objects.exists()


@both_forms
class TestPurchases:
    @pytest.fixture
    def image(self):
        return plain_image()

    def settled(self, image, **fields):
        """Repair a row whose request has ended as the fields say."""
        finished = request(image, **fields) if fields else None
        row = recomposition(image, purchase=Purchase.REQUESTED, request=finished)
        assert found() == {"STRANDED": 1}
        row.refresh_from_db()
        return row

    def test_one_whose_request_was_not_charged_is_wanted_again(self, image):
        row = self.settled(image, status=Status.FAILED, charged=Charged.NO)
        assert row.purchase == Purchase.WANTED
        assert row.next_attempt_at <= timezone.now()

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({}, "unknown"),
            ({"status": Status.DONE, "charged": Charged.YES}, "unknown"),
            ({"status": Status.UNKNOWN, "charged": Charged.UNKNOWN}, "unknown"),
            ({"status": Status.FAILED, "charged": Charged.NO, "by_person": True}, "unknown"),
            ({"status": Status.FAILED, "charged": Charged.YES, "error_code": "empty"}, "empty"),
        ],
        ids=["no request", "done", "unknown", "a person's", "charged"],
    )
    def test_any_other_fails_and_is_never_bought_again_by_itself(self, image, fields, code):
        row = self.settled(image, **fields)
        assert (row.purchase, row.failure_code) == (Purchase.FAILED, code)
        assert row.failure_detail or fields.get("error_code")
        assert found() == {}

    def test_one_whose_pictures_are_there_gets_them(self, image):
        finished = request(image, status=Status.DONE, charged=Charged.YES)
        row = recomposition(image, purchase=Purchase.REQUESTED, request=finished)
        bought = candidate(row, request=finished)
        assert found()["STRANDED"] == 1
        row.refresh_from_db()
        assert (row.purchase, row.live) == (Purchase.IDLE, bought)

    @pytest.mark.parametrize("status", GatewayRequest.UNFINISHED)
    def test_one_whose_request_is_under_way_is_left_alone(self, image, status):
        recomposition(image, purchase=Purchase.REQUESTED, request=request(image, status=status))
        assert found() == {}

    @pytest.mark.parametrize(
        ("why", "status", "stored", "left"),
        [
            ("the request has ended", Status.DONE, False, 0),
            ("the request failed", Status.FAILED, False, 0),
            ("its file is being stored", Status.FETCHING, False, 1),
            ("its file is stored", Status.DONE, True, 1),
        ],
    )
    def test_candidates_without_a_file_go(self, image, why, status, stored, left):
        row = recomposition(image, purchase=Purchase.IDLE)
        each = candidate(row, request=request(image, status=status))
        each.update_if(where={}, stored=stored)
        assert found().get("UNSTORED", 0) == 1 - left
        assert Candidate.objects.count() == left
        assert default_storage.exists(each.file.name) == bool(left)

    @pytest.mark.parametrize(("hours", "left"), [(0.5, 1), (2, 0)])
    def test_without_any_request_they_go_after_an_hour(self, image, hours, left):
        each = candidate(recomposition(image, purchase=Purchase.IDLE))
        created = timezone.now() - dt.timedelta(hours=hours)
        each.update_if(where={}, stored=False, created_at=created)
        repairs.run()
        assert Candidate.objects.count() == left


@both_forms
class TestReplacedFiles:
    @pytest.fixture
    def image(self):
        image = plain_image()
        chosen = live(image)
        request(image, status=Status.DONE, charged=Charged.YES)
        replace_file(image)
        image.chosen = chosen
        return image

    @staticmethod
    def end_of_days(days):
        Recomposition.objects.update(replaced_at=F("replaced_at") - dt.timedelta(days=days))

    def test_its_rows_stay_as_long_as_retired_renditions_do(self, image):
        assert found()["REPLACED"] == 1
        self.end_of_days(6.9)
        publish_due()
        assert found() == {}
        assert default_storage.exists(image.chosen.file.name)

    def test_then_they_go_with_their_files_and_the_ledger_stays(self, image):
        repairs.run()
        publish_due()
        self.end_of_days(7.1)
        assert found() == {"TIDIED": 1}
        assert not Recomposition.objects.exists()
        assert not default_storage.exists(image.chosen.file.name)
        assert GatewayRequest.objects.count() == 1

    def test_they_stay_while_the_storage_deletes_nothing(self, image, monkeypatch):
        repairs.run()
        publish_due()
        self.end_of_days(7.1)

        def refused(self, name):
            raise OSError("read-only")

        with monkeypatch.context() as patch:
            patch.setattr(FileSystemStorage, "delete", refused)
            assert repairs.run().failed == 1
        assert Recomposition.objects.exists()
        assert found() == {"TIDIED": 1}
        assert not default_storage.exists(image.chosen.file.name)

    def test_they_stay_if_the_file_comes_back(self, image):
        repairs.run()
        row = Recomposition.objects.get()
        save(image, file=image.file.name, file_hash=row.source_hash)
        self.end_of_days(8)
        assert found()["RESTORED"] == 1
        row.refresh_from_db()
        assert row.replaced_at is None
        assert "TIDIED" not in found()

    def test_they_stay_while_a_request_is_under_way(self, image):
        under_way = request(image, status=Status.SENT)
        Recomposition.objects.update(purchase=Purchase.REQUESTED, request=under_way)
        assert "REPLACED" not in found(dry_run=True)
        assert "REPLACED" not in found()

    def test_rows_of_the_present_file_stay(self, image):
        repairs.run()
        present = recomposition(fresh(image), purchase=Purchase.IDLE)
        self.end_of_days(8)
        repairs.run()
        assert [row.pk for row in Recomposition.objects.all()] == [present.pk]


#: Reasons to wait that the repair finds to have ended, by one look at the reason.
REASONS_SEEN_TO_END = (
    "private",
    "opted_out",
    "no_key",
    "automatic_off",
    "budget",
    "circuit_open",
)
#: Reasons whose end only a look at each row tells, and why no run need look at each in an hour.
REASONS_THAT_END_ELSEWHERE = {
    "refused_by_site": "the row is assessed again an hour later, since `ALLOW` tells of no change",
    "small_slot": "other settings lead to a whole reading",
    "enough_kept": "other settings lead to a whole reading",
    "hopeless_shape": "other settings lead to a whole reading",
    "not_published": "the page's publication wakes the row",
}
REASONS_THAT_END = (*REASONS_SEEN_TO_END, *REASONS_THAT_END_ELSEWHERE)


@both_forms
class TestWaiting:
    """Each thing that changes lets go on what waited for it, and nothing else."""

    @pytest.fixture
    def image(self):
        return plain_image()

    @staticmethod
    def waiting(image, reason, slot="400x400", **fields):
        values = {
            "waiting_reason": reason,
            "next_attempt_at": timezone.now() + dt.timedelta(days=1),
        }
        return recomposition(image, slot, **{**values, **fields})

    def woken(self, row):
        counts = found()
        row.refresh_from_db()
        due = Recomposition.objects.due(timezone.now()).filter(pk=row.pk).exists()
        assert due == (row.waiting_reason == "") == bool(counts.get("WOKEN"))
        return due

    @pytest.mark.parametrize(
        "reason",
        [
            *REASONS_SEEN_TO_END,
            *(
                pytest.param(reason, marks=whole_reading_alone(why))
                for reason, why in REASONS_THAT_END_ELSEWHERE.items()
            ),
        ],
    )
    def test_what_is_allowed_now_goes_on(self, image, reason):
        assert self.woken(self.waiting(image, reason))

    def test_what_waits_for_nothing_and_has_no_next_attempt_goes_on(self, image):
        assert self.woken(self.waiting(image, "", next_attempt_at=None))

    def forbid(self, reason, image, settings):
        """Make the reason true of the image."""
        if reason == "private":
            root = Collection.get_first_root_node()
            CollectionViewRestriction.objects.create(collection=root, restriction_type="login")
        elif reason == "opted_out":
            OptOut.objects.create(image=image)
        elif reason == "budget":
            for period in BudgetPeriod.periods(timezone.now().date()):
                BudgetPeriod.objects.create(period=period, outputs=50)
        elif reason == "circuit_open":
            PipelineState.get_current().open_circuit("no_balance", "", timezone.now())
        elif reason == "not_published":
            root = root_page()
            root.add_child(instance=PicturePage(title="Draft", photo=image, live=False))
        else:
            set_ours(settings, **FORBIDDING[reason])

    @pytest.mark.parametrize("reason", REASONS_THAT_END)
    def test_what_is_still_forbidden_waits_with_its_reason(self, image, settings, reason):
        self.forbid(reason, image, settings)
        row = self.waiting(image, reason, "800x100" if reason == "hopeless_shape" else "400x400")
        assert not self.woken(row)
        assert found() == {}

    @whole_reading_alone("only the reason that editors read is another: the row waits all the same")
    @pytest.mark.parametrize("reason", ["private", "opted_out", "budget", "circuit_open"])
    def test_what_waits_for_another_reason_now_says_so(self, image, settings, reason):
        self.forbid(reason, image, settings)
        row = self.waiting(image, "not_published")
        assert found() == {"WAITING": 1}
        row.refresh_from_db()
        assert row.waiting_reason == reason

    @pytest.mark.parametrize("reason", ["animated", "transparent"])
    def test_what_only_the_opened_file_tells_is_not_asked_again(self, image, reason):
        assert not self.woken(self.waiting(image, reason, next_attempt_at=None))

    def test_a_picture_that_its_exif_data_turn_is_not_opened_again_and_again(self, settings):
        """The database says 800x600, the opened file 600x800: there the crop keeps enough."""
        row = self.waiting(plain_image(800, 600), "enough_kept", "600x800")
        assert not self.woken(row)
        set_ours(settings, MIN_CROP_LOSS=0.0)
        assert self.woken(row)

    def test_what_was_decided_meanwhile_waits_for_nothing(self, image):
        row = self.waiting(image, "budget", decision=Decision.CROP)
        ImageVersion.mark_publish_due(image.pk)
        assert "WOKEN" not in found()
        row.refresh_from_db()
        assert row.waiting_reason == "budget"

    def test_a_recipe_that_was_removed_waits_on(self, image):
        assert not self.woken(self.waiting(image, "unknown_recipe", recipe="removed"))

    def test_a_file_is_opened_for_none_of_it(self, image):
        row = self.waiting(image, "private")
        default_storage.delete(image.file.name)
        assert self.woken(row)

    def test_many_images_take_as_many_queries_as_a_few(self):
        def queries(count):
            for _ in range(count):
                image = plain_image(100, 80)
                self.waiting(image, "small_slot", "60x60")
                shown(image, "smartresize-60x60")
            found()
            with CaptureQueriesContext(connection) as captured:
                assert found() == {}
            return len(captured)

        assert queries(2) == queries(8)


def refuse(image, **_kwargs):
    return False


FORBIDDING = {
    "refused_by_site": {"ALLOW": f"{__name__}.refuse"},
    "small_slot": {"MIN_SLOT_SIDE": 500},
    "enough_kept": {"MIN_CROP_LOSS": 0.5},
    "hopeless_shape": {},
    "no_key": {"API_KEY": ""},
    "automatic_off": {"AUTO_GENERATE": False},
}


@pytest.mark.django_db(transaction=True)
class TestPublishingAPage:
    @pytest.fixture
    def image(self):
        return plain_image()

    @staticmethod
    def waiting(image, reason="not_published"):
        return recomposition(image, waiting_reason=reason, wanted_by="preview")

    @staticmethod
    def publish(page):
        root_page().add_child(instance=page)
        page.save_revision().publish()

    @staticmethod
    def is_due(row):
        row.refresh_from_db()
        return row.next_attempt_at is not None and row.waiting_reason == ""

    def test_what_waited_for_it_is_due(self, image):
        row = self.waiting(image)
        self.publish(PicturePage(title="A page", photo=image, live=False))
        assert self.is_due(row)

    def test_through_a_snippet_too(self, image):
        row = self.waiting(image)
        person = Person.objects.create(name="Ada", portrait=image)
        self.publish(PersonPage(title="A page", person=person, live=False))
        assert self.is_due(row)

    @pytest.mark.parametrize("reason", ["private", "small_slot", "budget"])
    def test_what_waits_for_something_else_waits_on(self, image, reason):
        row = self.waiting(image, reason)
        self.publish(PicturePage(title="A page", photo=image, live=False))
        assert not self.is_due(row)

    def test_another_image_waits_on(self, image):
        row = self.waiting(image)
        self.publish(PicturePage(title="A page", photo=plain_image(), live=False))
        assert not self.is_due(row)

    def test_saving_a_draft_lets_nothing_go_on(self, image):
        row = self.waiting(image)
        page = PicturePage(title="A page", photo=image, live=False)
        root_page().add_child(instance=page)
        page.save_revision()
        assert not self.is_due(row)

    def test_trouble_of_ours_does_not_reach_the_editor(self, image, monkeypatch, caplog):
        monkeypatch.setattr(page_events, "images_shown_by", lambda page: 1 / 0)
        page = PicturePage(title="A page", photo=image, live=False)
        self.publish(page)
        page.refresh_from_db()
        assert page.live
        assert "Can't look again" in caplog.text

    def test_a_page_without_pictures_shows_none(self):
        page = PicturePage(title="A page")
        root_page().add_child(instance=page)
        assert images_shown_by(page) == set()


class TestMovingTheFocalArea:
    @staticmethod
    def area(image, width, height):
        image.focal_point_x, image.focal_point_y = 600, 400
        image.focal_point_width, image.focal_point_height = width, height
        image.save()

    @pytest.fixture
    def row(self):
        image = plain_image(1200, 800)
        self.area(image, 200, 200)
        return recomposition(image, "400x400", waiting_reason="subject_kept")

    def test_what_keeps_the_subject_waits_on(self, row):
        repairs.run()
        row.refresh_from_db()
        assert row.waiting_reason == "subject_kept"

    def test_what_cuts_it_from_now_on_is_due(self, row):
        self.area(row.image, 1200, 200)
        repairs.run()
        row.refresh_from_db()
        assert (row.waiting_reason, row.next_attempt_at is not None) == ("", True)

    def test_and_waits_again_for_a_subject_that_is_kept(self, row):
        self.area(row.image, 1200, 200)
        repairs.run()
        self.area(row.image, 100, 100)
        row.refresh_from_db()
        row.wait("not_published")
        repairs.run()
        row.refresh_from_db()
        assert row.waiting_reason == "subject_kept"


class TestRuns:
    def test_one_runner_an_hour_repairs(self):
        state, other = PipelineState.get_current(), PipelineState.get_current()
        assert repairs.next_repair_at(state) <= timezone.now()
        assert repairs.run_if_due(state)
        assert not repairs.run_if_due(other)
        assert repairs.next_repair_at(state) == repairs.next_repair_at(other) > timezone.now()

    @pytest.mark.parametrize(("minutes", "runs"), [(59, False), (61, True)])
    def test_it_does_so_every_hour(self, minutes, runs):
        state = PipelineState.get_current()
        state.update_if(where={}, last_repair_at=timezone.now() - dt.timedelta(minutes=minutes))
        shown(plain_image())
        assert repairs.run_if_due(state) == Recomposition.objects.exists() == runs

    def test_a_second_run_finds_nothing(self):
        image = plain_image()
        shown(image)
        live(image)
        shown(plain_image())
        assert found()
        assert found() == {}

    def test_a_dry_run_finds_the_same_and_changes_nothing(self):
        image = plain_image()
        shown(image)
        live(image)
        shown(plain_image())
        with CaptureQueriesContext(connection) as captured:
            counts = found(dry_run=True)
        statements = {query["sql"].split()[0] for query in captured}
        assert statements == {"SELECT"}
        assert found() == counts

    def test_one_repairs_failure_stops_no_other(self, caplog):
        report = Report()
        report.settle(Finding(Repair.FLIPS, 1, lambda: 1 // 0))
        report.settle(Finding(Repair.FLIPS, 1, lambda: 1))
        assert (report.failed, report.counts[Repair.FLIPS]) == (1, 1)
        assert "A repair failed" in caplog.text

    def test_a_step_that_fails_stops_no_other(self, caplog):
        def broken():
            raise ValueError
            yield

        report = Report()
        report.take(broken)
        assert report.failed == 1
        assert "broken" in caplog.text

    def test_a_photograph_seen_before_any_run_is_bought_by_the_next_pass(self, gateway, run):
        image = photo()
        root = root_page()
        root.add_child(instance=PicturePage(title="A page", photo=image))
        shown(image)
        assert found() == {"WANTED": 1}
        run()
        assert len(gateway.requests) == 1


@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_tables_are_read_in_chunks_whatever_is_deleted_meanwhile(size):
    images = [plain_image() for _ in range(5)]
    for image in images:
        recomposition(image, "400x400")
        recomposition(image, "400x300")
    seen = []
    for ids in chunks(Recomposition.objects.all(), "image_id", size):
        assert len(ids) <= size
        seen += ids
        Recomposition.objects.filter(image_id__in=ids).delete()
    assert seen == [image.pk for image in images]
