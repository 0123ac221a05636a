"""Places of an image: what they are called, and on which pages they are known to be."""

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext
from support.factories import plain_image, recomposition
from support.purchases import again
from testapp.models import PicturePage, StoryPage
from wagtail.models import Page

from wagtail_smart_resize.editorial import places
from wagtail_smart_resize.editorial.places import Pages
from wagtail_smart_resize.models import Recomposition

pytestmark = pytest.mark.django_db

PICTURE, STORY = "testapp.picturepage", "testapp.storypage"


@pytest.fixture
def image():
    return plain_image()


def page(model=PicturePage, **fields):
    return Page.objects.get(depth=1).add_child(instance=model(title="A page", **fields))


def row_of(image, *pages, slot="400x400"):
    return recomposition(image, slot, shown_on=[list(each) for each in pages])


def pages_of(image, row):
    return [each.pk for each in Pages.for_images([image], [row]).of(image.pk, row)]


class TestPages:
    def test_a_page_that_has_asked_is_one_of_them(self, image):
        asked = page()
        assert pages_of(image, row_of(image, (asked.pk, PICTURE))) == [asked.pk]

    def test_so_is_every_page_of_the_same_type_that_uses_the_image(self, image):
        asked, same, other_type = page(photo=image), page(photo=image), page(StoryPage, photo=image)
        found = pages_of(image, row_of(image, (asked.pk, PICTURE)))
        assert found[0] == asked.pk
        assert sorted(found) == sorted([asked.pk, same.pk])
        assert other_type.pk not in found

    def test_pages_that_are_not_published_or_are_gone_are_not(self, image):
        draft = page(photo=image, live=False)
        assert pages_of(image, row_of(image, (draft.pk, PICTURE), (4711, PICTURE))) == []

    def test_a_row_that_no_page_has_asked_for_has_none(self, image):
        page(photo=image)
        assert pages_of(image, row_of(image)) == []
        assert Pages.for_images([image], []).of(image.pk, None) == []

    def test_each_image_has_its_own(self, image):
        other = plain_image()
        mine, theirs = page(photo=image), page(photo=other)
        rows = [row_of(image, (mine.pk, PICTURE)), row_of(other, (theirs.pk, PICTURE))]
        pages = Pages.for_images([image, other], rows)
        assert [[each.pk for each in pages.of(row.image_id, row)] for row in rows] == [
            [mine.pk],
            [theirs.pk],
        ]

    def test_they_are_looked_up_in_as_many_queries_for_many_as_for_one(
        self, django_assert_num_queries
    ):
        images = [plain_image() for _ in range(5)]
        rows = [
            row_of(each, (page(photo=each).pk, PICTURE), (page().pk, PICTURE)) for each in images
        ]
        ContentType.objects.get_for_model(PicturePage)
        Pages.for_images(images, rows)
        with CaptureQueriesContext(connection) as one:
            pages_of(images[0], rows[0])
        with django_assert_num_queries(len(one)):
            pages = Pages.for_images(images, rows)
            assert [len(pages.of(row.image_id, row)) for row in rows] == [2] * 5


class TestNotedPages:
    def test_a_page_is_noted_before_the_others_and_once(self, image):
        row, shown = row_of(image, (4711, STORY)), page()
        for _ in "12":
            places.note_page(shown, [row])
        assert again(row).shown_on == [[shown.pk, PICTURE], [4711, STORY]]

    def test_one_that_is_known_costs_nothing(self, image, django_assert_num_queries):
        shown = page()
        row = row_of(image, (shown.pk, PICTURE))
        with django_assert_num_queries(0):
            places.note_page(shown, [row])

    def test_the_oldest_are_forgotten(self, image):
        row = row_of(image, *((number, STORY) for number in range(Recomposition.MAX_PAGES)))
        shown = page()
        places.note_page(shown, [row])
        assert len(again(row).shown_on) == Recomposition.MAX_PAGES
        assert row.shown_on[0] == [shown.pk, PICTURE]


def test_types_are_named_once_each_as_wagtail_names_them(image):
    row = row_of(image, (1, PICTURE), (2, STORY), (3, PICTURE))
    assert places.page_types(row) == ["Picture page", "Story page"]


def test_a_type_that_the_site_has_no_more_is_not_named(image):
    assert places.page_types(row_of(image, (1, "gone.gonepage"), (2, ""))) == []
