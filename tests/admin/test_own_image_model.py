"""A site's own image model, permission policy and form: all screens go by them.

`IMAGE_MODEL=yourimages.CustomImage` runs all tests with a model of the site's own.
"""

import io
import json
import re
import uuid
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import Group
from django.contrib.messages import get_messages
from django.urls import reverse
from support import bulk_action
from support.factories import candidate, picture, plain_image, recomposition
from support.people import editor, grant
from wagtail import VERSION as WAGTAIL_VERSION
from wagtail.images import get_image_model
from wagtail.models import Collection, GroupCollectionPermission
from yourimages.permissions import OwnImagesOnly

from wagtail_smart_resize import actions, compat
from wagtail_smart_resize.actions import ResizeTarget
from wagtail_smart_resize.models import BudgetPeriod, GatewayRequest, OptOut, Recomposition

pytestmark = pytest.mark.django_db

HOME = "/admin/"
OURS = ("smart_resize_recomposition", "approve_recomposition")


@pytest.fixture
def root():
    return Collection.get_first_root_node()


@pytest.fixture
def ada(root):
    """May change all images by Wagtail's rights, and has all of ours everywhere."""
    return editor("ada", root, OURS)


def wagtails_own(monkeypatch, user):
    """Who may add images may change those they have uploaded: that is all that Ada may."""
    changing = GroupCollectionPermission.objects.filter(permission__codename="change_image")
    changing.filter(group__user=user).delete()
    grant(Group.objects.get(user=user), Collection.get_first_root_node(), "add_image")


def changed_in_place(monkeypatch, user):
    """As sites do it for Wagtail before 8.0, whose modules hold on to the policy's object."""
    monkeypatch.setattr(compat.get_image_permission_policy(), "__class__", OwnImagesOnly)


def registered(monkeypatch, user):
    """As Wagtail 8.0 offers it; before, by the name that `wagtail.images` had for it."""
    model = get_image_model()
    policy = OwnImagesOnly(
        model, auth_model="wagtailimages.Image", owner_field_name="uploaded_by_user"
    )
    if WAGTAIL_VERSION >= (8, 0):
        from wagtail.permissions import policy_registry, register_permission_policy

        exactly = dict(policy_registry.values_by_exact_class)
        monkeypatch.setattr(policy_registry, "values_by_exact_class", exactly)
        register_permission_policy(model, policy, exact_class=True)
    else:
        monkeypatch.setattr("wagtail.images.permissions.permission_policy", policy)


@pytest.fixture(params=[wagtails_own, changed_in_place, registered], ids=lambda way: way.__name__)
def only_her_own(request, monkeypatch, ada):
    """Ada may change the images that she has uploaded, and no others."""
    request.param(monkeypatch, ada)


class Screens(NamedTuple):
    """An image with something to do on each of its screens."""

    image: Any
    failed: Any
    waiting: Any

    @classmethod
    def of(cls, image):
        failed = recomposition(image, "300x400", purchase="failed", failure_code="unknown")
        request = GatewayRequest.objects.create(
            image=image,
            source_hash=image.file_hash,
            resolution="2K",
            output_format="webp",
            images_per_size=1,
            status="unknown",
            request_id="r-1",
        )
        failed.update_if(where={}, request=request)
        return cls(image, failed, candidate(recomposition(image, purchase="idle")))

    def address(self, name, *args):
        return reverse(f"smart_resize_admin:{name}", args=[self.image.pk, *args])

    @property
    def edit(self):
        return reverse("wagtailimages:edit", args=[self.image.pk])

    def posts(self):
        """Every act, its address and what is sent."""
        choice = {"row": self.waiting.recomposition_id, "choice": self.waiting.pk}
        failure = {"row": self.failed.pk, "key": uuid.uuid4()}
        decide = reverse("smart_resize_admin:review_decide", args=[self.waiting.recomposition_id])
        return {
            "generate": (self.address("make"), generating(self.image)),
            "retry": (self.address("failed"), {**failure, "action": "retry"}),
            "look again": (self.address("failed"), {**failure, "action": "recheck"}),
            "leave": (self.address("failed"), {**failure, "action": "dismiss"}),
            "choose": (self.address("choose"), choice),
            "crop": (self.address("choose"), {**choice, "choice": "crop"}),
            "opt out": (self.address("opt_out"), {"reason": "She asked us."}),
            "opt in": (self.address("opt_out"), {"allow": "1"}),
            "approve": (decide, {"approve": self.waiting.pk}),
            "decline": (decide, {"decline": "1"}),
            "approve selected": (
                reverse("smart_resize_admin:review_selected"),
                {"candidates": [self.waiting.pk], "confirm": "1"},
            ),
        }


