"""What the reference index and the collections say of an image."""

import uuid

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext
from support.factories import plain_image
from testapp.models import Notice, Person, PersonPage, PicturePage
from wagtail.models import Collection, CollectionViewRestriction, Page, ReferenceIndex

from wagtail_smart_resize.models import OptOut
from wagtail_smart_resize.rules.assess import ImageFacts
from wagtail_smart_resize.rules.usage import (
    is_private,
    pages_by_image,
    pages_using,
    private_collection_ids,
    usage_of,
    usages_of,
)
from wagtail_smart_resize.rules.verdict import Usage

pytestmark = pytest.mark.django_db


@pytest.fixture
def image():
    return plain_image()


def page(model=PicturePage, live=True, **fields):
    root = Page.objects.get(depth=1)
    return root.add_child(instance=model(title="A page", live=live, **fields))


def person_page(person, live=True):
    return page(PersonPage, live, person=person)


def refer(source, target):
    """Note in the index that one object refers to another."""
    types = ContentType.objects.get_for_model
    base = Page if isinstance(source, Page) else type(source)
    ReferenceIndex.objects.create(
        base_content_type=types(base),
        content_type=types(source),
        object_id=str(source.pk),
        to_content_type=types(target),
        to_object_id=str(target.pk),
        model_path="field",
        content_path="field",
        content_path_hash=uuid.uuid4(),
    )


def unused(image):
    page()


def published(image):
    page(photo=image)


def draft(image):
    page(photo=image, live=False)


def published_and_draft(image):
    published(image)
    draft(image)


def published_by_way_of_a_snippet(image):
    person_page(Person.objects.create(portrait=image))


def draft_by_way_of_a_snippet(image):
    person_page(Person.objects.create(portrait=image), live=False)


def snippet_alone(image):
    Person.objects.create(portrait=image)


def snippet_and_draft(image):
    snippet_alone(image)
    draft(image)


def published_snippet_alone(image):
    Notice.objects.create(photo=image)


def withdrawn_snippet(image):
    Notice.objects.create(photo=image, live=False)


def withdrawn_snippet_in_a_published_page(image):
    refer(page(), Notice.objects.create(photo=image, live=False))


def withdrawn_and_published(image):
    withdrawn_snippet(image)
    published(image)


def link_to_a_draft_that_shows_it(image):
    refer(page(), page(photo=image, live=False))


def snippets_three_deep(image):
    person = Person.objects.create(portrait=image)
    notice = Notice.objects.create()
    refer(notice, person)
    refer(page(), notice)


def snippets_too_deep(image):
    person, further = Person.objects.create(portrait=image), Person.objects.create()
    notice = Notice.objects.create()
    refer(further, person)
    refer(notice, further)
    refer(page(), notice)
    draft(image)


def snippets_in_a_circle(image):
    person, notice = Person.objects.create(portrait=image), Notice.objects.create()
    refer(notice, person)
    refer(person, notice)
    person_page(person, live=False)


@pytest.mark.parametrize(
    ("use", "usage", "live_pages"),
    [
        (unused, Usage.NONE, 0),
        (published, Usage.PUBLISHED, 1),
        (draft, Usage.UNPUBLISHED, 0),
        (published_and_draft, Usage.PUBLISHED, 1),
        (published_by_way_of_a_snippet, Usage.PUBLISHED, 1),
        (draft_by_way_of_a_snippet, Usage.UNPUBLISHED, 0),
        (snippet_alone, Usage.UNKNOWN, 0),
        (snippet_and_draft, Usage.UNKNOWN, 0),
        (published_snippet_alone, Usage.UNKNOWN, 0),
        (withdrawn_snippet, Usage.UNPUBLISHED, 0),
        (withdrawn_snippet_in_a_published_page, Usage.UNPUBLISHED, 0),
        (withdrawn_and_published, Usage.PUBLISHED, 1),
        (link_to_a_draft_that_shows_it, Usage.UNPUBLISHED, 0),
        (snippets_three_deep, Usage.PUBLISHED, 1),
        (snippets_too_deep, Usage.UNKNOWN, 0),
        (snippets_in_a_circle, Usage.UNPUBLISHED, 0),
    ],
)
def test_usage_is_what_live_pages_show(use, usage, live_pages, image):
    use(image)
    assert usage_of(image) is usage
    assert pages_using(image).count() == live_pages


def test_pages_using_are_those_of_this_image(image):
    page(photo=plain_image())
    mine = page(photo=image)
    assert [found.pk for found in pages_using(image)] == [mine.pk]


