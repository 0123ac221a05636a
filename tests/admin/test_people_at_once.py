"""Double clicks, the back button, other tabs and other editors: each ends in a clear message, and
in one purchase at most."""

import datetime as dt
import io
import re
import threading
import uuid
from typing import NamedTuple

import pytest
from django.contrib.messages import get_messages
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from support import bulk_action
from support.factories import candidate, colour_of, picture, plain_image, recomposition
from support.waiting import TIMEOUT_SECONDS, join
from wagtail.images import get_image_model

from wagtail_smart_resize.admin.bulk.views import BulkView
from wagtail_smart_resize.editorial import permissions
from wagtail_smart_resize.models import (
    BudgetPeriod,
    Candidate,
    GatewayRequest,
    ImageVersion,
    OptOut,
    Recomposition,
)
from wagtail_smart_resize.publishing import publication

pytestmark = pytest.mark.django_db

#: Several connections at once, or what is found out by a commit.
commits = pytest.mark.django_db(transaction=True)

BLUE, RED = (70, 130, 180), (255, 0, 0)

#: What can be done on an image's screen, and in the review queue.
BUYING = ["generate", "retry"]
ON_THE_SCREEN = [*BUYING, "look again", "leave", "choose", "crop", "opt out", "opt in"]
IN_REVIEW = ["approve", "decline", "approve selected"]
EVERY_ACT = [*ON_THE_SCREEN, *IN_REVIEW]

DELETED = "The image has been deleted: nothing was done."
NOT_THERE = "This version is not there any more: its image may have been deleted."
REPLACED = "The image's file was replaced while you were here: nothing was bought."
OF_THE_OLD = "The image's file was replaced: this version is of the old one."
ANOTHER_FILE = "0123456789abcdef0123456789abcdef01234567"
ONLY_ONCE = "This had been asked for already: nothing was bought twice."


class Form(NamedTuple):
    """What a tab is about to send."""

    url: str
    data: dict


@pytest.fixture
def image(people):
    return plain_image(collection=people.here)


@pytest.fixture
def open_form(image, settings):
    """Opens the screen with what an act needs, and returns its form."""

    def open_form(act):
        if act in IN_REVIEW:
            settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "REVIEW": True}
        return _form(act, image)

    return open_form


def _form(act, image):
    if act == "generate":
        return generating(image)
    if act in ("retry", "look again", "leave"):
        action = {"look again": "recheck", "leave": "dismiss"}.get(act, act)
        data = {"row": failed(image).pk, "action": action, "key": uuid.uuid4()}
        return Form(address(image, "failed"), data)
    if act == "opt out":
        return Form(address(image, "opt_out"), {"reason": "She asked us."})
    if act == "opt in":
        OptOut.objects.create(image=image)
        return Form(address(image, "opt_out"), {"allow": "1"})
    shown = candidate(recomposition(image, purchase="idle"))
    row = shown.recomposition
    if act == "approve selected":
        selected = {"candidates": [shown.pk], "confirm": "1"}
        return Form(reverse("smart_resize_admin:review_selected"), selected)
    if act in IN_REVIEW:
        url = reverse("smart_resize_admin:review_decide", args=[row.pk])
        return Form(url, {act: shown.pk})
    return choosing(row, "crop" if act == "crop" else shown.pk)


def generating(image, what="1080x1080", **fields):
    data = {"what": what, "prompt": "Keep it.", "candidates": "1", "resolution": "2K"}
    seen = {"source": image.file_hash, "key": str(uuid.uuid4())}
    return Form(address(image, "make"), {**data, **seen, **fields})


def choosing(row, choice):
    return Form(address(row.image, "choose"), {"row": row.pk, "choice": choice})


def failed(image):
    """A shape of which nobody knows what became of its purchase."""
    row = recomposition(image, purchase="failed", failure_code="unknown")
    request = GatewayRequest.objects.create(
        image=image,
        source_hash=image.file_hash,
        resolution="2K",
        output_format="webp",
        images_per_size=1,
        status="unknown",
        request_id="r-1",
    )
    row.update_if(where={}, request=request)
    return row


