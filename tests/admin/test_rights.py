"""Every address of ours in the admin, before five people: who gets in, and who changes something.

What each does for those who may is told by the tests of its screen.
"""

import datetime as dt
import uuid
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.urls import reverse
from django.utils import timezone
from support.factories import candidate, plain_image, recomposition

from wagtail_smart_resize.admin.image import focal
from wagtail_smart_resize.admin.urls import urlpatterns
from wagtail_smart_resize.integrity import extra
from wagtail_smart_resize.integrity.report import Box
from wagtail_smart_resize.purchasing import own_pixels

pytestmark = pytest.mark.django_db

#: Each address: what its arguments are, and whom it lets in. Those of an image are for the people
#: of its collection; the report and the queue are for all who have the right somewhere, and show
#: to each theirs.
OF_AN_IMAGE = {"superuser", "editor"}
ANYWHERE = {"superuser", "editor", "elsewhere"}
LOOKING = {
    "image": (("image",), OF_AN_IMAGE),
    "progress": (("image",), OF_AN_IMAGE),
    "candidate": (("image", "candidate"), OF_AN_IMAGE),
    # Answers which of the people's own images they may open: a look at none is no secret.
    "may_see": (("image",), ANYWHERE | {"outsider"}),
    "room": (("image", "place"), OF_AN_IMAGE),
    "match": (("image", "candidate"), OF_AN_IMAGE),
    "focal_suggestion": (("image",), OF_AN_IMAGE),
    "history": (("image",), OF_AN_IMAGE),
    "history_results": (("image",), OF_AN_IMAGE),
    "report": ((), ANYWHERE),
    "report_results": ((), ANYWHERE),
    "review": ((), ANYWHERE),
    "review_entry": (("waiting",), OF_AN_IMAGE),
}
#: Of these, what scripts alone are shown: others are led to the screen that it is a part of.
FETCHED = {"room", "review_entry", "focal_suggestion"}
#: Those of a page are for its editors: see test_page_strip.
OF_A_PAGE = {"page_places", "page_preview"}
#: Each address that acts: its arguments, and a post that would change something.
ACTING = {
    "make": (
        ("image",),
        {"what": "400x300", "candidates": "1", "resolution": "2K", "override_rules": "True"},
    ),
    "choose": (("image",), {"choice": "crop"}),
    "own_pixels": (("image",), {"version": "candidate"}),
    "undo": (("image",), {"decisions": "decided"}),
    "failed": (("image",), {"action": "dismiss"}),
    "call_off": (("image",), {}),
    "try_now": (("image",), {}),
    "crop_everywhere": (("image",), {}),
    "focal_area": (("image",), {"left": 10, "top": 10, "width": 100, "height": 100}),
    "buying": ((), {}),
    "opt_out": (("image",), {"reason": "Ours alone."}),
    "review_decide": (("waiting",), {"decline": "1"}),
    "review_selected": ((), {"candidates": "candidate", "confirm": "1"}),
    "review_undo": ((), {"decisions": "decided"}),
}
PEOPLE = ["superuser", "editor", "elsewhere", "outsider", "anonymous"]


@pytest.fixture(autouse=True)
def review_mode(settings):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "REVIEW": True}


@pytest.fixture(autouse=True)
def no_pixels(monkeypatch):
    """Let a version with own pixels be stored, with or without the extra that lays them."""
    monkeypatch.setattr(extra, "is_installed", lambda: True)
    monkeypatch.setattr(focal, "suggested_area", lambda image: Box(0, 0, 40, 40))
    monkeypatch.setattr(
        own_pixels,
        "keep_pixels",
        lambda version, image: candidate(version.recomposition, derived_from=version),
    )


@pytest.fixture
def things(people):
    """An image, a shape of it that failed, one that awaits review, that one's candidate, and a
    shape on which somebody has just decided."""
    image = plain_image(collection=people.here)
    failed = recomposition(image, "400x300", purchase="failed", failure_code="unknown")
    waiting = recomposition(image, "400x400", purchase="idle")
    decided = recomposition(image, "600x200", purchase="idle")
    decided.choose(None, None, timezone.now() + dt.timedelta(minutes=1))
    return {
        "image": image,
        "place": SimpleNamespace(pk="any-1000"),
        "decided": decided,
        "failed": failed,
        "waiting": waiting,
        "wanted": recomposition(image, "300x400"),
        "candidate": candidate(waiting, original_box=[]),
    }


