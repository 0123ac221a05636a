"""DESIGN's seam: what a process knows of what is live, and how its images show it."""

import asyncio
import copy
import os
import pickle
import threading
import time
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from support.factories import (
    candidate,
    colour_of,
    live,
    photo,
    plain_image,
    recomposition,
    rolled_back,
)
from support.waiting import join
from wagtail.images import get_image_model
from wagtail.images.models import Image

from wagtail_smart_resize.models import ImageVersion, PublicationCounter
from wagtail_smart_resize.models.image_version import PublicationCounterQuerySet
from wagtail_smart_resize.publishing import publication
from wagtail_smart_resize.renditions import demand_notes, published_cache
from wagtail_smart_resize.renditions.published import (
    NOTHING_PUBLISHED,
    PublishedEntry,
    PublishedState,
)
from wagtail_smart_resize.renditions.published_cache import PublishedCache, process_cache

BLUE, GREEN, GOLD = (70, 130, 180), (0, 128, 0), (255, 215, 0)
SPEC = "smartresize-400x400"


def near(colour, other):
    return all(abs(a - b) < 12 for a, b in zip(colour, other, strict=True))


def fresh(image):
    return get_image_model().objects.get(pk=image.pk)


def shown(image, spec=SPEC):
    return colour_of(fresh(image).get_rendition(spec))


def flips_since(image, colour="green"):
    """Another candidate goes live, in another process: this one's memory is not told."""
    row = image.smart_resize_recompositions.get()
    row.update_if(where={}, live=candidate(row, colour))
    ImageVersion.mark_publish_due(image.pk)
    told, process_cache.flipped = process_cache.flipped, lambda using: None
    try:
        publication.publish(image.pk)
    finally:
        process_cache.flipped = told


def later():
    """Two seconds on: the next render looks again."""
    process_cache.next_refresh = 0.0


class TestPinning:
    pytestmark = pytest.mark.django_db(transaction=True)

    def test_is_live_without_a_query_once_known(self, django_assert_num_queries):
        image = plain_image()
        live(image)
        assert fresh(image).smart_resize.entries
        again = fresh(image)
        with django_assert_num_queries(0):
            assert again.smart_resize.entries

    def test_stays_what_the_instance_first_saw(self):
        image = plain_image()
        live(image)
        first = fresh(image)
        before = first.smart_resize
        flips_since(image)
        later()
        assert first.smart_resize is before
        assert fresh(image).smart_resize.entries != before.entries

    def test_refresh_from_db_asks_anew(self):
        image = plain_image()
        live(image)
        first = fresh(image)
        before = first.smart_resize
        flips_since(image)
        later()
        first.refresh_from_db()
        assert first.smart_resize.entries != before.entries

    @pytest.mark.parametrize("carry", [copy.deepcopy, lambda i: pickle.loads(pickle.dumps(i))])
    def test_a_copied_or_cached_image_asks_anew(self, carry):
        image = plain_image()
        live(image)
        first = fresh(image)
        before = first.smart_resize
        flips_since(image)
        later()
        assert carry(first).smart_resize.entries != before.entries

    def test_a_cached_image_can_be_read_without_this_app(self):
        """Wagtail caches the image with its renditions, those of other filters too."""
        image = plain_image()
        live(image)
        assert image.smart_resize.entries
        assert b"wagtail_smart_resize" not in pickle.dumps(image)

    @pytest.mark.parametrize("related", ["select_related", "prefetch_related"])
    def test_rows_that_django_loads_are_not_taken_for_what_is_live(self, related):
        image = plain_image()
        live(image)
        loaded = getattr(get_image_model().objects, related)("smart_resize").get(pk=image.pk)
        assert isinstance(loaded.smart_resize, PublishedState)
        assert near(colour_of(loaded.get_rendition(SPEC)), BLUE)

    def test_counts_only_for_the_file_that_it_was_made_from(self):
        image = plain_image()
        live(image)
        other = fresh(image)
        other.file_hash = "another"
        assert other.smart_resize is NOTHING_PUBLISHED
        blank = fresh(image)
        blank.file_hash = ""
        assert blank.smart_resize is NOTHING_PUBLISHED

    def test_an_image_of_another_model_has_none(self):
        if not issubclass(get_image_model(), Image) or get_image_model() is Image:
            assert getattr(object(), "smart_resize", NOTHING_PUBLISHED) is NOTHING_PUBLISHED
            return
        image = plain_image()
        live(image)
        parent = Image.objects.get(pk=image.pk)
        assert getattr(parent, "smart_resize", NOTHING_PUBLISHED) is NOTHING_PUBLISHED
        assert near(colour_of(parent.get_rendition(SPEC)), GOLD)
        assert not demand_notes.notes

    def test_an_error_of_ours_leaves_the_crop(self, monkeypatch, caplog):
        image = plain_image()
        live(image)

        def broken(*_args):
            raise RuntimeError("bug")

        monkeypatch.setattr(process_cache, "live", broken)
        assert near(shown(image), GOLD)
        assert "Can't tell what is live" in caplog.text


