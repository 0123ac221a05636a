"""Prepare, flip, purge, tell."""

import errno
import gc
import io
import logging
import threading
import weakref
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.db.models import F
from django.utils import timezone
from PIL import Image, ImageChops, ImageStat
from PIL.ImageFile import ImageFile
from support.factories import (
    candidate,
    colour_of,
    live,
    photo,
    photograph,
    picture,
    pixels,
    plain_image,
    published_page,
    recomposition,
    rolled_back,
)
from testapp.frontend_cache import RecordingBackend
from wagtail.images import get_image_model
from wagtail.images.models import Filter
from wagtail.images.rect import Rect

from wagtail_smart_resize.core.sizes import Size
from wagtail_smart_resize.imaging import webp
from wagtail_smart_resize.models import Candidate, ImageVersion, Recomposition
from wagtail_smart_resize.publishing import frontend_cache, preparation, publication
from wagtail_smart_resize.publishing.material import Material
from wagtail_smart_resize.purchasing import demand, passes
from wagtail_smart_resize.renditions import demand_notes
from wagtail_smart_resize.renditions.published import PublishedState
from wagtail_smart_resize.renditions.published_cache import process_cache
from wagtail_smart_resize.rules import usage
from wagtail_smart_resize.signals import recomposition_published

pytestmark = pytest.mark.django_db

BLUE, GREEN, GOLD = (70, 130, 180), (0, 128, 0), (255, 215, 0)


def near(colour, other):
    return all(abs(a - b) < 12 for a, b in zip(colour, other, strict=True))


def fresh(image):
    return get_image_model().objects.get(pk=image.pk)


def made_live(image, slot="400x400", colour="steelblue"):
    """Recorded as live, not yet published."""
    row = recomposition(image, slot, purchase=Recomposition.Purchase.IDLE)
    row.update_if(where={}, live=candidate(row, colour))
    ImageVersion.mark_publish_due(image.pk)
    return row


def difference(content, other):
    """The mean difference of two pictures' values, of 255."""
    first, second = (Image.open(io.BytesIO(each)).convert("RGB") for each in (content, other))
    return sum(ImageStat.Stat(ImageChops.difference(first, second)).mean) / 3


def specs_on_key(image):
    """The specs whose rendition under the present key is there."""
    again = fresh(image)
    rows = set(again.renditions.values_list("filter_spec", "focal_point_key"))
    return {spec for spec, key in rows if Filter(spec).get_cache_key(again) == key}


