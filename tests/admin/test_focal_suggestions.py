"""Focal areas that faces suggest: offered to editors, and saved by nobody else."""

import pytest
from django.urls import reverse
from support.bulk_action import address
from support.factories import photo, plain_image
from wagtail.admin.views.bulk_action.registry import bulk_action_registry as registry
from wagtail.images import get_image_model
from wagtail.models import ModelLogEntry

from wagtail_smart_resize.admin.bulk import focal as bulk
from wagtail_smart_resize.admin.bulk.action import FocalBulkAction
from wagtail_smart_resize.admin.image import focal
from wagtail_smart_resize.editorial import focal_areas
from wagtail_smart_resize.editorial.focal_areas import save, suggested_area
from wagtail_smart_resize.integrity import extra
from wagtail_smart_resize.integrity.report import Box

pytestmark = pytest.mark.django_db

BY_SCRIPT = {"X-Requested-With": "XMLHttpRequest"}
FACE = Box(100, 50, 200, 150)


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    monkeypatch.setattr(extra, "finds_faces", lambda: True)


@pytest.fixture
def image(people):
    return plain_image(collection=people.here)


@pytest.fixture
def found(monkeypatch):
    """Let these areas be suggested, by the images' titles."""

    def find(**areas):
        def area_of(image):
            return areas.get(image.title)

        monkeypatch.setattr(focal, "suggested_area", area_of)
        monkeypatch.setattr(bulk, "suggested_area", area_of)

    return find


def area_of(image):
    image.refresh_from_db()
    area = image.get_focal_point()
    return area and Box(*map(round, (area.left, area.top, area.width, area.height)))


def suggested(client, image, by_script=True):
    url = reverse("smart_resize_admin:focal_suggestion", args=[image.pk])
    return client.get(url, headers=BY_SCRIPT if by_script else None)


# On the image's screen


def test_the_screen_offers_it(client, people, image):
    client.force_login(people.editor)
    screen = reverse("smart_resize_admin:image", args=[image.pk])
    assert "Suggest one from faces" in client.get(screen).content.decode()


def test_not_where_no_faces_can_be_found(client, people, image, monkeypatch):
    monkeypatch.setattr(extra, "finds_faces", lambda: False)
    client.force_login(people.editor)
    screen = reverse("smart_resize_admin:image", args=[image.pk])
    assert "Suggest one from faces" not in client.get(screen).content.decode()


def test_the_area_is_told_and_not_saved(client, people, image, found):
    client.force_login(people.editor)
    found(**{image.title: FACE})
    assert suggested(client, image).json() == {"area": "100 50 200 150"}
    assert area_of(image) is None
    assert not ModelLogEntry.objects.exists()


def test_without_a_face_that_is_said(client, people, image, found):
    client.force_login(people.editor)
    found()
    response = suggested(client, image)
    assert response.status_code == 409
    assert response.json()["text"] == "No face was found that could be a focal area."


def test_without_a_script_it_leads_to_the_screen(client, people, image, found):
    client.force_login(people.editor)
    assert suggested(client, image, by_script=False).status_code == 302


# For many


@pytest.fixture
def images(people):
    return [plain_image(title=name, collection=people.here) for name in ("one", "two", "three")]


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """Have Wagtail know the action, which is registered where faces can be found."""
    meta = get_image_model()._meta
    registry.get_bulk_action_class(meta.app_label, meta.model_name, "smart_resize")
    known = registry.actions[meta.app_label][meta.model_name]
    monkeypatch.setitem(known, FocalBulkAction.action_type, FocalBulkAction)


def url_of(images):
    return address(*images, action="smart_resize_focal")


def test_each_image_with_a_face_is_offered(client, people, images, found):
    client.force_login(people.superuser)
    found(one=FACE, two=FACE)
    response = client.get(url_of(images))
    assert [offer["image"] for offer in response.context["offers"]] == images[:2]
    assert response.context["faceless"] == images[2:]
    html = response.content.decode()
    assert f'value="{images[0].pk} 100 50 200 150" checked' in html


def test_an_image_with_a_focal_area_keeps_it(client, people, images, found):
    client.force_login(people.superuser)
    found(one=FACE, two=FACE, three=FACE)
    save(images[0], (0, 0, 40, 40), people.superuser)
    response = client.get(url_of(images))
    assert response.context["has_one"] == 1
    assert [offer["image"] for offer in response.context["offers"]] == images[1:]
    client.post(url_of(images), {"area": f"{images[0].pk} 100 50 200 150"})
    assert area_of(images[0]) == Box(0, 0, 40, 40)


def test_so_many_are_looked_at_at_once(client, people, images, found, monkeypatch):
    monkeypatch.setattr(bulk, "MAX_IMAGES", 2)
    client.force_login(people.superuser)
    found(one=FACE, two=FACE, three=FACE)
    context = client.get(url_of(images)).context
    assert (len(context["offers"]), context["left"]) == (2, 1)


def test_what_is_ticked_is_saved_and_told_in_the_history(client, people, images, found):
    client.force_login(people.superuser)
    found(one=FACE, two=FACE, three=FACE)
    ticked = [f"{image.pk} 100 50 200 150" for image in images[:2]]
    client.post(url_of(images), {"area": ticked})
    assert [area_of(image) for image in images] == [FACE, FACE, None]
    assert ModelLogEntry.objects.filter(action="wagtail.edit").count() == 2


WRONG = ["", "x", "{pk}", "{pk} 1 2 3", "{pk} -5 0 10 10", "{pk} 0 0 9000 9000", "{pk} a b c d"]


@pytest.mark.parametrize("text", WRONG)
def test_a_form_that_says_something_else_saves_nothing(client, people, images, found, text):
    client.force_login(people.superuser)
    response = client.post(url_of(images), {"area": text.replace("{pk}", str(images[0].pk))})
    assert response.status_code == 302
    assert [area_of(image) for image in images] == [None] * 3


def test_an_image_that_was_not_selected_is_left_alone(client, people, images):
    client.force_login(people.superuser)
    client.post(url_of(images[:1]), {"area": f"{images[1].pk} 100 50 200 150"})
    assert area_of(images[1]) is None


# Looking


def test_without_the_extra_nothing_is_read(image, monkeypatch):
    monkeypatch.setattr(extra, "finds_faces", lambda: False)
    monkeypatch.setattr(focal_areas.source_image, "reduced_original", None)
    assert suggested_area(image) is None


def test_a_file_that_is_missing_has_no_faces(image):
    pytest.importorskip("cv2")
    image.file.storage.delete(image.file.name)
    assert suggested_area(image) is None


def test_the_face_of_a_photograph():
    pytest.importorskip("cv2")
    if extra.face_model() is None:
        pytest.skip("needs the extra faces")
    left, top, width, height = suggested_area(photo("astronaut.png"))
    # Her face lies around (220, 120) of 512.
    assert left < 190
    assert left + width > 250
    assert top < 80
    assert 150 < top + height < 330