class TestKeys:
    pytestmark = pytest.mark.django_db

    def test_going_live_gives_that_shape_a_new_file_and_leaves_the_others_theirs(self):
        image = plain_image()
        specs = [SPEC, "smartresize-300x150", "smartresize-200x200"]
        before = [fresh(image).get_rendition(spec).url for spec in specs]
        live(image)
        after = [fresh(image).get_rendition(spec).url for spec in specs]
        changed = [old != new for old, new in zip(before, after, strict=True)]
        assert changed == [True, False, True]

    def test_another_recipe_of_the_same_shape_keeps_its_own(self):
        image = plain_image(1600, 1200)
        before = fresh(image).get_rendition("smartresize-portrait").url
        live(image, "400x500")
        assert fresh(image).get_rendition("smartresize-portrait").url == before
        assert near(shown(image, "smartresize-400x500"), BLUE)

    def test_shapes_within_three_per_cent_share_what_is_live(self):
        image = plain_image()
        live(image, "400x220")
        assert near(shown(image, "smartresize-600x338"), BLUE)
        assert near(shown(image, "smartresize-600x360"), GOLD)

    def test_the_nearest_shape_serves(self):
        image = plain_image()
        live(image, "400x220", colour="steelblue")
        live(image, "600x338", colour="green")
        assert near(shown(image, "smartresize-400x221"), BLUE)
        assert near(shown(image, "smartresize-601x338"), GREEN)

    def test_the_old_row_and_file_stay(self):
        image = plain_image()
        old = fresh(image).get_rendition(SPEC)
        live(image)
        old.refresh_from_db()
        assert old.file.storage.exists(old.file.name)

    def test_going_back_to_the_crop_renders_nothing(self, monkeypatch):
        image = plain_image()
        old = fresh(image).get_rendition(SPEC)
        live(image)
        fresh(image).get_rendition(SPEC)
        count = image.renditions.count()
        image.smart_resize_recompositions.get().choose(None, None)
        publication.publish(image.pk)
        assert fresh(image).get_rendition(SPEC).pk == old.pk
        assert image.renditions.count() == count

    def test_the_crop_that_a_person_chose_is_not_wanted_again(self):
        image = plain_image()
        recomposition(image).choose(None, None)
        publication.publish(image.pk)
        assert near(shown(image), GOLD)
        assert not demand_notes.notes

    def test_a_filter_before_ours_keeps_its_effect(self):
        image = plain_image()
        live(image)
        rendition = fresh(image).get_rendition(f"testgrey|{SPEC}")
        red, green, blue = colour_of(rendition)
        assert red == green == blue
        assert not near((red, green, blue), GOLD)

    def test_chained_transforms_cut_the_candidate_to_their_size(self):
        image = plain_image()
        live(image)
        rendition = fresh(image).get_rendition(f"{SPEC}|width-100")
        assert (rendition.width, rendition.height) == (100, 100)
        assert near(colour_of(rendition), BLUE)

    def test_a_small_candidate_is_neither_enlarged_nor_stretched(self):
        image = plain_image(1600, 1200)
        row = recomposition(image, purchase="idle")
        row.update_if(where={}, live=candidate(row, size=(300, 300)))
        ImageVersion.mark_publish_due(image.pk)
        publication.publish(image.pk)
        rendition = fresh(image).get_rendition("smartresize-800x800")
        assert (rendition.width, rendition.height) == (300, 300)