class TestPreparing:
    SPECS = ["smartresize-400x400", "smartresize-200x200|format-webp", "smartresize-300x150"]

    def test_all_renditions_of_the_shape_are_there_before_the_flip(self):
        image = plain_image()
        fresh(image).get_renditions(*self.SPECS)
        demand_notes.notes.take()
        made_live(image)
        publication.publish(image.pk)
        count = image.renditions.count()
        assert count == 5
        assert specs_on_key(image) == set(self.SPECS)
        fresh(image).get_renditions(*self.SPECS)
        assert image.renditions.count() == count
        assert not demand_notes.notes

    def test_prepared_renditions_are_those_that_a_visitor_would_have_made(self):
        spec = "smartresize-400x400|format-png"
        first, second = plain_image(), plain_image()
        fresh(first).get_rendition(spec)
        made_live(first)
        publication.publish(first.pk)
        made_live(second)
        publication.publish(second.pk)
        prepared = fresh(first).get_rendition(spec)
        by_visitor = fresh(second).get_rendition(spec)
        assert (prepared.width, prepared.height) == (by_visitor.width, by_visitor.height)
        assert colour_of(prepared) == colour_of(by_visitor)

    def test_what_is_prepared_together_is_what_each_would_be_alone(self):
        formats, sizes = ("jpeg", "png", "webp"), ("400x400", "201x201", "90x90")
        specs = [f"format-{name}|smartresize-{size}" for name in formats for size in sizes]
        image = plain_image()
        fresh(image).get_renditions(*specs)
        row = made_live(image)
        row.live.write(photograph(800, 800))  # plain colours would not tell
        publication.publish(image.pk)
        for spec in specs:
            prepared = pixels(fresh(image).get_rendition(spec))
            alone = fresh(image).generate_rendition_file(Filter(spec))
            alone.seek(0)
            if "90x90" in spec:  # Scaled from 201x201.
                assert 0 < difference(prepared, alone.read()) < 3, spec
            else:
                assert prepared == alone.read(), spec

    def test_the_candidate_is_decoded_once_and_cut_once_for_each_size(self, monkeypatch):
        """And of the source, whose pixels nobody sees, none are read.

        What is less than half of a size that was cut before is scaled from that.
        """
        sizes, formats = ("400x400", "250x250", "150x150"), ("jpeg", "png", "webp")
        image = photo("rocket.jpg")
        specs = [f"format-{name}|smartresize-{size}" for name in formats for size in sizes]
        fresh(image).get_renditions(*specs)
        made_live(image)
        decoded, cut = [], []
        prepare, cut_out = ImageFile.load_prepare, PublishedState.cut_out
        decode_webp = webp.decode

        def decoding(picture):
            decoded.append(picture.size)
            prepare(picture)

        def decoding_webp(content, opened):
            picture = decode_webp(content, opened)
            if picture is not None:
                decoded.append(picture.size)
            return picture

        def cutting(known, entry, size):
            cut.append(str(size))
            return cut_out(known, entry, size)

        with monkeypatch.context() as patch:
            patch.setattr(ImageFile, "load_prepare", decoding)
            patch.setattr(webp, "decode", decoding_webp)
            patch.setattr(PublishedState, "cut_out", cutting)
            assert publication.publish(image.pk)
        assert decoded.count((800, 800)) == 1
        assert (image.width, image.height) not in decoded
        assert cut == ["400x400", "250x250"]
        assert specs_on_key(image) == set(specs)

    def test_what_was_cut_out_before_is_not_kept_by_a_reference_cycle(self):
        image = photo("rocket.jpg")
        fresh(image).get_renditions("smartresize-200x200")
        file = made_live(image).live.file_name
        material, cut = Material(), Image.new("RGB", (200, 200), BLUE)
        material.keep(file, {Size(200, 200): cut})
        kept = weakref.ref(cut)
        gc.collect()
        gc.disable()
        try:
            assert publication.publish(image.pk, material)
            del material, cut
            assert kept() is None
        finally:
            gc.enable()
        assert near(colour_of(fresh(image).get_rendition("smartresize-200x200")), BLUE)

    def test_one_renditions_failure_stops_no_other(self, monkeypatch):
        image = plain_image()
        fresh(image).get_renditions(*self.SPECS)
        before = list(image.renditions.values_list("pk", flat=True))
        made_live(image)
        generate = type(image).generate_rendition_file

        def sometimes(self, filter):
            if "webp" in filter.spec:
                raise ValueError("no such encoder")
            return generate(self, filter)

        with monkeypatch.context() as patch:
            patch.setattr(type(image), "generate_rendition_file", sometimes)
            with pytest.raises(preparation.RenditionNotPrepared):
                publication.publish(image.pk)
        assert ImageVersion.objects.get(pk=image.pk).live == []
        prepared = image.renditions.exclude(pk__in=before).values_list("filter_spec", flat=True)
        assert set(prepared) == {"smartresize-400x400"}
        assert publication.publish(image.pk)
        assert specs_on_key(image) == set(self.SPECS)

    def test_nothing_flips_while_a_rendition_cannot_be_stored(self, monkeypatch):
        """The page has its crop; under the new key it would have to store what can't be."""
        image = plain_image()
        fresh(image).get_renditions(*self.SPECS)
        made_live(image)
        save = FileSystemStorage._save

        def full(self, name, content):
            if "webp" in name:
                raise OSError(errno.ENOSPC, "No space left on device")
            return save(self, name, content)

        with monkeypatch.context() as patch:
            patch.setattr(FileSystemStorage, "_save", full)
            with pytest.raises(preparation.RenditionNotPrepared):
                publication.publish(image.pk)
            for spec in self.SPECS:
                assert near(colour_of(fresh(image).get_rendition(spec)), GOLD)
        assert publication.publish(image.pk)
        assert specs_on_key(image) == set(self.SPECS)

    def test_a_spec_that_is_no_longer_valid_is_left_alone(self):
        image = plain_image()
        fresh(image).get_rendition("smartresize-400x400")
        image.renditions.update(filter_spec="smartresize-gone")
        made_live(image)
        assert publication.publish(image.pk)

    def test_a_candidate_that_cannot_be_read_flips_nothing(self):
        image = plain_image()
        fresh(image).get_rendition("smartresize-400x400")
        row = made_live(image)
        row.live.file.storage.delete(row.live.file.name)
        with pytest.raises(preparation.CandidateUnusable, match="can't be used"):
            publication.publish(image.pk)
        version = ImageVersion.objects.get(pk=image.pk)
        assert (version.published_at, version.publish_due_at is not None) == (None, True)
        assert near(colour_of(fresh(image).get_rendition("smartresize-400x400")), GOLD)

    def test_a_new_focal_point_meanwhile_starts_over(self, monkeypatch):
        image = plain_image()
        fresh(image).get_rendition("smartresize-400x400")
        made_live(image)
        make, moved = preparation._make_renditions, []

        def moving(*args):
            make(*args)
            if not moved:
                moved.append(True)
                changed = fresh(image)
                changed.set_focal_point(Rect(10, 10, 60, 60))
                changed.save()

        monkeypatch.setattr(preparation, "_make_renditions", moving)
        assert publication.publish(image.pk)
        again = fresh(image)
        assert "smartresize-400x400" in specs_on_key(again)

    def test_a_decision_meanwhile_starts_over(self, monkeypatch):
        image = plain_image()
        fresh(image).get_rendition("smartresize-400x400")
        row = made_live(image)
        make, decided = preparation._make_renditions, []

        def deciding(*args):
            make(*args)
            if not decided:
                decided.append(True)
                row.choose(None, None)

        monkeypatch.setattr(preparation, "_make_renditions", deciding)
        publication.publish(image.pk)
        assert near(colour_of(fresh(image).get_rendition("smartresize-400x400")), GOLD)

    @pytest.fixture
    def restless(self, monkeypatch):
        def change(_image):
            ImageVersion.objects.update(revision=F("revision") + 1)
            return True

        monkeypatch.setattr(publication, "_is_unchanged", change)

    def test_one_that_keeps_changing_stays_due(self, restless):
        image = plain_image()
        made_live(image)
        with pytest.raises(publication.StillChanging):
            publication.publish(image.pk)
        assert ImageVersion.objects.get(pk=image.pk).publish_due_at

    def test_one_that_keeps_changing_is_no_failure_of_the_pass(self, restless, caplog):
        image = plain_image()
        made_live(image)
        done = passes.run_pass(workers=1)
        assert (done.did > 0, done.failed) == (True, 0)
        version = ImageVersion.objects.get(pk=image.pk)
        assert (
            timezone.now() < version.publish_due_at <= timezone.now() + passes.RETRY_CHANGING_AFTER
        )
        assert version.publish_attempts == 0
        assert caplog.messages == []


