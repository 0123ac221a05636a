"""The hash of an image's file: computed from what was read, stored for nothing else."""

import pytest
from django.core.files.base import ContentFile
from django.db.models.signals import post_save, pre_save
from support.factories import picture, plain_image
from wagtail.images import get_image_model
from wagtail.utils.file import hash_filelike

from wagtail_smart_resize.purchasing import plan

pytestmark = pytest.mark.django_db


@pytest.fixture
def image():
    """An image as a script makes it: without a hash."""
    made = plain_image()
    made.expected = made.file_hash
    get_image_model().objects.update(file_hash="")
    made.refresh_from_db()
    return made


def stored():
    return get_image_model().objects.values_list("file", "file_hash").get()


def replace_file(image, name="other.webp"):
    """Replace the file as an editor's form in another process does; return its hash."""
    file = ContentFile(picture(20, 20, "tomato"), name)
    name = image.file.storage.save(image.file.field.generate_filename(image, name), file)
    file.seek(0)
    return name, hash_filelike(file)


def test_it_is_filled_in_without_a_save(image):
    sent = []

    def note(**kwargs):
        sent.append(kwargs)

    for signal in (pre_save, post_save):
        signal.connect(note, sender=type(image))
    try:
        plan.identify(image)
    finally:
        for signal in (pre_save, post_save):
            signal.disconnect(note, sender=type(image))
    assert sent == []
    assert image.file_hash == image.expected == stored()[1]


def test_other_fields_that_somebody_changes_meanwhile_stay(image):
    get_image_model().objects.update(title="Renamed")
    plan.identify(image)
    assert get_image_model().objects.get().title == "Renamed"


@pytest.mark.parametrize("with_hash", [True, False])
def test_a_file_that_is_replaced_while_it_is_read_keeps_its_own_hash(image, monkeypatch, with_hash):
    name, hash_of_other = replace_file(image)
    read = []

    def read_slowly(file):
        found = hash_filelike(file)
        if not read:
            changes = {"file_hash": hash_of_other} if with_hash else {}
            get_image_model().objects.update(file=name, **changes)
        read.append(found)
        return found

    monkeypatch.setattr(plan, "hash_filelike", read_slowly)
    plan.identify(image)
    assert stored() == (name, hash_of_other)
    assert (image.file.name, image.file_hash) == (name, hash_of_other)
    assert len(read) == (1 if with_hash else 2)


def test_an_instance_that_was_loaded_before_the_file_was_replaced_writes_nothing_old(image):
    name, hash_of_other = replace_file(image)
    get_image_model().objects.update(file=name)
    plan.identify(image)
    assert stored() == (name, hash_of_other)


def test_an_image_that_is_deleted_meanwhile_is_no_error(image):
    get_image_model().objects.all()._raw_delete("default")
    plan.identify(image)
    assert image.file_hash == image.expected
