"""What a run reads: what may have changed and a part of the rest, or all, and how it goes on."""

import datetime as dt
import signal

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from support.factories import candidate, live, plain_image, recomposition
from wagtail.images import get_image_model

from wagtail_smart_resize.models import (
    ChangedImage,
    ImageVersion,
    PipelineState,
    Recomposition,
    RetiredRendition,
)
from wagtail_smart_resize.publishing import publication
from wagtail_smart_resize.renditions import demand_notes
from wagtail_smart_resize.renditions.published_cache import process_cache
from wagtail_smart_resize.repair import looks, repairs, rounds, since, steps
from wagtail_smart_resize.repair.report import Repair

pytestmark = pytest.mark.django_db

SPEC = "smartresize-400x400"
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def no_part(monkeypatch):
    """Runs read what may have changed, and nothing of the rest."""
    repairs.run()
    monkeypatch.setattr(looks, "PART", 0)


@pytest.fixture
def read(monkeypatch):
    """The keys of the images that are read, in the order of the reading."""
    by_image, keys = steps.by_image, []

    def reading(ids, specs):
        keys.extend(ids)
        return by_image(ids, specs)

    monkeypatch.setattr(steps, "by_image", reading)
    return keys


@pytest.fixture
def chunks_of_two(monkeypatch):
    monkeypatch.setattr(rounds, "CHUNK_SIZE", 2)


def state():
    return PipelineState.get_current()


def keys(images):
    return [image.pk for image in images]


def shown(image, spec=SPEC):
    process_cache.reset()
    rendition = get_image_model().objects.get(pk=image.pk).get_rendition(spec)
    demand_notes.notes.reset()
    return rendition


def save(image, **fields):
    image = get_image_model().objects.get(pk=image.pk)
    for name, value in fields.items():
        setattr(image, name, value)
    with TestCase.captureOnCommitCallbacks(execute=True):
        image.save()


def later(**delta):
    """Let the last repairs be as long ago as this."""
    moved = dt.timedelta(**delta)
    begun = [
        [(dt.datetime.fromisoformat(at) - moved).isoformat(), key]
        for at, key in state().repairs_begun
    ]
    state().update_if(where={}, repairs_begun=begun)


def ending_after(chunks):
    """Return a `go_on` that lets so many chunks be read."""
    left = iter([True] * chunks)
    return lambda: next(left, False)


