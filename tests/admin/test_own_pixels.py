"""The button that puts the photograph's own pixels back."""

import pytest
from django.urls import reverse
from support.factories import candidate, plain_image, recomposition
from wagtail.models import ModelLogEntry

from wagtail_smart_resize.admin.audit_log import FORMATTERS
from wagtail_smart_resize.editorial import own_pixels as by_hand
from wagtail_smart_resize.exceptions import SourceUnavailable
from wagtail_smart_resize.integrity import extra
from wagtail_smart_resize.integrity.report import Measures, Reason, Report
from wagtail_smart_resize.models import Candidate
from wagtail_smart_resize.purchasing import own_pixels
from wagtail_smart_resize.purchasing.own_pixels import CantKeepPixels

pytestmark = pytest.mark.django_db

BY_SCRIPT = {"X-Requested-With": "XMLHttpRequest"}
MATRIX = (0.5, 0.0, 200.0, 0.0, 0.5, 100.0)
FOUND = Report(Measures(found=True, scale=0.5, matrix=MATRIX, agreement=0.7), (Reason.REDRAWN,))
MIRRORED = Report(Measures(found=True, mirrored=True, matrix=MATRIX), (Reason.MIRRORED,))
NOT_FOUND = Report(Measures(found=False), (Reason.NOT_FOUND,))


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    monkeypatch.setattr(extra, "is_installed", lambda: True)


@pytest.fixture
def image(people):
    return plain_image(collection=people.here)


def version_of(image, report=FOUND):
    row = recomposition(image, "400x400", purchase="idle")
    facts = {"report": report.to_json(), "passed": report.passed} if report else {}
    return candidate(row, size=(800, 800), **facts)


@pytest.fixture
def laid(monkeypatch):
    """Let a derived version be stored without any pixels being laid."""

    def lay(version, image):
        own = {"area": [0, 0, 9, 9], "share": 0.314, "seam": 0.4, "passed": False, "focus": None}
        return candidate(version.recomposition, derived_from=version, own_pixels=own)

    monkeypatch.setattr(own_pixels, "keep_pixels", lay)


def press(client, of, by_script=True, **fields):
    url = reverse("smart_resize_admin:own_pixels", args=[of.recomposition.image_id])
    headers = BY_SCRIPT if by_script else None
    return client.post(url, {"version": of.pk, **fields}, headers=headers)


def room_of(client, image, **query):
    url = reverse("smart_resize_admin:room", args=[image.pk, "any-1000"])
    return client.get(url, query, headers=BY_SCRIPT).content.decode()


def test_a_version_is_made_and_its_room_opens(client, people, image, laid):
    client.force_login(people.editor)
    version = version_of(image)
    answer = press(client, version).json()
    derived = Candidate.objects.get(derived_from=version)
    assert answer["text"].startswith("The photograph's own pixels are back")
    assert answer["open"].endswith(f"/places/any-1000/?version={derived.pk}")
    html = client.get(answer["open"], headers=BY_SCRIPT).content.decode()
    assert 'data-smart-resize-room-open-value="2"' in html
    assert "AI version 2 (own pixels)" in html
    assert "AI version 1, with 31 % of the picture from the photograph itself." in html
    assert "Look closely at where they meet" in html


def test_it_is_told_in_the_image_s_history(client, people, image, laid):
    client.force_login(people.editor)
    press(client, version_of(image))
    entry = ModelLogEntry.objects.get(action="smart_resize.own_pixels")
    assert entry.user == people.editor
    message = FORMATTERS[entry.action]().format_message(entry)
    assert message == "Own pixels put back, as AI version 2: 400×400"


def test_without_a_script_it_leads_back_to_the_image(client, people, image, laid):
    client.force_login(people.editor)
    response = press(client, version_of(image), by_script=False)
    assert response.url == reverse("smart_resize_admin:image", args=[image.pk])


@pytest.mark.parametrize("who", ["elsewhere", "outsider"])
def test_only_for_those_who_may_ask_for_versions(client, people, image, laid, who):
    client.force_login(getattr(people, who))
    assert press(client, version_of(image)).status_code in {302, 403, 404}
    assert not Candidate.objects.exclude(derived_from=None).exists()


@pytest.mark.parametrize("wrong", [{"version": ""}, {"version": "x"}, {"version": "999999"}])
def test_a_version_that_is_none(client, people, image, laid, wrong):
    client.force_login(people.editor)
    response = press(client, version_of(image), **wrong)
    assert response.status_code == 409
    assert "not there any more" in response.json()["text"]


def test_a_version_of_another_image_is_none(client, people, image, laid):
    client.force_login(people.editor)
    theirs = version_of(plain_image(collection=people.there))
    url = reverse("smart_resize_admin:own_pixels", args=[image.pk])
    response = client.post(url, {"version": theirs.pk}, headers=BY_SCRIPT)
    assert response.status_code == 409


@pytest.mark.parametrize("code", [*by_hand._WHY, "unsure"])
def test_why_it_can_t_be_is_said_in_words(client, people, image, monkeypatch, code):
    def refuse(*args):
        raise CantKeepPixels(code, "No.")

    monkeypatch.setattr(own_pixels, "keep_pixels", refuse)
    client.force_login(people.editor)
    response = press(client, version_of(image))
    assert response.status_code == 409
    assert response.json()["text"] == str(by_hand._WHY.get(code, by_hand._UNSURE))


def test_every_reason_of_the_check_s_has_words():
    refusal = pytest.importorskip("wagtail_smart_resize.integrity.refusal")
    assert {*by_hand._WHY, "unsure"} == {*refusal.Why, "unchecked"}


@pytest.mark.parametrize("error", [OSError("gone"), SourceUnavailable("storage", "It failed.")])
def test_a_picture_that_can_t_be_read_is_said_so(client, people, image, monkeypatch, error):
    def fail(*args):
        raise error

    monkeypatch.setattr(own_pixels, "keep_pixels", fail)
    client.force_login(people.editor)
    response = press(client, version_of(image))
    assert response.status_code == 409
    assert response.json()["text"] == "A picture can't be read now."


def test_without_the_extra_it_is_refused(client, people, image, monkeypatch):
    monkeypatch.setattr(extra, "is_installed", lambda: False)
    client.force_login(people.editor)
    assert "OpenCV" in press(client, version_of(image)).json()["text"]


def test_an_image_with_another_file_since_is_refused(client, people, image, laid):
    client.force_login(people.editor)
    version = version_of(image)
    image.file_hash = "0" * 40
    image.save()
    assert press(client, version).status_code == 409


OFFERED = [
    (FOUND, True, "it can be laid"),
    (MIRRORED, False, "mirrored"),
    (NOT_FOUND, False, "not found"),
    (None, False, "not checked"),
]


@pytest.mark.parametrize(("report", "is_offered", "why"), OFFERED)
def test_the_button_is_there_where_it_can_do_something(
    client, people, image, report, is_offered, why
):
    client.force_login(people.editor)
    version_of(image, report)
    assert ("own pixels back" in room_of(client, image)) == is_offered, why


def test_not_for_a_version_that_has_them_already(client, people, image, laid):
    client.force_login(people.editor)
    press(client, version_of(image))
    assert room_of(client, image).count("own pixels back") == 1


def test_nor_without_the_extra(client, people, image, monkeypatch):
    monkeypatch.setattr(extra, "is_installed", lambda: False)
    client.force_login(people.editor)
    version_of(image)
    assert "own pixels back" not in room_of(client, image)
