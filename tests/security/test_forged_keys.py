"""Numbers, texts and tokens that no screen of ours has sent: refused, whatever they are."""

import uuid

import pytest
from django.core import signing
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from support import bulk_action
from support.factories import candidate, plain_image, recomposition

from wagtail_smart_resize.admin.urls import urlpatterns
from wagtail_smart_resize.models import Candidate, GatewayRequest, Recomposition
from wagtail_smart_resize.purchasing import source_image

pytestmark = pytest.mark.django_db

#: More than 64 bits, more digits than Python converts, other digits and what looks like a number.
FORGED = {
    "30 digits": "9" * 30,
    "5,000 digits": "9" * 5000,
    "2 to the 63": str(2**63),
    "negative": "-1",
    "very negative": "-" + "9" * 30,
    "zero": "0",
    "arabic digits": "١٢٣",
    "superscript": "²",
    "a fraction": "1.5",
    "exponent": "1e9",
    "infinity": "inf",
    "underscores": "1_0",
    "a zero byte": "1\0",
    "a word": "None",
    "nothing": "",
    "a UUID": "6f9619ff-8b86-d011-b42d-00c04fc964ff",
}
REFUSED = {200, 302, 400, 403, 404, 422}


@pytest.fixture(autouse=True)
def review_mode(settings):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "REVIEW": True}


@pytest.fixture
def waiting(people):
    row = recomposition(plain_image(collection=people.here), "400x400", purchase="idle")
    candidate(row)
    return row


def unchanged():
    return [
        list(model.objects.order_by("pk").values())
        for model in (Recomposition, Candidate, GatewayRequest)
    ]


def posts(row, forged):
    """Each form that names rows by a key, with the forged one in each place."""
    key, now = str(uuid.uuid4()), timezone.now().isoformat()
    image = {"image_id": row.image_id}
    return [
        ("review_selected", {}, {"candidates": [forged, forged]}),
        ("review_decide", {"pk": row.pk}, {"approve": forged}),
        ("choose", image, {"row": row.pk, "choice": forged}),
        ("choose", image, {"row": forged, "choice": "crop"}),
        ("undo", image, {"decisions": [forged, f"{forged} {now}", f"{row.pk} {forged}"]}),
        ("review_undo", {}, {"decisions": [forged, f"{forged} {now}", f"{row.pk} {forged}"]}),
        ("call_off", image, {"row": forged}),
        ("try_now", image, {"row": forged}),
        ("failed", image, {"row": forged, "action": "dismiss", "key": key}),
        ("failed", image, {"row": row.pk, "action": "dismiss", "key": forged}),
        ("make", image, {"what": forged, "candidates": "1", "resolution": "2K", "key": key}),
        ("make", image, {"what": "300x300", "candidates": forged, "seed": forged, "key": forged}),
    ]


@pytest.mark.security("Forged keys")
@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_a_forged_key_in_a_form_changes_nothing(admin, waiting, forged):
    before = unchanged()
    for name, arguments, data in posts(waiting, forged):
        address = reverse(f"smart_resize_admin:{name}", kwargs=arguments)
        assert admin.post(address, data).status_code in REFUSED, (name, data)
    assert unchanged() == before


@pytest.mark.security("Forged keys")
@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_a_forged_key_in_an_address_is_not_found(admin, waiting, forged):
    before = unchanged()
    for pattern in urlpatterns:
        for place in pattern.pattern.converters:
            keys = {"image_id": waiting.image_id, "pk": 1, "key": "any-1000", "page_id": 1}
            keys[place] = forged
            arguments = {name: keys[name] for name in pattern.pattern.converters}
            try:
                address = reverse(f"smart_resize_admin:{pattern.name}", kwargs=arguments)
            except NoReverseMatch:
                continue
            for send in (admin.get, admin.post):
                response = send(address)
                if pattern.name == "may_see" and response.status_code == 200:
                    assert response.json() == {"may_see": False}
                    continue
                assert response.status_code in {302, 404, 405}, (pattern.name, place)
    assert unchanged() == before


@pytest.mark.security("Forged keys")
@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_a_forged_key_in_a_query_is_refused(admin, waiting, forged):
    bulk = bulk_action.address().rstrip("?")
    report, review = (reverse(f"smart_resize_admin:{name}") for name in ("report", "review"))
    may_see, image, make = (
        reverse(f"smart_resize_admin:{name}", args=[waiting.image_id])
        for name in ("may_see", "image", "make")
    )
    for address, query in [
        (bulk, {"id": forged}),
        (bulk, {"id": [waiting.image_id, forged]}),
        (bulk, {"id": "all", "childOf": forged}),
        (report, {"batch": forged}),
        (report, {"collection": forged, "asked_by": forged, "p": forged}),
        (review, {"p": forged}),
        (may_see, {"id": forged}),
        (image, {"place": forged, "size": forged}),
        (make, {"what": forged}),
        (make, {"what": "300x300", "from": forged}),
    ]:
        assert admin.get(address, query).status_code in REFUSED, (address, query)


@pytest.mark.security("Forged keys")
@pytest.mark.parametrize(
    "content",
    [
        *FORGED.values(),
        None,
        True,
        1.5,
        [],
        [1],
        [1, 2, 3],
        {"a": 1},
        {"a": 1, "b": 2},
        [None, None],
        [{}, []],
        [10**30, "x"],
        ["9" * 5000, "x"],
        [1, {"gt": 0}],
        [1, "\0"],
        "ab",
    ],
)
def test_what_else_is_signed_with_our_salt_is_no_token(client, content):
    token = signing.dumps(content, salt=source_image.SALT)
    for send in (client.get, client.head):
        response = send(reverse("smart_resize:source", kwargs={"token": token}))
        assert response.status_code == 404


@pytest.mark.security("Forged keys")
def test_an_image_model_with_other_keys_takes_only_those(admin, waiting):
    """What is no number is no key of this model, and not found rather than an error."""
    for text in ("x", "1x", "--", "1%2F2"):
        assert admin.get(f"/admin/images/{text}/smart-resize/").status_code == 404