class TestWhatIsNew:
    """Each run looks at what the last ones have not seen, and with nothing new at nothing."""

    pytestmark = pytest.mark.usefixtures("no_part")

    def test_nothing_is_read_twice_when_its_time_is_over(self, read):
        shown(plain_image())
        later(hours=2)
        repairs.run()
        later(hours=3)
        repairs.run()
        read.clear()
        later(hours=3)
        repairs.run()
        assert read == []

    def test_what_is_shown_is_looked_at_again_while_a_transaction_may_be_open(self, read):
        """A key may be given before another and be seen after it."""
        image = plain_image()
        shown(image)
        for _ in range(2):
            later(minutes=20)
            repairs.run()
        assert read.count(image.pk) == 2

    def test_an_image_that_was_saved(self, read):
        image, _other = plain_image(), plain_image()
        save(image, focal_point_x=10, focal_point_y=10, focal_point_width=5, focal_point_height=5)
        repairs.run()
        assert read == [image.pk]
        repairs.run()
        assert read == [image.pk]

    @pytest.mark.parametrize(("fields", "notes"), [(["title"], 0), (["focal_point_x"], 1)])
    def test_a_save_is_noted_if_it_may_matter(self, fields, notes):
        image = plain_image()
        with TestCase.captureOnCommitCallbacks(execute=True):
            image.save(update_fields=fields)
        assert ChangedImage.objects.count() == notes

    def test_a_new_image_costs_no_note(self):
        with TestCase.captureOnCommitCallbacks(execute=True):
            plain_image()
        assert not ChangedImage.objects.exists()

    def test_a_change_during_the_run_is_looked_at_by_the_next(self, read, monkeypatch):
        image = plain_image()
        save(image, title="A")
        by_image = steps.by_image

        def changing(ids, specs):
            monkeypatch.setattr(steps, "by_image", by_image)
            save(image, title="B")
            return by_image(ids, specs)

        monkeypatch.setattr(steps, "by_image", changing)
        repairs.run()
        repairs.run()
        assert read == [image.pk, image.pk]

    def test_notes_of_images_that_are_gone_or_of_another_model_are_forgotten(self, read):
        ChangedImage.note([123456, "no-such-key"])
        assert not repairs.run().failed
        assert not ChangedImage.objects.exists()

    def test_a_focal_point_that_moved_retires_renditions(self):
        image = plain_image()
        shown(image, "smartresize-400x300-c50")
        later(hours=3)
        repairs.run()
        later(hours=3)
        save(image, focal_point_x=10, focal_point_y=10, focal_point_width=5, focal_point_height=5)
        assert repairs.run().counts[Repair.RETIRED] == 1

    def test_what_went_live_retires_renditions(self):
        image = plain_image()
        shown(image)
        repairs.run()
        later(hours=3)
        Recomposition.objects.all().delete()
        live(image)
        assert repairs.run().counts[Repair.RETIRED] == 1

    def test_what_is_due_to_be_deleted(self, read):
        image = plain_image()
        row = recomposition(image, purchase="idle")
        row.update_if(where={}, source_hash="other", replaced_at=timezone.now() - 8 * 24 * HOUR)
        assert repairs.run().counts[Repair.TIDIED] == 1

    def test_notes_about_deleted_renditions_when_they_would_have_been_deleted(self):
        image = plain_image()
        RetiredRendition.objects.create(image=image, rendition_id="123456")
        assert not repairs.run().counts
        RetiredRendition.objects.update(first_seen_at=timezone.now() - 8 * 24 * HOUR)
        assert repairs.run().counts[Repair.GONE] == 1

    def test_what_failed(self, read, monkeypatch):
        image = plain_image()
        shown(image)
        with monkeypatch.context() as patch:
            patch.setattr("wagtail_smart_resize.purchasing.demand.record_demand", None)
            assert repairs.run().failed == 1
        later(hours=3)
        state().update_if(where={}, repairs_begun=[state().repairs_begun[-1]])
        assert repairs.run().counts[Repair.WANTED] == 1
        assert not ChangedImage.objects.exists()

    @pytest.mark.parametrize(
        "setting", [{"PRESETS": {"other": {"size": "300x300"}}}, {"MIN_SLOT_SIDE": 200}]
    )
    def test_other_settings_lead_to_a_whole_reading(self, read, settings, setting):
        images = [plain_image() for _ in range(3)]
        settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, **setting}
        repairs.run()
        assert read == keys(images)
        repairs.run()
        assert read == keys(images)

    def test_so_does_another_release(self, read, monkeypatch):
        image = plain_image()
        monkeypatch.setattr("wagtail_smart_resize.__version__", "9.9")
        repairs.run()
        assert read == [image.pk]

    def test_so_do_tables_that_are_older_than_the_state(self, read):
        """Restored from a backup, for example: keys that were seen are given anew."""
        image = plain_image()
        begun = [[timezone.now().isoformat(), 1_000_000]]
        state().update_if(where={}, repairs_begun=begun)
        repairs.run()
        assert read == [image.pk]
        repairs.run()
        assert read == [image.pk]

    def test_so_does_a_state_that_is_gone(self, read):
        image = plain_image()
        PipelineState.objects.all().delete()
        repairs.run()
        assert read == [image.pk]

    def test_so_do_renditions_whose_keys_are_no_numbers(self, read, monkeypatch):
        image = plain_image()
        shown(image)
        monkeypatch.setattr(since, "renditions_are_numbered", lambda: False)
        monkeypatch.setattr("wagtail_smart_resize.repair.changes.renditions_are_numbered", bool)
        for _ in range(2):
            read.clear()
            repairs.run()
            assert read == [image.pk]

    def test_repairs_in_the_future_count_for_nothing(self):
        later(hours=-30)
        image = plain_image()
        shown(image)
        assert repairs.run().counts[Repair.WANTED] == 1
        assert state().repairs_begun[0][0] <= timezone.now().isoformat()

    def test_many_runs_leave_few_begins(self):
        for _ in range(30):
            repairs.run()
            later(minutes=5)
        assert len(state().repairs_begun) < 10

    def test_a_run_with_nothing_to_do_makes_as_many_queries_whatever_there_is(self):
        def queries(count):
            for _ in range(count):
                image = plain_image(100, 80)
                waiting = {
                    "waiting_reason": "small_slot",
                    "next_attempt_at": timezone.now() + HOUR,
                }
                recomposition(image, "60x60", **waiting)
                shown(image, "smartresize-60x60")
                row = recomposition(image, "90x60", purchase="idle")
                row.update_if(where={}, live=candidate(row))
                ImageVersion.mark_publish_due(image.pk)
                publication.publish(image.pk)
            ImageVersion.objects.update(published_at=timezone.now() - 24 * HOUR)
            row.candidates.model.objects.update(created_at=timezone.now() - 24 * HOUR)
            repairs.run()
            later(hours=3)
            repairs.run()
            later(hours=3)
            with CaptureQueriesContext(connection) as captured:
                assert not repairs.run().counts
            return len(captured)

        assert queries(5) == queries(60)