class TestDamage:
    def test_a_live_candidate_that_cannot_be_read_gives_the_crop_and_is_mended(self, run):
        image = plain_image()
        chosen = live(image)
        storage, name = chosen.file.storage, chosen.file.name
        storage.delete(name)
        damaged = fresh(image).get_rendition("smartresize-400x400")
        assert near(colour_of(damaged), GOLD)
        demand.write_noted_demand()
        assert ImageVersion.objects.get(pk=image.pk).damage_noted_at
        with pytest.raises(preparation.CandidateUnusable):
            publication.publish(image.pk)

        storage.save(name, ContentFile(picture(800, 800)))
        ImageVersion.objects.update(publish_due_at=F("damage_noted_at"))
        run()
        mended = fresh(image).get_rendition("smartresize-400x400")
        assert near(colour_of(mended), BLUE)
        assert mended.url != damaged.url
        assert ImageVersion.objects.get(pk=image.pk).damage_noted_at is None


class TestDeciding:
    def test_choosing_another_candidate_leaves_other_shapes_alone(self):
        image = plain_image()
        live(image, "400x400")
        live(image, "300x150", colour="green")
        specs = ["smartresize-400x400", "smartresize-300x150"]
        before = [fresh(image).get_rendition(spec).url for spec in specs]
        row = Recomposition.objects.get(shape=1)
        row.choose(candidate(row, "maroon"), None)
        publication.publish(image.pk)
        after = [fresh(image).get_rendition(spec).url for spec in specs]
        assert [old == new for old, new in zip(before, after, strict=True)] == [False, True]

    def test_choosing_what_is_live_already_flips_nothing(self):
        image = plain_image()
        chosen = live(image)
        published_at = ImageVersion.objects.get(pk=image.pk).published_at
        chosen.recomposition.choose(chosen, None)
        assert publication.publish(image.pk) is False
        version = ImageVersion.objects.get(pk=image.pk)
        assert (version.published_at, version.publish_due_at) == (published_at, None)

    def test_going_back_and_forth_makes_no_rendition_twice(self):
        image = plain_image()
        fresh(image).get_rendition("smartresize-400x400")
        chosen = live(image)
        row = chosen.recomposition
        for choice in (None, chosen, None, chosen):
            row.choose(choice, None)
            publication.publish(image.pk)
        assert image.renditions.count() == 2
        assert near(colour_of(fresh(image).get_rendition("smartresize-400x400")), BLUE)

    def test_a_candidate_of_another_recomposition_is_refused(self):
        image = plain_image()
        stranger = candidate(recomposition(image, "300x150"))
        with pytest.raises(ValueError, match="does not belong"):
            recomposition(image, "400x400").choose(stranger, None)


