"""Which pages show a shape is noted when they ask for it."""

import pytest
from support.factories import photo, published_page, recomposition
from support.purchases import again, only

from wagtail_smart_resize.core.sizes import Slot
from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.purchasing import demand, plan
from wagtail_smart_resize.renditions import demand_notes, request_tracking
from wagtail_smart_resize.renditions.request_tracking import ServedPage

pytestmark = pytest.mark.django_db

SLOT = Slot.parse("400x400")


def ask(image, *keys, by="template"):
    for key in keys:
        page = ServedPage(key, "blog.articlepage")
        demand.record_demand(image, [SLOT], "", by=by, page=page)


def pages_of(row):
    return [key for key, _model in again(row).shown_on]


def test_the_page_that_a_visitor_views_is_noted(client):
    page = published_page(photo())
    assert client.get(page.get_url()).status_code == 200
    assert only(Recomposition).shown_on == [[page.pk, "testapp.picturepage"]]


def test_what_is_no_page_of_wagtails_is_none_though_the_thread_has_served_one(client):
    page, other = published_page(photo()), photo()
    client.get(page.get_url())
    client.get("/robots.txt")
    request_tracking.note_shown(other.pk)
    assert request_tracking.page_showing(other.pk) is None
    assert request_tracking.page_showing(page.photo.pk) is None


def test_an_image_that_the_page_does_not_show_is_not_on_it(client):
    page, other = published_page(photo()), photo()
    demand_notes.note_demand(other.pk, "200x400", "")
    client.get(page.get_url())
    assert Recomposition.objects.get(image=other).shown_on == []
    assert Recomposition.objects.get(image=page.photo).shown_on


def test_further_pages_are_added_the_newest_first_and_none_twice():
    image = photo()
    ask(image, 1, 2, 1)
    assert pages_of(only(Recomposition)) == [2, 1]


def test_they_are_bounded():
    image = photo()
    ask(image, *range(Recomposition.MAX_PAGES + 5))
    assert len(pages_of(only(Recomposition))) == Recomposition.MAX_PAGES
    assert pages_of(only(Recomposition))[0] == Recomposition.MAX_PAGES + 4


def test_a_page_that_is_known_costs_no_write(django_assert_num_queries):
    image = photo()
    ask(image, 1)
    with django_assert_num_queries(1):
        ask(image, 1)


def test_rows_that_are_joined_keep_the_pages_of_both():
    image = photo()
    row = recomposition(image, "400x400", shown_on=[[1, "blog.articlepage"]])
    other = recomposition(image, "404x400", shown_on=[[2, "blog.articlepage"]])
    plan.join(row, other)
    assert pages_of(other) == [2, 1]