@pytest.mark.django_db(transaction=True)
class TestFeed:
    def test_another_process_sees_a_flip_at_its_next_look(self, django_assert_num_queries):
        image = plain_image()
        live(image)
        assert near(shown(image), BLUE)
        flips_since(image)
        assert near(shown(image), BLUE)
        later()
        other = fresh(image)
        with django_assert_num_queries(2):
            other.smart_resize  # noqa: B018 - the look is the test
        assert near(shown(image), GREEN)

    def test_looks_come_every_two_seconds_at_most(self, monkeypatch, django_assert_num_queries):
        image = plain_image()
        live(image)
        clock = time.monotonic()
        monkeypatch.setattr(published_cache.time, "monotonic", lambda: clock)
        monkeypatch.setattr(process_cache, "REFRESH_SECONDS", PublishedCache.REFRESH_SECONDS)
        process_cache.reset()
        images = [fresh(image) for _ in range(3)]
        with django_assert_num_queries(1):
            assert [each.smart_resize.entries for each in images]
        clock += 1.9
        fourth, fifth = fresh(image), fresh(image)
        with django_assert_num_queries(0):
            assert fourth.smart_resize.entries
        clock += 0.2
        with django_assert_num_queries(1):
            assert fifth.smart_resize.entries

    def test_a_flip_from_a_host_with_a_wrong_clock_is_seen(self, monkeypatch):
        image = plain_image()
        live(image)
        assert near(shown(image), BLUE)
        from django.utils import timezone

        past = timezone.now() - timezone.timedelta(days=400)
        with monkeypatch.context() as patch:
            patch.setattr(timezone, "now", lambda: past)
            flips_since(image)
        later()
        assert near(shown(image), GREEN)

    def test_a_flip_that_is_rolled_back_is_forgotten_everywhere(self):
        image = plain_image()
        live(image)
        assert near(shown(image), BLUE)
        row = image.smart_resize_recompositions.get()
        with rolled_back():
            row.update_if(where={}, live=candidate(row, "green"))
            ImageVersion.mark_publish_due(image.pk)
            publication.publish(image.pk)
            later()
            assert near(shown(image), GREEN)
        later()
        assert near(shown(image), BLUE)

    def test_a_savepoint_that_is_rolled_back_is_forgotten_too(self):
        image = plain_image()
        live(image)
        row = image.smart_resize_recompositions.get()
        with transaction.atomic():
            with rolled_back():
                row.update_if(where={}, live=candidate(row, "green"))
                ImageVersion.mark_publish_due(image.pk)
                publication.publish(image.pk)
                later()
                assert near(shown(image), GREEN)
            later()
            assert near(shown(image), BLUE)
        assert near(shown(image), BLUE)

    def test_what_a_transaction_sees_joins_the_memory_when_it_commits(self):
        image = plain_image()
        live(image)
        assert near(shown(image), BLUE)
        flips_since(image)
        later()
        with transaction.atomic():
            assert near(shown(image), GREEN)
        assert near(shown(image), GREEN)

    def test_a_restored_database_is_read_again(self):
        image = plain_image()
        live(image)
        saved = ImageVersion.objects.get(pk=image.pk)
        counted = PublicationCounter.objects.current()
        flips_since(image)
        later()
        assert near(shown(image), GREEN)
        saved.save()
        PublicationCounter.objects.update(value=counted)
        later()
        assert near(shown(image), BLUE)

    @pytest.mark.parametrize("lost", [False, True], ids=["restored", "lost"])
    def test_a_counter_that_went_back_and_on_again_is_noticed(self, lost):
        """Nobody looked in between: the next number must not be one that is known."""
        image, other = plain_image(), plain_image()
        live(image)
        counted = PublicationCounter.objects.current()
        flips_since(image)
        assert near(shown(image), GREEN)
        PublicationCounter.objects.update(value=counted)
        if lost:
            PublicationCounter.objects.all().delete()
        live(other)
        later()
        assert near(shown(other), BLUE)

    def test_the_deletion_of_the_last_flipped_image_loses_nothing(self):
        image, last = plain_image(), plain_image()
        live(image)
        live(last)
        assert near(shown(last), BLUE)
        last.delete()
        flips_since(image)
        later()
        assert near(shown(image), GREEN)

    def test_a_look_that_fails_changes_nothing_that_is_known(self, monkeypatch):
        image = plain_image()
        live(image)
        assert near(shown(image), BLUE)
        later()

        def down(_self):
            raise DatabaseError("gone")

        monkeypatch.setattr(PublicationCounterQuerySet, "current", down)
        assert near(shown(image), BLUE)

    def test_a_failing_look_does_not_abort_the_visitors_transaction(self, monkeypatch):
        image = plain_image()
        live(image)
        later()

        def broken(self):
            return self.extra(where=["no_such_column = 1"]).first()

        with transaction.atomic():
            other = fresh(image)
            with monkeypatch.context() as patch:
                patch.setattr(PublicationCounterQuerySet, "current", broken)
                assert other.smart_resize is not None
            assert get_image_model().objects.filter(pk=image.pk).exists()

    def test_other_threads_go_on_while_one_looks(self):
        image = plain_image()
        live(image)
        assert fresh(image).smart_resize.entries
        later()
        with process_cache.lock:
            assert fresh(image).smart_resize.entries

    def test_a_forked_child_knows_nothing_and_holds_no_lock(self):
        image = plain_image()
        live(image)
        assert fresh(image).smart_resize.entries
        with process_cache.lock:
            pid = os.fork()
            if pid == 0:
                ok = process_cache.known is None and process_cache.lock.acquire(blocking=False)
                os._exit(0 if ok and not demand_notes.notes else 1)
        assert os.waitpid(pid, 0)[1] == 0
        assert process_cache.known is not None

    def test_an_async_view_gets_what_is_known_or_the_crop(self):
        image = plain_image()
        live(image)
        cold, warm = fresh(image), fresh(image)

        async def view(each):
            return each.smart_resize

        assert asyncio.run(view(cold)).entries == ()
        assert fresh(image).smart_resize.entries
        assert asyncio.run(view(warm)).entries

    def test_a_shape_that_is_live_itself_is_found_without_arithmetic(self, monkeypatch):
        image = plain_image()
        live(image, "400x400")
        known = fresh(image).smart_resize
        monkeypatch.setattr("wagtail_smart_resize.renditions.published.nearest_shape", None)
        assert known.entry(Decimal("1.000"), "").file

    def test_beyond_the_limit_single_images_are_looked_up(
        self, monkeypatch, django_assert_num_queries
    ):
        images = [plain_image() for _ in range(3)]
        for image in images:
            live(image)
        monkeypatch.setattr(PublishedCache, "MAX_IMAGES", 2)
        process_cache.reset()
        assert all(near(shown(image), BLUE) for image in images)
        oldest = fresh(images[0])
        with django_assert_num_queries(0):
            assert oldest.smart_resize.entries
        flips_since(images[0])
        later()
        assert near(shown(images[0]), GREEN)

    def test_what_a_process_knows_stays_bounded_while_images_come_and_go(self, monkeypatch):
        monkeypatch.setattr(PublishedCache, "MAX_IMAGES", 3)
        images = [plain_image() for _ in range(6)]
        for image in images:
            live(image)
            later()
            assert near(shown(image), BLUE)
            assert len(process_cache.known.rows) <= 3
        for image in images[:4]:
            image.delete()
        flips_since(images[4])
        later()
        assert near(shown(images[4]), GREEN)
        assert near(shown(images[5]), BLUE)

    def test_the_first_look_is_one_query_for_all_images(self, django_assert_num_queries):
        images = [plain_image() for _ in range(5)]
        live(images[0])
        process_cache.reset()
        seen = [fresh(image) for image in images]
        with django_assert_num_queries(1):
            assert [bool(each.smart_resize.entries) for each in seen] == [True] + [False] * 4

    @pytest.mark.postgresql
    def test_a_long_repeatable_read_neither_sees_nor_spreads_the_past(self):
        image = plain_image()
        live(image)
        assert near(shown(image), BLUE)
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                cursor.execute("SELECT 1 FROM wagtail_smart_resize_imageversion")
            flipping = threading.Thread(target=in_own_connection, args=(flips_since, image))
            flipping.start()
            join(flipping)
            later()
            looking = threading.Thread(target=in_own_connection, args=(shown, image))
            looking.start()
            join(looking)
            later()
            shown(image)
        assert near(shown(image), GREEN)