def address(image, name):
    return reverse(f"smart_resize_admin:{name}", args=[image.pk])


def send(client, form):
    return client.post(*form)


def told(response):
    """The messages of one response, and what its form says is wrong, as text."""
    wrong = re.findall(r'<p class="error-message".*?</p>', response.content.decode())
    html = " ".join([*map(str, get_messages(response.wsgi_request)), *wrong])
    return " ".join(re.sub(r"<[^>]+>", " ", html).replace("&#x27;", "'").split())


def bought():
    """Return the requests other than the one that `failed` made."""
    return GatewayRequest.objects.exclude(batch=None)


def nothing_is_bought():
    return not bought().exists() and not BudgetPeriod.objects.exclude(outputs=0).exists()


def delete(image):
    get_image_model().objects.get(pk=image.pk).delete()


def replace(image):
    get_image_model().objects.filter(pk=image.pk).update(file_hash=ANOTHER_FILE)


def upload_another_file(client, image):
    """By Wagtail's own form."""
    file = io.BytesIO(picture(900, 700, "teal", "PNG"))
    file.name = "another.png"
    data = {"title": image.title, "file": file, "collection": image.collection_id, "tags": ""}
    focus = dict.fromkeys(("x", "y", "width", "height"), "")
    data |= {f"focal_point_{name}": value for name, value in focus.items()}
    response = client.post(reverse("wagtailimages:edit", args=[image.pk]), data)
    assert response.status_code == 302


@pytest.fixture
def meanwhile(monkeypatch):
    """Lets something happen in another tab at one moment of the next request."""

    def meanwhile(moment, happens):
        place, name, before = MOMENTS[moment]
        original, left = getattr(place, name), [happens]

        def let_it_happen():
            while left:
                left.pop()()

        def wrapper(*args):
            if before:
                let_it_happen()
            result = original(*args)
            let_it_happen()
            return result

        monkeypatch.setattr(place, name, wrapper)

    return meanwhile


#: The functions that run at these moments, and whether it is before they do.
MOMENTS = {
    "after the rights were checked": (permissions, "_may", False),
    "before the lock is there": (ImageVersion, "get_for", True),
    "before the lock is taken": (ImageVersion, "get_for", False),
}


class TestDeletedInAnotherTab:
    def nothing_is_left(self):
        ours = [Recomposition, Candidate, ImageVersion, OptOut]
        assert [model.__name__ for model in ours if model.objects.exists()] == []
        assert nothing_is_bought()
        assert not GatewayRequest.objects.exclude(status="unknown").exists()

    @pytest.mark.parametrize("act", ON_THE_SCREEN)
    def test_before_the_button_is_pressed(self, editor, image, open_form, act):
        form = open_form(act)
        delete(image)
        response = send(editor, form)
        assert (response.url, told(response)) == (reverse("wagtailimages:index"), DELETED)
        self.nothing_is_left()

    @pytest.mark.parametrize("act", IN_REVIEW)
    def test_before_it_is_decided(self, editor, image, open_form, act):
        form = open_form(act)
        delete(image)
        response = send(editor, form)
        queue = reverse("smart_resize_admin:review")
        assert (response.url, told(response)) == (queue, NOT_THERE)
        self.nothing_is_left()

    @commits
    @pytest.mark.parametrize("moment", MOMENTS)
    @pytest.mark.parametrize("act", EVERY_ACT)
    def test_while_it_is_done(self, editor, image, open_form, meanwhile, act, moment):
        form = open_form(act)
        meanwhile(moment, lambda: delete(image))
        response = send(editor, form)
        place = "smart_resize_admin:review" if act in IN_REVIEW else "wagtailimages:index"
        assert (response.url, told(response)) == (reverse(place), DELETED)
        assert editor.get(response.url).status_code == 200
        self.nothing_is_left()

    def test_nor_is_a_wrong_form_shown_again(self, editor, image, meanwhile):
        meanwhile("after the rights were checked", lambda: delete(image))
        response = send(editor, generating(image, seed="-1"))
        assert (response.url, told(response)) == (reverse("wagtailimages:index"), DELETED)