def test_publishing_and_withdrawing_a_page_changes_the_usage(image):
    using = page(photo=image, live=False)
    using.save_revision().publish()
    assert usage_of(image) is Usage.PUBLISHED
    using.refresh_from_db()
    using.unpublish()
    assert usage_of(image) is Usage.UNPUBLISHED


def test_the_cost_does_not_grow_with_the_number_of_uses(image, django_assert_max_num_queries):
    for _number in range(20):
        published_by_way_of_a_snippet(image)
    ContentType.objects.get_for_model(Page)
    with django_assert_max_num_queries(6):
        assert usage_of(image) is Usage.PUBLISHED


@pytest.fixture
def tree():
    """Collections: root > archive > press, and root > blog."""
    root = Collection.get_first_root_node()
    archive = root.add_child(name="archive")
    return {
        "root": root,
        "archive": archive,
        "press": archive.add_child(name="press"),
        "blog": root.add_child(name="blog"),
    }


@pytest.mark.parametrize(
    ("restricted", "private"),
    [
        ([], set()),
        (["blog"], {"blog"}),
        (["press"], {"press"}),
        (["archive"], {"archive", "press"}),
        (["archive", "blog"], {"archive", "press", "blog"}),
        (["root"], {"root", "archive", "press", "blog"}),
    ],
)
def test_a_restriction_covers_a_collection_and_those_below(restricted, private, tree):
    for name in restricted:
        CollectionViewRestriction.objects.create(
            collection=tree[name], restriction_type=CollectionViewRestriction.LOGIN
        )
    images = {name: plain_image(collection=collection) for name, collection in tree.items()}
    assert {name for name, image in images.items() if is_private(image)} == private
    assert private_collection_ids() == {tree[name].pk for name in private}


def test_many_images_are_told_apart_in_as_many_queries_as_one(django_assert_num_queries):
    shown, hidden, unused = plain_image(), plain_image(), plain_image()
    page(photo=shown)
    page(photo=hidden, live=False)
    usages_of([shown])
    expected = {
        shown.pk: Usage.PUBLISHED,
        hidden.pk: Usage.UNPUBLISHED,
        unused.pk: Usage.NONE,
    }
    with CaptureQueriesContext(connection) as one:
        usages_of([shown])
    with django_assert_num_queries(len(one)):
        assert usages_of([shown, hidden, unused]) == expected
    assert {image.pk: usage_of(image) for image in (shown, hidden, unused)} == expected


def test_of_no_images_nothing_is_asked():
    assert usages_of([]) == {}
    assert pages_by_image([]) == {}


def test_the_pages_of_each_image_are_those_that_are_live_the_newest_first():
    image, other, unused = plain_image(), plain_image(), plain_image()
    older, newer = page(photo=image), page(photo=image)
    older.save_revision().publish()
    newer.save_revision().publish()
    page(photo=image, live=False)
    by_snippet = person_page(Person.objects.create(portrait=other))
    found = pages_by_image([image, other, unused])
    assert {key: [each.pk for each in pages] for key, pages in found.items()} == {
        image.pk: [newer.pk, older.pk],
        other.pk: [by_snippet.pk],
        unused.pk: [],
    }


def test_the_pages_of_many_images_are_looked_up_in_as_many_queries_as_of_one(
    django_assert_num_queries,
):
    images = [plain_image() for _ in range(5)]
    for each in images:
        page(photo=each)
    pages_by_image(images)
    with CaptureQueriesContext(connection) as one:
        pages_by_image(images[:1])
    with django_assert_num_queries(len(one)):
        assert all(pages_by_image(images).values())


def test_what_concerns_many_images_is_asked_in_as_many_queries_as_for_one(
    django_assert_num_queries,
):
    people_only = Collection.get_first_root_node().add_child(name="People only")
    CollectionViewRestriction.objects.create(collection=people_only, restriction_type="login")
    shown, private, opted_out = plain_image(), plain_image(collection=people_only), plain_image()
    OptOut.objects.create(image=opted_out)
    person_page(Person.objects.create(portrait=shown))
    page(photo=private)
    page(photo=opted_out, live=False)
    images = [shown, private, opted_out]
    ImageFacts.for_images([shown])
    with CaptureQueriesContext(connection) as one:
        ImageFacts.for_images([shown])
    with django_assert_num_queries(len(one)):
        many = ImageFacts.for_images(images)
    assert many == {image.pk: ImageFacts.for_image(image) for image in images}
    assert [(about.is_private, about.opted_out, about.uses) for about in many.values()] == [
        (False, False, Usage.PUBLISHED),
        (True, False, Usage.PUBLISHED),
        (False, True, Usage.UNPUBLISHED),
    ]
