"""A storage may raise what its client library raises: what that is, changes nothing."""

import logging

import pytest
from django.contrib.messages import get_messages
from django.core.files.storage import FileSystemStorage
from django.db import OperationalError, connection
from django.urls import reverse
from support.bulk_action import address, confirm
from support.factories import candidate, colour_of, plain_image, recomposition
from wagtail.images import get_image_model

from wagtail_smart_resize import actions
from wagtail_smart_resize.core import storage_errors
from wagtail_smart_resize.core.sizes import Slot
from wagtail_smart_resize.models import GatewayRequest, ImageVersion, PipelineState, Recomposition
from wagtail_smart_resize.publishing import preparation, publication
from wagtail_smart_resize.purchasing import passes
from wagtail_smart_resize.repair import repairs

pytestmark = pytest.mark.django_db

GOLD, BLUE = (255, 215, 0), (70, 130, 180)
SPECS = ["smartresize-400x400", "smartresize-200x200|format-webp"]


class ClientError(Exception):
    """As the libraries of object storages have it: no OSError."""


either = pytest.mark.parametrize("error", [OSError, ClientError])


@pytest.fixture
def trouble(monkeypatch):
    """Operations of the storage that fail for all names that begin so, until `trouble.over()`."""

    class Trouble:
        def begin(self, error, prefix, *operations):
            for operation in operations:
                monkeypatch.setattr(FileSystemStorage, operation, self._failing(operation))
            self.error, self.prefix = error, prefix

        def _failing(self, operation):
            right = getattr(FileSystemStorage, operation)

            def wrong(store, name, *args, **kwargs):
                if self.error and name.startswith(self.prefix):
                    raise self.error("in trouble")
                return right(store, name, *args, **kwargs)

            return wrong

        def over(self):
            self.error = None

    return Trouble()


def fresh(image):
    return get_image_model().objects.get(pk=image.pk)


def decided(image):
    """A shape with a candidate that is to be live and is not published yet."""
    row = recomposition(image, purchase=Recomposition.Purchase.IDLE)
    row.update_if(where={}, live=candidate(row))
    ImageVersion.mark_publish_due(image.pk)
    return row


def is_near(colour, other):
    return all(abs(a - b) < 12 for a, b in zip(colour, other, strict=True))


def shown(image):
    return [colour_of(fresh(image).get_rendition(spec)) for spec in SPECS]


# What it is


@either
def test_whatever_a_call_raises_is_trouble_and_names_its_cause(error):
    with (
        pytest.raises(storage_errors.StorageError, match="in trouble") as caught,
        storage_errors.translate_storage_errors(),
    ):
        raise error("in trouble")
    assert type(caught.value.__cause__) is error
    assert not caught.value.is_missing_file


def test_a_file_that_is_not_there_can_be_told_though_it_is_wrapped():
    with (
        pytest.raises(storage_errors.StorageError) as caught,
        storage_errors.translate_storage_errors(),
    ):
        raise OSError("the source") from FileNotFoundError("no such file")
    assert caught.value.is_missing_file


def test_what_the_database_raises_stays_what_it_is():
    with pytest.raises(OperationalError), storage_errors.translate_storage_errors():
        raise OperationalError("locked")


# Publishing


@either
@pytest.mark.parametrize("operations", [("_save",), ("_save", "delete"), ("exists",)], ids=str)
def test_nothing_flips_while_renditions_cannot_be_stored(error, operations, trouble):
    image = plain_image()
    fresh(image).get_renditions(*SPECS)
    decided(image)
    trouble.begin(error, "images/", *operations)
    result = passes.run_pass(workers=1)
    version = ImageVersion.objects.get(pk=image.pk)
    assert (result.failed, version.published_at, version.publish_attempts) == (1, None, 1)
    assert not PipelineState.get_current().circuit_open
    assert all(is_near(colour, GOLD) for colour in shown(image))
    trouble.over()
    assert publication.publish(image.pk)
    assert all(is_near(colour, BLUE) for colour in shown(image))


@either
def test_nothing_flips_while_the_source_cannot_be_read(error, trouble):
    image = plain_image()
    fresh(image).get_renditions(*SPECS)
    decided(image)
    trouble.begin(error, "original_images/", "_open")
    with pytest.raises(storage_errors.StorageError):
        publication.publish(image.pk)
    assert all(is_near(colour, GOLD) for colour in shown(image))