class TestFileReplacedInAnotherTab:
    WORDS = {
        "generate": REPLACED,
        "retry": "The image's file was replaced: ask for a version of the new one.",
        "choose": OF_THE_OLD,
        "crop": REPLACED,
        "approve": OF_THE_OLD,
        "decline": REPLACED,
        "approve selected": OF_THE_OLD,
    }

    @pytest.mark.parametrize(("act", "words"), WORDS.items())
    def test_before_the_button_is_pressed(self, editor, image, open_form, act, words):
        form = open_form(act)
        upload_another_file(editor, image)
        assert words in told(send(editor, form))
        self.nothing_is_decided()

    @pytest.mark.parametrize("moment", MOMENTS)
    @pytest.mark.parametrize("act", WORDS)
    def test_while_it_is_done(self, editor, image, open_form, meanwhile, act, moment):
        form = open_form(act)
        meanwhile(moment, lambda: replace(image))
        assert "The image's file was replaced" in told(send(editor, form))
        self.nothing_is_decided()

    def nothing_is_decided(self):
        assert nothing_is_bought()
        assert {row.decision for row in Recomposition.objects.all()} <= {"none"}
        assert not Recomposition.objects.exclude(live=None).exists()

    def test_a_shape_that_went_with_the_old_file_is_not_bought(self, editor, image):
        form = generating(image, str(recomposition(image, purchase="idle").pk))
        upload_another_file(editor, image)
        assert REPLACED in told(send(editor, form))
        assert nothing_is_bought()

    @pytest.mark.parametrize("act", ["look again", "leave"])
    def test_what_became_of_the_old_can_still_be_settled(self, editor, image, open_form, act):
        form = open_form(act)
        upload_another_file(editor, image)
        assert "Nothing is bought." in told(send(editor, form))
        assert nothing_is_bought()

    @pytest.mark.parametrize("moment", ["before the button is pressed", *MOMENTS])
    def test_asked_again_the_new_file_is_bought(self, editor, image, meanwhile, moment):
        form = generating(image)
        if moment in MOMENTS:
            meanwhile(moment, lambda: replace(image))
        else:
            replace(image)
        assert REPLACED in told(send(editor, form))
        assert nothing_is_bought()
        again = editor.get(form.url, {"what": form.data["what"]}).content.decode()
        assert f'name="source" value="{ANOTHER_FILE}"' in again
        send(editor, Form(form.url, {**form.data, "source": ANOTHER_FILE}))
        assert [request.source_hash for request in bought()] == [ANOTHER_FILE]