def in_own_connection(function, *args):
    try:
        function(*args)
    finally:
        connection.close()


@pytest.mark.django_db
class TestInsideATestCase:
    """What a site's own tests see: each test's transaction is rolled back, unannounced."""

    @pytest.mark.parametrize("_round", [1, 2, 3])
    def test_query_counts_are_constant_and_nothing_leaks(self, _round):
        image = photo()
        with CaptureQueriesContext(connection) as queries:
            assert fresh(image).smart_resize is NOTHING_PUBLISHED
            assert fresh(image).smart_resize is NOTHING_PUBLISHED
        selects = [q for q in queries if "imageversion" in q["sql"]]
        assert len(selects) == 1
        live(image)
        assert fresh(image).smart_resize.entries

    def test_callbacks_that_a_test_runs_itself_leave_no_trace(
        self, django_capture_on_commit_callbacks
    ):
        image = photo()
        with django_capture_on_commit_callbacks(execute=True):
            live(image)
            assert fresh(image).smart_resize.entries
        assert process_cache.known is None


@pytest.mark.django_db
class TestWhatItCosts:
    @pytest.mark.parametrize("is_live", [False, True])
    def test_a_warm_render_costs_no_more_than_fill(self, is_live, settings):
        image = plain_image()
        if is_live:
            live(image)
        template = "{% load wagtailimages_tags %}{% image image SPEC %}"
        ours = render_costs(template.replace("SPEC", SPEC), image)
        fill = render_costs(template.replace("SPEC", "fill-400x400"), image)
        assert ours == fill


