"""What clients of the API are told: the picture, whether it is recomposed, and whether to wait."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from support.factories import candidate, live, plain_image, recomposition
from testapp.models import StoryPage
from wagtail import VERSION
from wagtail.api import APIField
from wagtail.images import get_image_model
from wagtail.images.api.fields import ImageRenditionField
from wagtail.models import Page

from wagtail_smart_resize.api.fields import SmartRenditionField
from wagtail_smart_resize.editorial.reasons import prefetch_reasons
from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.purchasing import demand

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("testapp.api_urls"),
]

SPEC = "smartresize-400x400"
needs_v3 = pytest.mark.skipif(VERSION < (8, 0), reason="Wagtail has its API v3 since 8.0")
#: Queries are counted as a visitor's are, who has no transaction.
as_a_visitor = pytest.mark.django_db(transaction=True)
VERSIONS = ["v2", pytest.param("v3", marks=needs_v3)]


def fresh(image):
    return get_image_model().objects.get(pk=image.pk)


def go_live(image):
    """In the place of what was wanted when the requests ended."""
    Recomposition.objects.filter(image_id=image.pk).delete()
    live(image)


@pytest.fixture
def image():
    return plain_image()


@pytest.fixture
def story(image):
    body = json.dumps([{"type": "card", "value": image.pk}])
    return Page.objects.get(depth=2).add_child(
        instance=StoryPage(title="Story", slug="story", photo=image, body=body)
    )


@pytest.fixture
def detail(client, story):
    def detail(version):
        response = client.get(f"/api/{version}/pages/{story.pk}/")
        assert response.status_code == 200
        return response.json()

    return detail


# The field


@pytest.mark.parametrize("spec", [SPEC, "fill-300x300"])
def test_it_gives_all_that_wagtails_field_gives(image, spec):
    image.description = "A photo"
    given = SmartRenditionField(spec).to_representation(image)
    theirs = ImageRenditionField(spec).to_representation(image)
    assert dict(theirs) == {
        key: value for key, value in given.items() if key not in {"recomposed", "pending"}
    }
    assert given["alt"] == image.default_alt_text


def test_the_alternative_text_is_that_of_the_block(image):
    image.contextual_alt_text, image.decorative = "A rocket", False
    assert SmartRenditionField(SPEC).to_representation(image)["alt"] == "A rocket"
    image.decorative = True
    assert SmartRenditionField(SPEC).to_representation(image)["alt"] == ""


def test_it_tells_the_reason_only_where_it_is_asked_to(image):
    recomposition(image, waiting_reason="budget")
    assert "reason" not in SmartRenditionField(SPEC).to_representation(image)
    given = SmartRenditionField(SPEC, with_reason=True).to_representation(image)
    assert (given["reason"], type(given["reason"])) == ("budget", str)
    assert (given["recomposed"], given["pending"]) == (False, False)


def test_a_missing_file_is_an_error_and_no_more(image):
    image.file.storage.delete(image.file.name)
    field = SmartRenditionField(SPEC, with_reason=True)
    assert field.to_representation(image) == {"error": "SourceImageIOError"}


def test_an_svg_may_be_preserved(image, monkeypatch):
    monkeypatch.setattr(type(image), "is_svg", lambda self: True)
    field = SmartRenditionField(SPEC, preserve_svg=True, with_reason=True)
    given = field.to_representation(image)
    fill = image.get_rendition(SPEC.replace("smartresize", "fill"))
    assert (given["width"], given["reason"]) == (fill.width, "svg")


@as_a_visitor
@pytest.mark.parametrize("has_candidate", [False, True])
def test_it_asks_one_query_more_than_wagtails_where_nothing_is_live(image, has_candidate):
    if has_candidate:
        candidate(recomposition(image))
    fresh(image).get_rendition(SPEC)
    ours, theirs = (cost(field(SPEC), fresh(image)) for field in FIELDS)
    assert ours == theirs + 1


@as_a_visitor
def test_it_asks_none_more_where_something_is_live_or_all_was_prefetched(image):
    other = plain_image()
    live(image)
    for each in (image, other):
        fresh(each).get_rendition(SPEC)
    ours, theirs = (cost(field(SPEC), fresh(image)) for field in FIELDS)
    assert ours == theirs
    found = get_image_model().objects.filter(pk=other.pk)
    prefetched = found.prefetch_related(prefetch_reasons()).prefetch_renditions(SPEC).get()
    assert cost(SmartRenditionField(SPEC), prefetched) == 0


FIELDS = (SmartRenditionField, ImageRenditionField)


def cost(field, image):
    assert image.smart_resize is not None  # what every page asks for its first image
    with CaptureQueriesContext(connection) as captured:
        field.to_representation(image)
    return len(captured)


# Wagtail's APIs


@pytest.mark.parametrize("version", VERSIONS)
def test_clients_are_told_what_is_shown_and_when_to_recheck(version, detail, image):
    first = detail(version)["smart"]
    assert (first["recomposed"], first["pending"]) == (False, True)
    go_live(image)
    after = detail(version)["smart"]
    assert (after["recomposed"], after["pending"]) == (True, False)
    assert after["url"] != first["url"]
    assert after["alt"] == first["alt"] == image.default_alt_text
    assert {"recomposed", "pending", "reason"}.isdisjoint(detail(version)["plain"])


@pytest.mark.parametrize("version", VERSIONS)
def test_clients_are_told_why(version, detail, image):
    assert detail(version)["smart_and_why"]["reason"] == "pending"
    Recomposition.objects.update(waiting_reason="enough_kept")
    told = detail(version)["smart_and_why"]
    assert (told["reason"], told["recomposed"], told["pending"]) == ("enough_kept", False, False)
    go_live(image)
    assert detail(version)["smart_and_why"]["reason"] == "recomposed"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_block_may_say_the_same(version, detail, image):
    assert detail(version)["body"][0]["value"]["recomposed"] is False
    go_live(image)
    told = detail(version)["body"][0]["value"]
    assert told["recomposed"] is True
    assert told["url"] == detail(version)["smart"]["url"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_page_without_the_image_is_told_as_by_wagtails_field(version, detail, story):
    StoryPage.objects.update(photo=None)
    told = detail(version)
    assert told["smart"] == told["plain"]
    assert told["smart_and_why"] == told["plain"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_missing_file_breaks_no_answer(version, detail, image):
    image.file.storage.delete(image.file.name)
    told = detail(version)
    assert told["smart"] == told["plain"] == {"error": "SourceImageIOError"}


def test_a_listing_tells_it_too(client, story, image):
    go_live(image)
    listed = client.get("/api/v2/pages/?type=testapp.StoryPage&fields=smart,smart_and_why").json()
    told = listed["items"][0]
    assert told["smart"]["recomposed"] is True
    assert told["smart_and_why"]["reason"] == "recomposed"


@as_a_visitor
@pytest.mark.parametrize("endpoint", ["gallery", "images"])
def test_a_listing_of_images_tells_it_of_each(client, image, monkeypatch, endpoint):
    card = APIField("card", serializer=SmartRenditionField(SPEC, source="*"))
    monkeypatch.setattr(get_image_model(), "api_fields", [card], raising=False)
    live(image)
    costs = []
    for number in (2, 5):
        while get_image_model().objects.count() < number:
            plain_image()
        listed(client, endpoint)  # makes the renditions
        demand.write_noted_demand()
        with CaptureQueriesContext(connection) as captured:
            cards = listed(client, endpoint)
        costs.append(len(captured))
        assert [card["recomposed"] for card in cards] == [True] + [False] * (number - 1)
        assert [card["pending"] for card in cards] == [False] + [True] * (number - 1)
    # One more for each image, where the listing prefetches nothing.
    assert costs[1] - costs[0] == (0 if endpoint == "gallery" else 3)


def listed(client, endpoint):
    answer = client.get(f"/api/v2/{endpoint}/?fields=_,card&order=id").json()
    return [each["card"] for each in answer["items"]]


@needs_v3
def test_the_schema_of_v3_names_the_fields():
    from wagtail.api.v3.registry import registry

    schemas = registry.get_type_schemas("testapp.StoryPage")["read"]["$defs"]
    assert "SmartRenditionError" in schemas
    named = schemas["SmartRendition"]
    assert named["properties"]["recomposed"]["type"] == "boolean"
    assert {"recomposed", "pending", "url", "alt"} <= {*named["required"]}
    assert "reason" not in named["required"]
