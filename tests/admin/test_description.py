"""The text that stands for an image, shown beside pictures that it may no longer describe."""

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse
from support.factories import candidate, live, photo, recomposition

pytestmark = pytest.mark.django_db

NOTICE = 'class="smart-resize-note smart-resize-description"'


@pytest.fixture
def screen(client):
    client.force_login(get_user_model().objects.create_superuser("ada", "ada@example.org", "x"))

    def screen(image):
        address = reverse("smart_resize_admin:image", args=[image.pk])
        return client.get(address).content.decode()

    return screen


def test_it_stands_below_the_pictures_and_in_the_comparison(screen):
    image = photo(title="astronaut.png", description="A portrait with a flag and a model")
    live(image)
    assert screen(image).count(NOTICE) == 2
    assert screen(image).count('<q dir="auto">A portrait with a flag and a model</q>') == 2


def test_without_a_description_it_is_the_title_which_then_stands_for_the_image(screen):
    image = photo(title="An astronaut & her flag")
    live(image)
    assert '<q dir="auto">An astronaut &amp; her flag</q>' in screen(image)


def test_each_candidate_is_compared_beside_it(screen):
    image = photo(description="A portrait")
    row = recomposition(image)
    candidate(row)
    candidate(row)
    assert screen(image).count(NOTICE) == 3


def test_nothing_is_asked_where_there_is_only_the_crop(screen):
    image = photo(description="A portrait")
    recomposition(image)
    assert NOTICE not in screen(image)


def test_choosing_a_picture_leaves_the_texts_alone(client, screen):
    image = photo(title="astronaut.png", description="A portrait")
    row = recomposition(image)
    chosen = candidate(row)
    screen(image)
    answer = client.post(
        reverse("smart_resize_admin:choose", args=[image.pk]), {"row": row.pk, "choice": chosen.pk}
    )
    assert answer.status_code == 302
    row.refresh_from_db()
    assert row.live_id == chosen.pk
    image.refresh_from_db()
    assert (image.title, image.description) == ("astronaut.png", "A portrait")


def test_it_stands_in_the_review_queue_where_the_heading_does_not_say_it(screen, client, settings):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "REVIEW": True}
    for image in (photo(title="A", description="A portrait"), photo(title="B")):
        row = recomposition(image, purchase="idle")
        candidate(row)
    screen(image)
    queue = client.get(reverse("smart_resize_admin:review")).content.decode()
    assert queue.count("smart-resize-review__entry") == 2
    assert queue.count(NOTICE) == 1
    assert '<q dir="auto">A portrait</q>' in queue