class TestTheSameFormTwice:
    """A double click, and the same form once more by the back button."""

    WORDS = {
        "generate": ONLY_ONCE,
        "retry": ONLY_ONCE,
        "look again": "The service is being asked already.",
        "leave": "Left as it is. Nothing is bought.",
        "choose": "The AI version is chosen.",
        "crop": "The crop is chosen.",
        "opt out": "The image is never sent to the service from now on.",
        "opt in": "The image may be sent to the service again.",
        "approve": "editor has already approved a version",
        "decline": "editor has already decided for the crop",
        "approve selected": "editor has already approved a version",
    }

    def state(self):
        models = [Recomposition, GatewayRequest, BudgetPeriod, OptOut]
        changing = {"decided_at", "takes_effect_at", "before_decision"}
        return [
            {name: value for name, value in row.items() if name not in changing}
            for model in models
            for row in model.objects.order_by("pk").values()
        ]

    @pytest.mark.parametrize(("act", "words"), WORDS.items())
    def test_sent_twice_it_is_done_once(self, editor, open_form, act, words):
        form = open_form(act)
        send(editor, form)
        after = self.state()
        assert words in told(send(editor, form))
        assert self.state() == after
        assert bought().count() == (act in BUYING)

    @pytest.mark.parametrize("act", BUYING)
    def test_gone_back_to_when_it_is_ready_it_buys_nothing(self, editor, image, open_form, act):
        form = open_form(act)
        send(editor, form)
        row = Recomposition.objects.get()
        bought().update(status="done")
        row.bought()
        candidate(row)
        assert ONLY_ONCE in told(send(editor, form))
        assert bought().count() == 1

    @commits
    @pytest.mark.parametrize("act", BUYING)
    def test_clicked_twice_at_once_it_is_bought_once(self, people, open_form, act):
        form = open_form(act)
        answers = at_once((people.editor, form), (people.editor, form))
        assert [answer.status_code for answer in answers] == [302, 302]
        assert bought().count() == 1
        assert {row.outputs for row in BudgetPeriod.objects.all()} == {1}


def at_once(*tabs):
    """Send what people are about to send at the same moment; the answers in their order."""
    barrier, answers = threading.Barrier(len(tabs)), [None] * len(tabs)
    clients = [Client() for _tab in tabs]
    for client, (user, _form) in zip(clients, tabs, strict=True):
        client.force_login(user)

    def work(number):
        try:
            barrier.wait(TIMEOUT_SECONDS)
            answers[number] = send(clients[number], tabs[number][1])
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=[number]) for number in range(len(tabs))]
    for thread in threads:
        thread.start()
    join(*threads)
    assert all(answers)
    return answers


