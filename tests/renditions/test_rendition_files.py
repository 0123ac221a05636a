"""Renditions that are made before pages ask for them."""

import errno

import pytest
from django.core.files.storage import FileSystemStorage, default_storage
from support.factories import plain_image
from wagtail.images.models import Filter

from wagtail_smart_resize.renditions import rendition_files

pytestmark = pytest.mark.django_db

SPEC = "fill-40x40|format-jpeg"


@pytest.fixture
def image():
    return plain_image(120, 80)


@pytest.fixture
def saving(monkeypatch):
    """Lets something happen when a file is about to be saved."""
    save = FileSystemStorage._save

    def happen(what):
        def saved(self, name, content):
            monkeypatch.setattr(FileSystemStorage, "_save", save)
            what(name)
            return save(self, name, content)

        monkeypatch.setattr(FileSystemStorage, "_save", saved)

    return happen


def files():
    return {f"images/{name}" for name in default_storage.listdir("images")[1]}


def make(image):
    rendition_files.make_rendition(image, Filter(SPEC))


def test_it_is_the_rendition_that_pages_ask_for(image):
    make(image)
    made = image.renditions.get()
    assert image.get_rendition(SPEC) == made
    assert (made.width, made.height) == (40, 40)
    assert made.file.size > 0


def test_the_row_names_the_file_before_the_file_is_there(image, saving):
    seen = []
    saving(lambda name: seen.append((name, image.renditions.get(), default_storage.exists(name))))
    make(image)
    [(name, row, was_there)] = seen
    assert row.file.name == name == image.renditions.get().file.name
    assert not was_there
    assert row.focal_point_key != Filter(SPEC).get_cache_key(image)


def test_pages_find_nothing_while_the_file_is_written(image, saving):
    found = []
    saving(lambda name: found.append(image.find_existing_renditions(Filter(SPEC))))
    make(image)
    assert found == [{}]


def test_who_comes_second_leaves_nothing(image, saving):
    before = files()
    saving(lambda name: image.get_rendition(SPEC))
    make(image)
    [row] = image.renditions.all()
    assert files() - before == {row.file.name}


def test_nothing_is_left_of_an_image_that_is_deleted_meanwhile(image, saving):
    before = files() - {image.file.name}
    saving(lambda name: type(image).objects.get().delete())
    make(image)
    assert files() == before


def test_nothing_is_left_where_the_disk_is_full(image, saving):
    before = files()

    def full(name):
        with default_storage.open(name, "wb") as half:
            half.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    saving(full)
    with pytest.raises(OSError, match="No space left"):
        make(image)
    assert files() == before
    assert not image.renditions.exists()


def test_the_row_stays_while_its_file_cannot_be_deleted(image, monkeypatch):
    row = image.get_rendition(SPEC)

    def refused(self, name):
        raise OSError("read-only")

    with monkeypatch.context() as patch:
        patch.setattr(FileSystemStorage, "delete", refused)
        with pytest.raises(OSError, match="read-only"):
            rendition_files.delete_rendition(row)
    assert image.renditions.get().pk == row.pk
    rendition_files.delete_rendition(row)
    assert not default_storage.exists(row.file.name)
    assert not image.renditions.exists()