class TestTheReadingOfAll:
    pytestmark = pytest.mark.usefixtures("chunks_of_two")

    @pytest.fixture
    def images(self):
        repairs.run()
        return [plain_image() for _ in range(7)]

    def test_a_first_run_reads_everything(self, read):
        images = [plain_image() for _ in range(7)]
        repairs.run()
        assert read == keys(images)
        assert state().read_wholly_at is not None

    def test_a_first_run_that_was_ended_goes_on_whole(self, read, monkeypatch):
        images = [plain_image() for _ in range(7)]
        monkeypatch.setattr(looks, "PART", 0)
        repairs.run(go_on=ending_after(2))
        assert state().read_wholly_at is None
        assert len(read) < 7
        repairs.run()
        assert read == keys(images)
        repairs.run()
        assert read == keys(images)

    def test_each_run_reads_a_part_and_all_begins_anew(self, images, read, monkeypatch):
        monkeypatch.setattr(looks, "PART", 3)
        for _ in range(3):
            repairs.run()
        assert read == keys(images)
        before = state().read_wholly_at
        repairs.run()
        assert read[7:] == keys(images[:3])
        assert before is not None

    def test_it_finds_what_nothing_tells(self, images, monkeypatch):
        monkeypatch.setattr(looks, "PART", 3)
        row = recomposition(images[5], purchase="idle")
        Recomposition.objects.update(source_hash="other")
        counts = [repairs.run().counts[Repair.REPLACED] for _ in range(3)]
        assert counts == [0, 1, 0]
        row.refresh_from_db()
        assert row.replaced_at is not None

    def test_each_image_is_read_once_whatever_is_added_and_deleted_meanwhile(
        self, images, read, monkeypatch
    ):
        monkeypatch.setattr(looks, "PART", 2)
        repairs.run()
        images[1].delete()
        images[2].delete()
        images.append(plain_image())
        for _ in range(3):
            repairs.run()
        assert read == [*keys(images[:1]), read[1], *keys(images[3:])]
        assert state().reading_after == ""

    def test_on_request_it_is_made_from_the_begin(self, images, read, monkeypatch):
        monkeypatch.setattr(looks, "PART", 3)
        repairs.run()
        read.clear()
        repairs.run(whole=True)
        assert read == keys(images)
        assert state().reading_asked_at is None

    def test_one_that_was_ended_goes_on(self, images, read, monkeypatch):
        monkeypatch.setattr(looks, "PART", 0)
        repairs.run(whole=True, go_on=ending_after(3))
        assert 0 < len(read) < 7
        assert state().reading_asked_at is not None
        repairs.run()
        assert len(read) < 7
        repairs.run(whole=True)
        assert read == keys(images)
        assert state().reading_asked_at is None

    def test_what_changes_behind_it_meanwhile_is_looked_at(self, images, read):
        repairs.run(whole=True, go_on=ending_after(3))
        save(images[0], title="New")
        repairs.run(whole=True)
        assert read.count(images[0].pk) == 2

    def test_two_at_once_share_the_work(self, images, read, monkeypatch):
        by_image, nested = steps.by_image, []

        def racing(ids, specs):
            if not nested:
                nested.append(True)
                repairs.run(whole=True)
            return by_image(ids, specs)

        monkeypatch.setattr(steps, "by_image", racing)
        repairs.run(whole=True)
        assert sorted(set(read)) == keys(images)
        assert len(read) <= 9
        assert (state().reading_after, state().reading_asked_at) == ("", None)

    @pytest.mark.parametrize("whole", [True, False])
    def test_a_dry_run_moves_nothing(self, images, monkeypatch, whole):
        monkeypatch.setattr(looks, "PART", 3)
        repairs.run()
        save(images[0], title="New")
        before = PipelineState.objects.values().get()
        with CaptureQueriesContext(connection) as captured:
            repairs.run(dry_run=True, whole=whole)
        assert {query["sql"].split()[0] for query in captured} == {"SELECT"}
        assert PipelineState.objects.values().get() == before
        assert ChangedImage.objects.count() == 1

    @pytest.mark.parametrize("whole", [True, False])
    def test_a_dry_run_counts_nothing_twice(self, whole):
        image = plain_image()
        shown(image)
        repairs.run()
        Recomposition.objects.all().delete()
        save(image, title="New")
        assert repairs.run(dry_run=True, whole=whole).counts[Repair.WANTED] == 1

    def test_it_tells_how_far_it_has_come(self, images):
        told = []
        repairs.run(whole=True, go_on=ending_after(3), show=lambda *each: told.append(each))
        repairs.run(whole=True, show=lambda *each: told.append(each))
        assert [total for _read, total in told] == [7] * len(told)
        assert [read for read, _total in told] == [2, 4, 6, 7]

    def test_a_runner_that_is_stopped_leaves_the_rest_to_the_next(self, images, read, monkeypatch):
        current = state()
        current.update_if(where={}, last_repair_at=None, read_wholly_at=None)
        assert repairs.run_if_due(current, ending_after(2))
        assert len(read) < 7
        assert repairs.next_repair_at(state()) <= timezone.now()
        assert repairs.run_if_due(state())
        assert read == keys(images)