class TestTelling:
    def test_the_signal_tells_what_changed(self):
        heard = []

        def hear(sender, image, changes, **kwargs):
            heard.append((image.pk, [(str(shape), recipe) for shape, recipe, _file in changes]))

        recomposition_published.connect(hear)
        try:
            image = plain_image()
            live(image)
        finally:
            recomposition_published.disconnect(hear)
        assert heard == [(image.pk, [("1.000", "")])]

    def test_a_listener_that_fails_does_not_undo_the_flip(self):
        def fail(**kwargs):
            raise RuntimeError("site bug")

        recomposition_published.connect(fail)
        try:
            image = plain_image()
            live(image)
        finally:
            recomposition_published.disconnect(fail)
        assert fresh(image).smart_resize.entries


class FrontendCache(ThreadingHTTPServer):
    """A cache that answers each PURGE with its `status`."""

    def __init__(self, status):
        self.status = status
        super().__init__(("127.0.0.1", 0), PurgeHandler)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_error):
        self.shutdown()
        self.server_close()


class PurgeHandler(BaseHTTPRequestHandler):
    def do_PURGE(self):
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_args):
        pass


class TestPurging:
    @pytest.fixture(autouse=True)
    def cache(self, settings):
        RecordingBackend.purged.clear()
        settings.WAGTAILFRONTENDCACHE = {
            "default": {"BACKEND": "testapp.frontend_cache.RecordingBackend"},
        }

    def test_pages_that_use_the_image_are_purged_once_every_process_has_looked(self, run):
        image = plain_image()
        page = published_page(image)
        RecordingBackend.purged.clear()
        live(image)
        passes.run_pass(workers=1)
        assert RecordingBackend.purged == []
        run()
        assert RecordingBackend.purged == [page.full_url]
        assert ImageVersion.objects.get(pk=image.pk).purge_due_at is None

    def test_a_purge_that_fails_stays_due(self, run, monkeypatch):
        image = plain_image()
        published_page(image)
        live(image)
        RecordingBackend.purged.clear()

        def down(*_args):
            raise OSError("cache down")

        with monkeypatch.context() as patch:
            patch.setattr(usage, "pages_using", down)
            run(passes=2)
        assert ImageVersion.objects.get(pk=image.pk).purge_due_at
        run()
        assert RecordingBackend.purged

    @pytest.mark.parametrize("status", [403, 500, 503])
    def test_an_error_that_wagtails_backend_only_logs_leaves_it_due(self, run, settings, status):
        """Over a real socket: Wagtail's own backends swallow what the cache answers."""
        image = plain_image()
        published_page(image)
        live(image)
        with FrontendCache(status) as cache:
            settings.WAGTAILFRONTENDCACHE = {
                "varnish": {
                    "BACKEND": "wagtail.contrib.frontend_cache.backends.HTTPBackend",
                    "LOCATION": f"http://127.0.0.1:{cache.server_port}",
                }
            }
            run(passes=2)
            assert ImageVersion.objects.get(pk=image.pk).purge_due_at
            cache.status = 200
            run()
        assert ImageVersion.objects.get(pk=image.pk).purge_due_at is None

    def test_a_cache_that_is_away_leaves_it_due(self, run, settings, caplog):
        image = plain_image()
        published_page(image)
        live(image)
        settings.WAGTAILFRONTENDCACHE = {
            "varnish": {
                "BACKEND": "wagtail.contrib.frontend_cache.backends.HTTPBackend",
                "LOCATION": "http://127.0.0.1:9",
            }
        }
        run(passes=2)
        assert ImageVersion.objects.get(pk=image.pk).purge_due_at
        assert "PurgeFailed" in caplog.text

    def test_what_another_thread_logs_is_no_failure_of_this_one(self):
        log = logging.getLogger("wagtail.frontendcache")
        with frontend_cache._errors_raised():
            other = threading.Thread(target=log.error, args=["the site's own purge failed"])
            other.start()
            other.join()
        with pytest.raises(frontend_cache.PurgeFailed), frontend_cache._errors_raised():
            log.error("ours failed")
        assert log.handlers == []


