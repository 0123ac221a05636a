"""The text that stands for an image, shown beside versions that it may no longer describe."""

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse
from support.factories import candidate, live, photo, recomposition

pytestmark = pytest.mark.django_db

FETCHED = {"X-Requested-With": "XMLHttpRequest"}


@pytest.fixture
def room(client):
    client.force_login(get_user_model().objects.create_superuser("ada", "ada@example.org", "x"))

    def room(image):
        address = reverse("smart_resize_admin:room", args=[image.pk, "any-1000"])
        return client.get(address, headers=FETCHED).content.decode()

    return room


def test_it_stands_in_the_room_in_which_versions_are_compared(room):
    image = photo(title="astronaut.png", description="A portrait with a flag and a model")
    live(image)
    html = room(image)
    assert html.count('<q dir="auto">A portrait with a flag and a model</q>') == 1
    assert "Does it still fit?" in html
    assert f'href="{reverse("wagtailimages:edit", args=[image.pk])}"' in html


def test_without_a_description_it_is_the_title_which_then_stands_for_the_image(room):
    image = photo(title="An astronaut & her flag")
    live(image)
    assert '<q dir="auto">An astronaut &amp; her flag</q>' in room(image)


def test_choosing_a_version_leaves_the_texts_alone(client, room):
    image = photo(title="astronaut.png", description="A portrait")
    row = recomposition(image)
    chosen = candidate(row)
    room(image)
    answer = client.post(
        reverse("smart_resize_admin:choose", args=[image.pk]), {"row": row.pk, "choice": chosen.pk}
    )
    assert answer.status_code == 302
    row.refresh_from_db()
    assert row.live_id == chosen.pk
    image.refresh_from_db()
    assert (image.title, image.description) == ("astronaut.png", "A portrait")


def test_it_stands_in_the_review_queue_where_the_heading_does_not_say_it(room, client, settings):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "REVIEW": True}
    described, plain = (photo(title="A", description="A portrait"), photo(title="B"))
    for image in (described, plain):
        candidate(recomposition(image, purchase="idle"))
    room(described)
    assert '<q dir="auto">A portrait</q>' in entry(client, described)
    assert "Described as" not in entry(client, plain)


def entry(client, image):
    row = image.smart_resize_recompositions.get()
    url = reverse("smart_resize_admin:review_entry", args=[row.pk])
    return client.get(url, headers=FETCHED).content.decode()