class TestTheCommand:
    @pytest.fixture(autouse=True)
    def images(self):
        return [plain_image() for _ in range(3)]

    @pytest.mark.parametrize(
        ("options", "is_terminal", "tells"),
        [
            (["--all"], True, True),
            (["--all"], False, False),
            (["--all", "--json"], True, False),
            (["--all", "--verbosity=0"], True, False),
            ([], True, False),
        ],
    )
    def test_progress_is_for_terminals(self, capsys, monkeypatch, options, is_terminal, tells):
        monkeypatch.setattr("sys.stdout.isatty", lambda: is_terminal, raising=False)
        call_command("smart_resize_sync", *options)
        assert ("3 of 3 images read" in capsys.readouterr().out) == tells

    def test_all_reads_all(self, read, images, monkeypatch):
        call_command("smart_resize_sync", verbosity=0)
        monkeypatch.setattr(looks, "PART", 0)
        read.clear()
        call_command("smart_resize_sync", verbosity=0)
        assert read == []
        call_command("smart_resize_sync", "--all", verbosity=0)
        assert read == keys(images)

    def test_a_signal_ends_it_and_the_next_goes_on(
        self, read, images, monkeypatch, capsys, chunks_of_two
    ):
        call_command("smart_resize_sync", verbosity=0)
        read.clear()
        by_image = steps.by_image

        def interrupted(ids, specs):
            monkeypatch.setattr(steps, "by_image", by_image)
            signal.raise_signal(signal.SIGTERM)
            return by_image(ids, specs)

        monkeypatch.setattr(steps, "by_image", interrupted)
        with pytest.raises(SystemExit) as ended:
            call_command("smart_resize_sync", "--all")
        assert ended.value.code == 143
        assert "the next run with --all goes on" in capsys.readouterr().err
        assert read == keys(images[:2])
        call_command("smart_resize_sync", "--all", verbosity=0)
        assert read == keys(images)