class TestTwoEditors:
    @commits
    def test_both_generate_at_once(self, people, image):
        """What was not sent yet is asked for by the second instead: one is bought."""
        answers = at_once((people.editor, generating(image)), (people.superuser, generating(image)))
        assert [answer.status_code for answer in answers] == [302, 302]
        assert bought().unfinished().count() == 1
        assert {row.outputs for row in BudgetPeriod.objects.all()} == {1}

    def test_one_generates_what_the_other_has_sent(self, editor, people, image):
        send(editor, generating(image))
        bought().update(status="sent")
        editor.force_login(people.superuser)
        response = send(editor, generating(image))
        assert response.status_code == 422
        assert "An AI version for this place has already been asked for." in told(response)
        assert bought().count() == 1

    def test_both_try_again(self, editor, people, image):
        row = failed(image)
        url = address(image, "failed")
        first, second = (
            Form(url, {"row": row.pk, "action": "retry", "key": uuid.uuid4()}) for _ in "12"
        )
        assert "It is being tried again." in told(send(editor, first))
        editor.force_login(people.superuser)
        assert "has already been asked for" in told(send(editor, second))
        assert bought().count() == 1

    @pytest.mark.parametrize(
        ("action", "words"),
        [
            ("dismiss", "An AI version for this place has already been asked for."),
            ("recheck", "The service is being asked already."),
        ],
    )
    def test_one_tries_again_what_the_other_settles(self, editor, image, action, words):
        row = failed(image)
        url = address(image, "failed")
        for action_ in ("retry", action):
            data = {"row": row.pk, "action": action_, "key": uuid.uuid4()}
            response = send(editor, Form(url, data))
        assert words in told(response)
        row.refresh_from_db()
        assert (row.purchase, row.request.batch) == ("requested", bought().get().batch)

    @pytest.mark.parametrize("moment", MOMENTS)
    def test_one_opts_out_while_the_other_generates(self, editor, image, meanwhile, moment):
        meanwhile(moment, lambda: OptOut.objects.create(image=image))
        assert "opted out" in told(send(editor, generating(image)))
        assert nothing_is_bought()

    @pytest.fixture
    def two(self, image):
        """Two pictures of one shape."""
        row = recomposition(image, purchase="idle")
        return candidate(row, "steelblue"), candidate(row, "red")

    def served(self, image):
        """The colour that visitors see once it can't be undone any more."""
        undoable = Recomposition.objects.exclude(takes_effect_at=None)
        undoable.update(takes_effect_at=timezone.now() - dt.timedelta(seconds=1))
        publication.publish(image.pk)
        fresh = get_image_model().objects.get(pk=image.pk)
        return colour_of(fresh.get_rendition("smartresize-400x400"))

    def near(self, colour, other):
        return all(abs(a - b) < 12 for a, b in zip(colour, other, strict=True))

    def test_what_was_chosen_last_is_served(self, editor, people, image, two):
        blue, red = two
        for user, choice in [(people.editor, red), (people.superuser, blue)]:
            editor.force_login(user)
            send(editor, choosing(blue.recomposition, choice.pk))
        row = Recomposition.objects.get()
        assert (row.live, row.decided_by) == (blue, people.superuser)
        assert self.near(self.served(image), BLUE)
        # The first goes back to their page, and presses the button again.
        editor.force_login(people.editor)
        send(editor, choosing(row, red.pk))
        assert self.near(self.served(image), RED)

    @commits
    def test_both_choose_at_once(self, people, image, two):
        forms = [choosing(each.recomposition, each.pk) for each in two]
        answers = at_once((people.editor, forms[0]), (people.superuser, forms[1]))
        assert [answer.status_code for answer in answers] == [302, 302]
        row = Recomposition.objects.get()
        assert (row.live, row.decided_by) in [
            (two[0], people.editor),
            (two[1], people.superuser),
        ]
        expected = BLUE if row.live == two[0] else RED
        assert self.near(self.served(image), expected)

    @commits
    def test_one_chooses_and_the_other_declines_at_once(self, people, image, two):
        blue = two[0]
        answers = at_once(
            (people.editor, choosing(blue.recomposition, blue.pk)),
            (people.superuser, choosing(blue.recomposition, "crop")),
        )
        assert [answer.status_code for answer in answers] == [302, 302]
        row = Recomposition.objects.get()
        assert (row.decision, row.live) in [("candidate", blue), ("crop", None)]
        gold = get_image_model().objects.get(pk=image.pk).get_rendition("fill-400x400")
        expected = BLUE if row.live else colour_of(gold)
        assert self.near(self.served(image), expected)

    @commits
    def test_both_review_at_once(self, people, image, open_form):
        form = open_form("approve")
        decline = Form(form.url, {"decline": "1"})
        answers = at_once((people.editor, form), (people.superuser, decline))
        assert [answer.status_code for answer in answers] == [302, 302]
        words = [told(answer) for answer in answers]
        assert sum("has already" in each for each in words) == 1, words
        row = Recomposition.objects.get()
        winner = people.editor if "has already" in words[1] else people.superuser
        assert row.decided_by == winner


class TestBulkAction:
    """Of the images that were selected, one goes while the others are asked for."""

    def test_one_that_is_deleted_stops_no_other(self, editor, people, monkeypatch):
        going, staying = (plain_image(collection=people.here) for _ in "12")
        form = self.form(editor, going, staying)
        prepare = BulkView.prepare_action

        def prepare_and_delete(*args):
            prepare(*args)
            delete(going)

        monkeypatch.setattr(BulkView, "prepare_action", prepare_and_delete)
        response = send(editor, form)
        assert response.status_code == 302
        assert DELETED in told(response)
        assert [request.image_id for request in bought()] == [staying.pk]

    def form(self, editor, *images):
        url = bulk_action.address(*images)
        data = {"key": str(uuid.uuid4()), "sizes": "400x400", "uses": "none"}
        page = editor.post(url, data).content.decode()
        agreed = re.search(r'name="agreed"[^>]*value="([^"]+)"', page)[1]
        return Form(url, {**data, "agreed": agreed, "confirm": "yes"})