#: What follows from each act, and would not without it.
EFFECTS = {
    "generate": lambda mine: GatewayRequest.objects.exclude(batch=None).exists(),
    "retry": lambda mine: GatewayRequest.objects.exclude(batch=None).exists(),
    "look again": lambda mine: GatewayRequest.objects.get().status == "sent",
    "leave": lambda mine: again(mine.failed).purchase == "idle",
    "choose": lambda mine: again(mine.waiting.recomposition).live == mine.waiting,
    "crop": lambda mine: again(mine.waiting.recomposition).decision == "crop",
    "opt out": lambda mine: OptOut.objects.exists(),
    "opt in": lambda mine: not OptOut.objects.exists(),
    "approve": lambda mine: again(mine.waiting.recomposition).live == mine.waiting,
    "decline": lambda mine: again(mine.waiting.recomposition).decision == "crop",
    "approve selected": lambda mine: again(mine.waiting.recomposition).live == mine.waiting,
}
REVIEW = ["approve", "decline", "approve selected"]


def generating(image):
    data = {"what": "1080x1080", "prompt": "", "candidates": "1", "resolution": "2K"}
    return {**data, "source": image.file_hash, "key": uuid.uuid4()}


def again(row):
    row.refresh_from_db()
    return row


def prepare(act, screens, settings):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "REVIEW": act in REVIEW}
    if act == "opt in":
        OptOut.objects.create(image=screens.image)


@pytest.fixture
def mine(ada):
    return Screens.of(plain_image(uploaded_by_user=ada))


@pytest.fixture
def theirs(django_user_model):
    return Screens.of(plain_image(uploaded_by_user=django_user_model.objects.create_user("bob")))


@pytest.fixture
def client(client, ada):
    client.force_login(ada)
    return client


def text(response):
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


OF_ONE_IMAGE = ["image", "progress", "history", "history_results"]


class TestOnlyOnesOwn:
    @pytest.fixture(autouse=True)
    def policy(self, only_her_own):
        """In every test here."""

    @pytest.mark.parametrize("name", OF_ONE_IMAGE)
    def test_the_screens_of_her_image_are_shown_and_of_his_are_not(
        self, client, mine, theirs, name
    ):
        assert client.get(mine.address(name)).status_code == 200
        assert client.get(theirs.address(name)).url == HOME
        poll = {"X-Requested-With": "XMLHttpRequest"}
        assert client.get(theirs.address(name), headers=poll).status_code == 403

    def test_the_pictures_too(self, client, mine, theirs):
        assert client.get(mine.address("candidate", mine.waiting.pk)).status_code == 200
        assert client.get(theirs.address("candidate", theirs.waiting.pk)).url == HOME
        # Not by way of her own image, either.
        assert client.get(mine.address("candidate", theirs.waiting.pk)).status_code == 404

    def test_the_chooser_is_told(self, client, mine, theirs):
        answers = [client.get(each.address("may_see")).json() for each in (mine, theirs)]
        assert answers == [{"may_see": True}, {"may_see": False}]

    @pytest.mark.parametrize("act", EFFECTS)
    def test_what_she_does_with_her_own_is_done(self, client, mine, settings, act):
        prepare(act, mine, settings)
        assert not EFFECTS[act](mine)
        response = client.post(*mine.posts()[act])
        assert (response.status_code, response.url != HOME) == (302, True)
        assert EFFECTS[act](mine)
        assert client.get(response.url).status_code == 200

    @pytest.mark.parametrize("act", EFFECTS)
    def test_what_she_forges_for_his_changes_nothing(self, client, theirs, settings, act):
        prepare(act, theirs, settings)
        models = [Recomposition, GatewayRequest, BudgetPeriod, OptOut]
        before = [list(model.objects.order_by("pk").values()) for model in models]
        assert client.post(*theirs.posts()[act]).url == HOME
        assert [list(model.objects.order_by("pk").values()) for model in models] == before

    def test_the_edit_page_leads_on_from_hers_alone(self, client, mine, theirs):
        html = text(client.get(mine.edit))
        assert html.count(f'href="{mine.address("image")}"') == 2  # the menu and the panel
        assert 'data-side-panel="smart-resize"' in html
        page = client.get(theirs.edit, follow=True).content.decode()
        assert theirs.address("image") not in page
        assert 'data-side-panel="smart-resize"' not in page

    def test_the_listing_tells_of_hers_alone(self, client, mine, theirs):
        html = text(client.get("/admin/images/?layout=list"))
        assert f'href="{mine.address("image")}"' in html
        assert f'href="{theirs.address("image")}"' not in html

    def test_the_report_holds_hers_alone(self, client, mine, theirs):
        report = reverse("smart_resize_admin:report")
        for response in (client.get(report), client.get(f"{report}results/")):
            rows = [each.row for each in response.context["object_list"]]
            assert {row.image_id for row in rows} == {mine.image.pk}
        exported = b"".join(client.get(report, {"export": "csv"}).streaming_content).decode()
        assert mine.image.title in exported
        assert theirs.image.title not in exported

    def test_the_review_queue_holds_hers_alone(self, client, mine, theirs, settings):
        settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "REVIEW": True}
        response = client.get(reverse("smart_resize_admin:review"))
        entries = [each.row for each in response.context["entries"]]
        assert entries == [mine.waiting.recomposition]
        assert "1 Version to review" in text(client.get(HOME))

    def test_one_of_his_among_hers_is_not_approved(self, client, mine, theirs, settings):
        settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "REVIEW": True}
        both = {"candidates": [mine.waiting.pk, theirs.waiting.pk], "confirm": "1"}
        assert client.post(reverse("smart_resize_admin:review_selected"), both).url == HOME
        assert not Recomposition.objects.exclude(live=None).exists()

    def test_the_bulk_action_asks_for_hers_alone(self, client, mine, theirs):
        url = bulk_action.address(mine.image, theirs.image)
        wanted = {"key": uuid.uuid4(), "sizes": "200x400", "uses": "none"}
        page = client.post(url, wanted).content.decode()
        agreed = re.search(r'name="agreed"[^>]*value="([^"]+)"', page)[1]
        client.post(url, {**wanted, "agreed": agreed, "confirm": "yes"})
        asked = GatewayRequest.objects.exclude(batch=None)
        assert [request.image_id for request in asked] == [mine.image.pk]

    def test_a_superuser_sees_and_does_all(self, client, admin_user, mine, theirs, settings):
        client.force_login(admin_user)
        for name in OF_ONE_IMAGE:
            assert client.get(theirs.address(name)).status_code == 200
        client.post(*theirs.posts()["choose"])
        assert EFFECTS["choose"](theirs)