@pytest.mark.django_db(transaction=True)
class TestDeleting:
    def test_no_file_of_ours_is_left_when_an_image_is_deleted(self):
        image = plain_image()
        chosen = live(image)
        other = candidate(chosen.recomposition, "green")
        fresh(image).get_rendition("smartresize-400x400")
        files = [(each.file.storage, each.file.name) for each in (chosen, other)]
        files += [(each.file.storage, each.file.name) for each in image.renditions.all()]
        fresh(image).delete()
        assert not [name for storage, name in files if storage.exists(name)]
        assert not Candidate.objects.exists()

    def test_a_deletion_that_is_rolled_back_keeps_the_files(self):
        image = plain_image()
        chosen = live(image)
        with rolled_back():
            fresh(image).delete()
        assert chosen.file.storage.exists(chosen.file.name)

    def test_a_storage_in_trouble_does_not_fail_the_deletion(self, monkeypatch, caplog):
        image = plain_image()
        chosen = live(image)

        def down(_name):
            raise OSError("storage down")

        monkeypatch.setattr(chosen.file.storage, "delete", down)
        Candidate.objects.filter(pk=chosen.pk).delete()
        assert "Can't delete the candidate file" in caplog.text

    def test_publishing_an_image_that_is_gone_is_nothing(self):
        assert publication.publish(123456) is False
        assert process_cache.known is None or process_cache.known.rows.get(123456) is None