def test_an_encoder_that_fails_stops_the_flip_too(monkeypatch):
    """The page has its crop; under the new key it would have to make what can't be made."""
    image = plain_image()
    fresh(image).get_renditions(*SPECS)
    decided(image)
    generate = type(image).generate_rendition_file

    def failing(self, filter, **kwargs):
        if "webp" in filter.spec:
            raise OSError("encoder error -2 when writing image file")
        return generate(self, filter, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(type(image), "generate_rendition_file", failing)
        with pytest.raises(preparation.RenditionNotPrepared):
            publication.publish(image.pk)
    assert not is_near(colour_of(fresh(image).get_rendition(SPECS[0])), BLUE)
    assert publication.publish(image.pk)
    assert is_near(colour_of(fresh(image).get_rendition(SPECS[0])), BLUE)


def test_the_source_is_read_once_for_all_its_renditions(monkeypatch):
    image = plain_image()
    crop = "smartresize-{}|format-jpeg"
    row = decided(image)
    publication.publish(image.pk)
    fresh(image).get_renditions(*(crop.format(size) for size in ("400x400", "200x200", "100x100")))
    row.choose(None, None)
    opened, right = [], FileSystemStorage._open

    def noting(store, name, mode="rb"):
        opened.append(name)
        return right(store, name, mode)

    monkeypatch.setattr(FileSystemStorage, "_open", noting)
    assert publication.publish(image.pk)
    assert opened.count(image.file.name) == 1


# The admin


@either
def test_a_candidate_that_cannot_be_read_is_not_found(error, trouble, client, people):
    image = plain_image(collection=people.here)
    chosen = candidate(recomposition(image))
    client.force_login(people.editor)
    url = reverse("smart_resize_admin:candidate", args=[image.pk, chosen.pk])
    assert client.get(url).status_code == 200
    trouble.begin(error, "smart_resize/", "_open")
    assert client.get(url).status_code == 404


@either
@pytest.mark.parametrize("operation", ["_open", "_save"])
def test_the_images_screen_opens_without_its_preview(error, operation, trouble, client, people):
    image = plain_image(collection=people.here)
    candidate(recomposition(image))
    client.force_login(people.editor)
    trouble.begin(error, "original_images/" if operation == "_open" else "images/", operation)
    response = client.get(reverse("smart_resize_admin:image", args=[image.pk]))
    assert response.status_code == 200
    assert "any-1000" in response.content.decode()


@either
def test_what_is_asked_for_an_unreadable_image_is_refused_with_the_reason(error, trouble):
    image = plain_image()
    type(image).objects.update(file_hash="")
    trouble.begin(error, "original_images/", "_open")
    with pytest.raises(actions.Refused, match="can't be read"):
        actions.request_recomposition(fresh(image), [actions.ResizeTarget(Slot.parse("400x400"))])
    assert not GatewayRequest.objects.exists()


@either
def test_one_unreadable_image_of_many_is_named_and_stops_no_other(error, trouble, client, people):
    good, bad = (plain_image(collection=people.here) for _ in range(2))
    fresh(bad).get_rendition("max-165x165")  # as the listing has shown it
    type(bad).objects.filter(pk=bad.pk).update(file_hash="")
    client.force_login(people.editor)
    trouble.begin(error, bad.file.name, "_open")
    response = confirm(client, address(good, bad), sizes="400x400")
    assert [request.image_id for request in GatewayRequest.objects.all()] == [good.pk]
    assert any(bad.title in str(each) for each in get_messages(response.wsgi_request))


@pytest.mark.django_db(transaction=True)
def test_files_are_hashed_before_the_images_are_locked(monkeypatch, client, people):
    image = plain_image(collection=people.here)
    type(image).objects.update(file_hash="")
    client.force_login(people.editor)
    opened, right = [], FileSystemStorage._open

    def noting(store, name, mode="rb"):
        opened.append((name, connection.in_atomic_block))
        return right(store, name, mode)

    monkeypatch.setattr(FileSystemStorage, "_open", noting)
    confirm(client, address(image), sizes="400x400")
    assert GatewayRequest.objects.count() == 1
    assert (image.file.name, False) in opened
    assert (image.file.name, True) not in opened


# The repair


@either
def test_the_repair_goes_on_past_an_image_that_cannot_be_hashed(error, trouble, caplog):
    image = plain_image()
    fresh(image).get_rendition(SPECS[0])
    type(image).objects.update(file_hash="")
    trouble.begin(error, "original_images/", "_open")
    with caplog.at_level(logging.WARNING):
        report = repairs.run()
    assert report.failed == 0
    assert "Can't read the file of image" in caplog.text
    trouble.over()
    repairs.run()
    assert fresh(image).file_hash