def render_costs(source, image):
    """Queries and cache reads of the third render."""
    from django.template import Context, Template

    template = Template(source)
    cache = get_image_model().get_rendition_model().cache_backend
    for _ in range(2):
        template.render(Context({"image": fresh(image)}))
    again = fresh(image)
    reads = []
    get_many = type(cache).get_many

    def counted(self, keys, *args, **kwargs):
        reads.extend(keys)
        return get_many(self, keys, *args, **kwargs)

    type(cache).get_many = counted
    try:
        with CaptureQueriesContext(connection) as queries:
            template.render(Context({"image": again}))
    finally:
        type(cache).get_many = get_many
    return len(queries), len(reads)


def test_entries_survive_the_database():
    from decimal import Decimal

    entry = PublishedEntry(Decimal("1.905"), "hero", "abc", "file.webp", 2)
    assert PublishedEntry.from_json(entry.to_json()) == entry


@pytest.mark.django_db
def test_previews_are_told_apart():
    from django.core.signals import request_finished, request_started

    from wagtail_smart_resize.renditions import request_tracking

    for path, expected in [("/admin/pages/1/edit/preview/", True), ("/about-us/", False)]:
        request_started.send(sender=None, environ={"PATH_INFO": path})
        assert request_tracking.in_admin() is expected
        request_finished.send(sender=None)
    assert request_tracking.in_admin() is False