class TestFormOfTheSitesOwn:
    """`WAGTAILIMAGES_IMAGE_FORM_BASE`, with a field that must be filled in."""

    @pytest.fixture(autouse=True)
    def form(self, settings):
        settings.WAGTAILIMAGES_IMAGE_FORM_BASE = "yourimages.forms.CreditedImageForm"

    def filled_in(self, image, **fields):
        data = {"title": "Launch", "collection": image.collection_id, "tags": ""}
        focus = {f"focal_point_{name}": "" for name in ("x", "y", "width", "height")}
        return {**data, **focus, **fields}

    def test_the_edit_page_shows_its_field_and_our_panel(self, client, mine):
        html = text(client.get(mine.edit))
        assert 'name="photographer"' in html
        assert 'data-side-panel="smart-resize"' in html

    def test_what_it_turns_down_is_shown_with_our_panel(self, client, mine):
        html = text(client.post(mine.edit, self.filled_in(mine.image)))
        assert "This field is required." in html
        assert 'data-side-panel="smart-resize"' in html

    def test_a_file_that_it_replaces_is_seen(self, client, mine):
        file = io.BytesIO(picture(900, 700, "teal", "PNG"))
        file.name = "another.png"
        form = self.filled_in(mine.image, file=file, photographer="Ada")
        assert client.post(mine.edit, form).status_code == 302
        assert again(mine.image).title == "Launch, by Ada"
        page = client.get(mine.address("image"))
        assert "Launch, by Ada" in text(page)
        assert [place.row for place in page.context["screen"].places] == [None, None]
        stale = {"what": "1080x1080", "source": mine.failed.source_hash}
        response = client.post(mine.address("make"), {**generating(mine.image), **stale})
        assert "was replaced" in " ".join(map(str, get_messages(response.wsgi_request)))

    def test_an_image_that_it_uploads_has_its_screen(self, client, root, django_user_model):
        client.force_login(django_user_model.objects.create_superuser("root"))
        file = io.BytesIO(picture(900, 700, "teal", "PNG"))
        file.name = "another.png"
        form = {"title": "New", "file": file, "collection": root.pk, "photographer": "Ada"}
        response = client.post(reverse("wagtailimages:add"), form)
        assert response.status_code == 302
        image = get_image_model().objects.get()
        assert image.title == "New, by Ada"
        client.post(reverse("smart_resize_admin:make", args=[image.pk]), generating(image))
        assert GatewayRequest.objects.get().image_id == image.pk


def test_the_screens_use_the_sites_image_model(client, mine):
    """The rights to its images are those to Wagtail's: there are no others to be given."""
    actions.request_recomposition(mine.image, [ResizeTarget.parse("200x400")])
    request = GatewayRequest.objects.exclude(batch=None).get()
    assert type(request.image) is get_image_model()
    answer = json.loads(client.get(mine.address("progress")).content)
    assert answer["active"] == 1
    history = client.get(mine.address("history"))
    assert [entry.action for entry in history.context["object_list"]] == ["smart_resize.ask"]