def address(name, arguments, things):
    return reverse(f"smart_resize_admin:{name}", args=[things[each].pk for each in arguments])


def sit_down(client, people, name, things):
    """Log this person in, who is the one that has just decided."""
    if name != "anonymous":
        user = getattr(people, name)
        client.force_login(user)
        things["decided"].update_if(where={}, decided_by=user)


def everything():
    """All rows of ours, and the log's."""
    models = [*apps.get_app_config("wagtail_smart_resize").get_models()]
    models.append(apps.get_model("wagtailcore", "ModelLogEntry"))
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}


def filled(name, post, things):
    data = {"row": things["failed"].pk, "key": uuid.uuid4(), **post}
    data["source"] = things["image"].file_hash
    if name in {"call_off", "try_now"}:
        data["row"] = things["wanted"].pk
    if name == "choose":
        data["row"] = things["waiting"].pk
    if name == "own_pixels":
        data["version"] = things["candidate"].pk
    if name == "review_selected":
        data["candidates"] = things["candidate"].pk
    if name in {"undo", "review_undo"}:
        decided = things["decided"]
        data["decisions"] = f"{decided.pk} {decided.decided_at.isoformat()}"
    return data


def test_no_address_is_left_out():
    names = {pattern.name for pattern in urlpatterns}
    assert names == set(LOOKING) | set(ACTING) | OF_A_PAGE


@pytest.mark.security("People without the right")
@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("name", LOOKING)
def test_each_sees_what_is_theirs_and_looking_changes_nothing(client, people, things, name, who):
    arguments, allowed = LOOKING[name]
    sit_down(client, people, who, things)
    before = everything()
    response = client.get(address(name, arguments, things))
    seen = who in allowed and name not in FETCHED
    assert response.status_code == (200 if seen else 302)
    assert everything() == before


@pytest.mark.security("People without the right")
@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("name", sorted(FETCHED))
def test_scripts_are_shown_the_parts_of_a_screen_for_the_same_people(
    client, people, things, name, who
):
    arguments, allowed = LOOKING[name]
    sit_down(client, people, who, things)
    before = everything()
    fetched = {"X-Requested-With": "XMLHttpRequest"}
    response = client.get(address(name, arguments, things), headers=fetched)
    expected = {200} if who in allowed else {403, 404}
    assert response.status_code in expected
    assert everything() == before


@pytest.mark.security("People without the right")
@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("name", ACTING)
def test_a_look_at_what_acts_changes_nothing(client, people, things, name, who):
    sit_down(client, people, who, things)
    before = everything()
    response = client.get(
        address(name, ACTING[name][0], things), filled(name, ACTING[name][1], things)
    )
    # What is asked for is asked for in a form.
    shown = name == "make" and who in OF_AN_IMAGE
    assert response.status_code in ({200} if shown else {302, 405})
    assert everything() == before


@pytest.mark.security("People without the right")
@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("name", ACTING)
def test_a_post_changes_something_for_those_who_may_and_for_nobody_else(
    client, people, things, name, who
):
    arguments, post = ACTING[name]
    sit_down(client, people, who, things)
    before = everything()
    response = client.post(address(name, arguments, things), filled(name, post, things))
    assert response.status_code == 302
    # All buying is stopped by whoever may approve in any collection.
    allowed = [*OF_AN_IMAGE, "elsewhere"] if name == "buying" else OF_AN_IMAGE
    assert (everything() != before) is (who in allowed)


@pytest.mark.security("People without the right")
@pytest.mark.parametrize("name", ACTING)
def test_a_post_without_a_token_is_forged(client, people, things, name):
    from django.test import Client

    careful = Client(enforce_csrf_checks=True)
    careful.force_login(people.superuser)
    before = everything()
    arguments, post = ACTING[name]
    response = careful.post(address(name, arguments, things), filled(name, post, things))
    assert response.status_code == 403
    assert everything() == before
