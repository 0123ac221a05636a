"""The review queue: who sees what waits, who decides, and what a second person is told."""

import datetime as dt
import json
import re
import uuid

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse
from django.utils import timezone
from support.factories import candidate, live, plain_image, recomposition
from support.people import editor
from testapp.models import PicturePage
from wagtail.images import get_image_model
from wagtail.models import ModelLogEntry, Page

from wagtail_smart_resize.admin import menu as admin_menu
from wagtail_smart_resize.admin.image.preview import SPEC
from wagtail_smart_resize.editorial import audit, listings, permissions
from wagtail_smart_resize.models import Candidate, GatewayRequest, ImageVersion, Recomposition
from wagtail_smart_resize.publishing import publication
from wagtail_smart_resize.repair import repairs
from wagtail_smart_resize.repair.report import Repair

pytestmark = pytest.mark.django_db

REVIEW = "/admin/reports/smart-resize/review/"
BY_SCRIPT = {"X-Requested-With": "XMLHttpRequest"}
#: How long a decision can be undone, as the admin's scripts are told, and how long it really can.
SECONDS, WITH_GRACE = 10, dt.timedelta(seconds=12)


@pytest.fixture(autouse=True)
def review_mode(settings):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "REVIEW": True}


@pytest.fixture
def image(people):
    return plain_image(collection=people.here)


def waiting(image, slot="400x400", versions=1, request=None, **fields):
    """A recomposition with versions that nobody has decided about."""
    row = recomposition(image, slot, purchase="idle", request=request, **fields)
    for number in range(versions):
        candidate(row, position=number, request=request)
    return row


def asked_with(image, **fields):
    """What was asked of the service for an image."""
    return GatewayRequest.objects.create(
        image=image,
        source_hash=image.file_hash,
        source_token=uuid.uuid4().hex,
        resolution="1K",
        output_format="webp",
        **fields,
    )


def page_showing(row):
    """A published page that is known to show the row's place."""
    home = Page.objects.get(depth=2)
    page = home.add_child(instance=PicturePage(title="Pictures", photo=row.image))
    row.update_if(where={}, shown_on=[[page.pk, "testapp.picturepage"]])
    return page


def entries(response):
    return [each.row for each in response.context["entries"]]


def main_part(response):
    html = response.content.decode()
    return html[html.index("<main") : html.index("</main>")]


def words(html):
    """What can be read in a piece of HTML, without its markup."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def told(response):
    return [str(message).strip() for message in get_messages(response.wsgi_request)]


def decide(client, row, *, by_script=False, **data):
    url = reverse("smart_resize_admin:review_decide", args=[row.pk])
    return client.post(url, data, headers=BY_SCRIPT if by_script else None)


def approve_selected(client, *candidates, by_script=False):
    url = reverse("smart_resize_admin:review_selected")
    data = {"candidates": [each.pk for each in candidates], "confirm": "1"}
    return client.post(url, data, headers=BY_SCRIPT if by_script else None)


def ask_to_approve(client, candidates, seen):
    """Have a script ask for what would go live, of what has been shown to the user."""
    data = {"candidates": [each.pk for each in candidates], "seen": [each.pk for each in seen]}
    return client.post(reverse("smart_resize_admin:review_selected"), data, headers=BY_SCRIPT)


def decisions(*rows):
    """Name the present decisions on these rows, as the admin's scripts are told them."""
    return [f"{row.pk} {again(row).decided_at.isoformat()}" for row in rows]


def undo(client, *rows):
    url = reverse("smart_resize_admin:review_undo")
    return client.post(url, {"decisions": decisions(*rows)}, headers=BY_SCRIPT)


def fetched_entry(client, row):
    return client.get(reverse("smart_resize_admin:review_entry", args=[row.pk]), headers=BY_SCRIPT)


def published(image):
    """Publish what is due, and return the names of the files that visitors see."""
    publication.publish(image.pk)
    return [entry[3] for entry in ImageVersion.objects.get(pk=image.pk).live]


def again(row):
    row.refresh_from_db()
    return row


class TestTheQueue:
    def test_shows_original_and_crop_beside_each_version(self, client, people, image):
        row = waiting(image, "300x400", versions=2)
        client.force_login(people.editor)
        html = client.get(REVIEW).content.decode()
        original = get_image_model().objects.get(pk=image.pk).get_rendition(SPEC)
        assert html.count(f'<image href="{original.url}"') >= 2
        assert 'class="smart-resize-frame"' in html
        for version in row.candidates.all():
            url = reverse("smart_resize_admin:candidate", args=[image.pk, version.pk])
            assert f'src="{url}"' in html
            assert version.file.name not in html
        assert '<bdi dir="ltr">300×400</bdi>' in html

    def test_shows_one_place_at_a_time_and_what_comes_next_in_a_strip(self, client, people, image):
        first, second = waiting(image), waiting(image, "200x400")
        client.force_login(people.editor)
        response = client.get(REVIEW)
        html = response.content.decode()
        assert response.context["entry"].row == first
        assert html.count("<article") == 1
        assert (
            f'<article class="smart-resize-entry smart-resize-entry--even" data-key="{first.pk}"'
            in html
        )
        for row in (first, second):
            url = reverse("smart_resize_admin:review_entry", args=[row.pk])
            versions = " ".join(str(each.pk) for each in row.candidates.all())
            assert f'data-url="{url}" data-versions="{versions} "' in html

    def test_the_oldest_comes_first(self, client, people, image):
        newer = waiting(image, wanted_at="2026-11-01T00:00:00Z")
        older = waiting(image, "200x400", wanted_at="2026-11-02T00:00:00Z")
        older.update_if(where={}, awaiting_review_since="2026-11-01T00:00:00Z")
        client.force_login(people.editor)
        assert entries(client.get(REVIEW)) == [older, newer]

    def test_of_a_long_queue_the_first_are_counted(self, client, people, image, monkeypatch):
        monkeypatch.setattr("wagtail_smart_resize.admin.review.views.MAX_ENTRIES", 2)
        oldest, older, newer = (waiting(image, f"{width}x400") for width in (200, 400, 900))
        client.force_login(people.editor)
        response = client.get(REVIEW)
        assert entries(response) == [oldest, older]
        assert (response.context["count"], response.context["total"]) == (2, "2+")
        assert 'review-total-value="2+"' in response.content.decode()
        oldest.choose(None, people.superuser)
        older.choose(None, people.superuser)
        response = client.get(REVIEW)
        assert entries(response) == [newer]
        assert response.context["total"] == 1

    def test_the_strip_is_of_some_length_though_all_are_counted(
        self, client, people, image, monkeypatch
    ):
        monkeypatch.setattr("wagtail_smart_resize.admin.review.views.STRIP_LENGTH", 2)
        rows = [waiting(image, f"{width}x400") for width in (200, 400, 900)]
        client.force_login(people.editor)
        response = client.get(REVIEW)
        assert entries(response) == rows[:2]
        assert (response.context["count"], response.context["total"]) == (3, 3)

    def test_holds_only_what_waits(self, client, people, image):
        recomposition(image, "500x100")
        live(image, "100x500")
        declined = waiting(image, "200x400")
        declined.choose(None, people.superuser)
        waits = waiting(image)
        client.force_login(people.superuser)
        assert entries(client.get(REVIEW)) == [waits]

    def test_versions_of_a_replaced_file_are_left_out(self, client, people, image):
        waiting(image)
        get_image_model().objects.filter(pk=image.pk).update(file_hash="new")
        client.force_login(people.superuser)
        assert entries(client.get(REVIEW)) == []

    def test_without_anything_waiting_it_says_so(self, client, people):
        client.force_login(people.editor)
        response = client.get(REVIEW)
        assert response.context["entry"] is None
        assert "Nothing awaits your decision." in response.content.decode()

    def test_a_missing_file_leaves_the_rest_standing(self, client, people, image):
        row = waiting(image)
        image.file.storage.delete(image.file.name)
        client.force_login(people.editor)
        response = client.get(REVIEW)
        assert (response.status_code, entries(response)) == (200, [row])

    def test_a_text_is_never_markup(self, client, people, image):
        evil = "<script>alert(1)</script>"
        get_image_model().objects.filter(pk=image.pk).update(title=evil, description=evil + "!")
        image.refresh_from_db()
        people.superuser.first_name = evil
        people.superuser.save()
        request = asked_with(image, prompt=evil, asked_by=people.superuser)
        row = waiting(image, request=request, asked_by=people.superuser)
        client.force_login(people.editor)
        version = row.candidates.get()
        for response in (
            client.get(REVIEW),
            fetched_entry(client, row),
            ask_to_approve(client, [version], seen=[version]),
            ask_to_approve(client, [version], seen=[]),
        ):
            html = response.content.decode()
            assert response.status_code == 200
            assert "<script>alert" not in html
        html = client.get(REVIEW).content.decode()
        assert html.count("&lt;script&gt;alert") >= 4

    def test_needs_no_inline_script_or_style(self, client, people, image):
        row = waiting(image, versions=2)
        client.force_login(people.editor)
        versions = list(row.candidates.all())
        for html in (
            main_part(client.get(REVIEW)),
            fetched_entry(client, row).content.decode(),
            ask_to_approve(client, versions[:1], seen=versions).content.decode(),
        ):
            assert not re.search(r"<style|<script|\sstyle=|\son[a-z]+=", html)

    def test_speaks_of_versions_and_the_crop(self, client, people, image):
        row = waiting(image, versions=2)
        client.force_login(people.editor)
        text = words(main_part(client.get(REVIEW)))
        assert "Review versions" in text
        assert "AI version 1" in text
        assert not re.search(r"standard|recompos|picture|candidate", text, re.IGNORECASE)
        versions = list(row.candidates.all())
        response = ask_to_approve(client, versions[:1], seen=versions)
        assert not re.search(r"picture", words(response.content.decode()), re.IGNORECASE)

    def test_tells_where_it_is_shown_and_who_asked(self, client, people, image):
        request = asked_with(image, prompt="More sky", asked_by=people.superuser)
        row = waiting(image, request=request, asked_by=people.superuser)
        page_showing(row)
        client.force_login(people.superuser)
        text = words(main_part(client.get(REVIEW)))
        assert "Picture page 400×400 · shown on Pictures · asked for by root" in text
        assert "More sky" in text

    def test_tells_the_number_of_pages_to_who_may_not_see_them(self, client, people, image):
        page_showing(waiting(image))
        client.force_login(people.editor)
        text = words(main_part(client.get(REVIEW)))
        assert "shown on 1 page" in text
        assert "shown on Pictures" not in text

    def test_of_many_versions_three_are_in_the_row(self, client, people, image):
        row = waiting(image, versions=5)
        client.force_login(people.editor)
        response = client.get(REVIEW)
        figures = re.findall(r"<figure [^>]*data-version[^>]*>", response.content.decode())
        assert [figure.endswith("hidden>") for figure in figures] == [False] * 3 + [True] * 2
        assert [each.candidate for each in response.context["entry"].versions] == list(
            row.candidates.all()
        )

    def test_of_a_decided_place_the_new_versions_are_shown(self, client, people, image):
        row = waiting(image)
        before = row.candidates.get()
        row.choose(before, people.superuser)
        assert published(image) == [before.file.name]
        new = candidate(row, position=1)
        Recomposition.objects.filter(pk=row.pk).note_review(by_person=True)
        client.force_login(people.editor)
        entry = client.get(REVIEW).context["entry"]
        assert [(each.candidate, each.label) for each in entry.versions] == [(new, "AI version 2")]
        decide(client, row, approve=new.pk)
        assert (again(row).live, row.decided_by) == (new, people.editor)

    def test_queries_do_not_grow_with_what_waits(
        self, client, people, django_assert_max_num_queries
    ):
        def see(images):
            for _ in range(images):
                page_showing(waiting(plain_image(collection=people.here), versions=2))
            client.get(REVIEW)  # makes the renditions
            with django_assert_max_num_queries(1000) as made:
                client.get(REVIEW)
            return len(made)

        client.force_login(people.editor)
        assert see(2) == see(4)

    def test_looking_changes_nothing(self, client, people, image):
        row = waiting(image)
        before = Recomposition.objects.filter(pk=row.pk).values().get()
        client.force_login(people.superuser)
        client.get(REVIEW)
        fetched_entry(client, row)
        version = row.candidates.get()
        ask_to_approve(client, [version], seen=[version])
        assert Recomposition.objects.filter(pk=row.pk).values().get() == before
        assert not ImageVersion.objects.exists()

    @pytest.mark.parametrize("name", ["review_decide", "review_selected", "review_undo"])
    def test_decisions_are_not_made_by_get(self, client, people, image, name):
        row = waiting(image)
        client.force_login(people.superuser)
        arguments = [row.pk] if name == "review_decide" else []
        assert client.get(reverse(f"smart_resize_admin:{name}", args=arguments)).status_code == 405

    def test_keys_are_off_for_who_switched_them_off(self, client, people, image):
        from wagtail.users.models import UserProfile

        waiting(image)
        client.force_login(people.editor)
        assert 'shortcuts-value="true"' in client.get(REVIEW).content.decode()
        profile = UserProfile.get_for_user(people.editor)
        profile.keyboard_shortcuts = False
        profile.save()
        client.force_login(people.editor)
        html = client.get(REVIEW).content.decode()
        assert 'shortcuts-value="false"' in html
        assert "Keyboard shortcuts are switched off" in html


class TestOneEntry:
    """What scripts fetch of the queue, one place at a time."""

    def test_is_a_part_of_the_screen(self, client, people, image):
        _first, second = waiting(image), waiting(image, "200x400")
        client.force_login(people.editor)
        response = fetched_entry(client, second)
        html = response.content.decode()
        assert response.context["entry"].row == second
        assert f'data-key="{second.pk}"' in html
        assert "<article" in html
        assert "<main" not in html

    def test_can_be_decided_there(self, client, people, image):
        row = waiting(image)
        client.force_login(people.editor)
        html = fetched_entry(client, row).content.decode()
        url = reverse("smart_resize_admin:review_decide", args=[row.pk])
        assert f'<form method="post" action="{url}">' in html
        assert f'name="approve" value="{row.candidates.get().pk}"' in html
        for code, text in audit.DECLINE_REASONS.items():
            assert f'name="decline" value="1" data-reason="{code}"' in html
            assert str(text) in html

    def test_loaded_by_itself_it_leads_to_the_queue(self, client, people, image):
        row = waiting(image)
        client.force_login(people.editor)
        response = client.get(reverse("smart_resize_admin:review_entry", args=[row.pk]))
        assert response.url == REVIEW

    def test_that_is_gone_is_told(self, client, people, image):
        row = waiting(image)
        key = row.pk
        image.delete()
        client.force_login(people.editor)
        url = reverse("smart_resize_admin:review_entry", args=[key])
        response = client.get(url, headers=BY_SCRIPT)
        assert response.status_code == 404
        assert "not there any more" in response.json()["text"]

    def test_is_fetched_and_never_posted(self, client, people, image):
        row = waiting(image)
        client.force_login(people.editor)
        url = reverse("smart_resize_admin:review_entry", args=[row.pk])
        assert client.post(url, {"decline": "1"}, headers=BY_SCRIPT).status_code == 405
        assert again(row).is_open


class TestFilters:
    def test_by_collection(self, client, people, image):
        here = waiting(image)
        waiting(plain_image(collection=people.there))
        client.force_login(people.superuser)
        assert entries(client.get(REVIEW, {"collection": people.here.pk})) == [here]

    def test_by_who_asked(self, client, people, image):
        asked = waiting(image, asked_by=people.editor)
        waiting(image, "200x400")
        client.force_login(people.editor)
        response = client.get(REVIEW, {"asked_by": people.editor.pk})
        assert entries(response) == [asked]
        assert (response.context["count"], response.context["total"]) == (1, 1)

    def test_by_batch(self, client, people, image):
        batch = uuid.uuid4()
        row, other = waiting(image), waiting(image, "200x400")
        for each, key in ((row, batch), (other, uuid.uuid4())):
            sizes = [{"size": "800x800", "recomposition": each.pk}]
            each.update_if(where={}, request=asked_with(image, batch=key, sizes=sizes))
        client.force_login(people.editor)
        assert entries(client.get(REVIEW, {"batch": str(batch)})) == [row]

    def test_together_they_narrow_down(self, client, people, image):
        row = waiting(image, asked_by=people.editor)
        waiting(plain_image(collection=people.there), asked_by=people.editor)
        waiting(image, "200x400", asked_by=people.superuser)
        client.force_login(people.superuser)
        query = {"collection": people.here.pk, "asked_by": people.editor.pk}
        assert entries(client.get(REVIEW, query)) == [row]

    def test_choices_are_no_others(self, client, people, image):
        waiting(image, asked_by=people.editor)
        waiting(plain_image(collection=people.there), asked_by=people.elsewhere)
        client.force_login(people.editor)
        filters = client.get(REVIEW).context["filters"]
        assert list(filters.fields["collection"].queryset) == [people.here]
        assert list(filters.fields["asked_by"].queryset) == [people.editor]

    @pytest.mark.parametrize("name", ["collection", "batch", "asked_by", "p"])
    @pytest.mark.parametrize(
        "value", ["", "x", "-1", "9" * 40, "²", "\x00", "0b8e5e0e-9d0a-4c0e-8f5e-3c1f0a2b4c6d"]
    )
    def test_nonsense_breaks_nothing(self, client, people, image, name, value):
        row = waiting(image)
        client.force_login(people.editor)
        response = client.get(REVIEW, {name: value})
        assert response.status_code == 200
        assert entries(response) in ([row], [])

    def test_another_collection_shows_nothing_of_it(self, client, people, image):
        waiting(plain_image(collection=people.there))
        row = waiting(image)
        client.force_login(people.editor)
        assert entries(client.get(REVIEW, {"collection": people.there.pk})) == [row]


class TestDeciding:
    def test_approving_lets_the_version_go_live_later(self, client, people, image, frozen_time):
        row = waiting(image, versions=2)
        second = row.candidates.last()
        client.force_login(people.editor)
        response = decide(client, row, approve=second.pk)
        assert response.url == REVIEW
        assert (again(row).live, row.decision, row.decided_by) == (
            second,
            "candidate",
            people.editor,
        )
        assert row.takes_effect_at == timezone.now() + WITH_GRACE
        assert ImageVersion.objects.get().publish_due_at == row.takes_effect_at
        assert told(response) == [f"Approved: “{image.title}”."]
        assert ModelLogEntry.objects.filter(action="smart_resize.choose").exists()

    def test_nothing_is_published_before(self, client, people, image, moving_clock):
        row = waiting(image)
        client.force_login(people.editor)
        decide(client, row, approve=row.candidates.get().pk)
        moving_clock.skip(seconds=SECONDS)
        assert published(image) == []
        moving_clock.skip(seconds=3)
        assert published(image) == [row.candidates.get().file.name]

    def test_declining_keeps_the_crop_and_every_version(self, client, people, image):
        row = waiting(image)
        client.force_login(people.editor)
        response = decide(client, row, decline="1")
        assert (again(row).live, row.decision) == (None, "crop")
        assert row.candidates.count() == 1
        assert told(response) == [f"The crop stays: “{image.title}”."]

    def test_scripts_are_told_how_to_undo_it(self, client, people, image):
        row, other = waiting(image), waiting(image, "200x400")
        client.force_login(people.editor)
        undoing = {"url": reverse("smart_resize_admin:review_undo"), "seconds": SECONDS}
        approved = decide(client, row, by_script=True, approve=row.candidates.get().pk)
        assert approved.json() == {
            "text": f"Approved: “{image.title}”.",
            "undo": {**undoing, "fields": {"decisions": decisions(row)}, "rows": [row.pk]},
        }
        declined = decide(client, other, by_script=True, decline="1")
        assert declined.json() == {
            "text": f"The crop stays: “{image.title}”.",
            "undo": {**undoing, "fields": {"decisions": decisions(other)}, "rows": [other.pk]},
        }
        assert told(declined) == []

    def test_it_leads_nowhere_else(self, client, people, image):
        row = waiting(image)
        client.force_login(people.editor)
        response = decide(client, row, decline="1", p="2", next="//evil.example", following="x:y")
        assert response.url == REVIEW

    def test_the_second_of_two_editors_is_told(self, client, people, image):
        row = waiting(image)
        client.force_login(people.superuser)
        decide(client, row, decline="1")
        client.force_login(people.editor)
        response = decide(client, row, approve=row.candidates.get().pk)
        assert told(response)[-1] == f"root has already decided for the crop of “{image.title}”."
        assert (again(row).decision, row.decided_by) == ("crop", people.superuser)

    def test_declining_after_an_approval_is_told_too(self, client, people, image):
        row = waiting(image)
        client.force_login(people.superuser)
        decide(client, row, approve=row.candidates.get().pk)
        client.force_login(people.editor)
        response = decide(client, row, by_script=True, decline="1")
        assert response.status_code == 409
        assert response.json() == {
            "text": f"root has already approved a version of “{image.title}”."
        }
        assert again(row).decision == "candidate"

    def test_so_is_what_has_gone_live_by_itself(self, client, people, image):
        row = waiting(image)
        assert row.go_live(row.candidates.get())
        client.force_login(people.editor)
        response = decide(client, row, by_script=True, decline="1")
        assert response.json() == {"text": f"A version of “{image.title}” is live already."}
        assert again(row).decision == "none"

    def test_an_image_that_was_deleted_is_told(self, client, people, image):
        row = waiting(image)
        key = row.candidates.get().pk
        image.delete()
        client.force_login(people.editor)
        assert "not there any more" in told(decide(client, row, approve=key))[0]

    def test_a_version_of_another_place_is_none(self, client, people, image):
        row, other = waiting(image), waiting(image, "200x400")
        client.force_login(people.editor)
        response = decide(client, row, approve=other.candidates.get().pk)
        assert "not there any more" in told(response)[0]
        assert again(row).is_open
        assert again(other).is_open

    @pytest.mark.parametrize("value", ["", "x", "0", "²"])
    def test_nonsense_decides_nothing(self, client, people, image, value):
        row = waiting(image)
        client.force_login(people.editor)
        assert decide(client, row, approve=value).status_code == 302
        assert decide(client, row, by_script=True, approve=value).status_code == 409
        assert again(row).is_open

    def test_a_version_that_is_not_stored_is_refused(self, client, people, image):
        row = waiting(image)
        Candidate.objects.update(stored=False)
        client.force_login(people.editor)
        response = decide(client, row, approve=row.candidates.get().pk)
        assert "has not been fetched completely" in told(response)[0]
        assert again(row).is_open

    def test_the_file_replaced_meanwhile_is_refused(self, client, people, image):
        row = waiting(image)
        get_image_model().objects.filter(pk=image.pk).update(file_hash="new")
        client.force_login(people.editor)
        assert "was replaced" in told(decide(client, row, approve=row.candidates.get().pk))[0]
        assert again(row).is_open


class TestWhyItIsDeclined:
    def why(self, client, image):
        """What the log holds, and what the image's history says."""
        entry = ModelLogEntry.objects.get(action="smart_resize.decline")
        history = client.get(reverse("smart_resize_admin:history", args=[image.pk]))
        return entry.data["reason"], words(history.content.decode())

    @pytest.mark.parametrize(("code", "text"), audit.DECLINE_REASONS.items())
    def test_a_reason_is_a_code_and_told_in_words(self, client, people, image, code, text):
        client.force_login(people.editor)
        decide(client, waiting(image), decline="1", reason=code)
        kept, history = self.why(client, image)
        assert kept == code
        assert f"Decided for the crop: 400×400. {text}" in history

    def test_another_reason_is_told_as_it_was_written(self, client, people, image):
        client.force_login(people.editor)
        decide(client, waiting(image), decline="1", reason="Too many clouds")
        kept, history = self.why(client, image)
        assert kept == "Too many clouds"
        assert "Decided for the crop: 400×400. Too many clouds" in history

    @pytest.mark.parametrize("data", [{}, {"reason": ""}])
    def test_none_is_needed(self, client, people, image, data):
        client.force_login(people.editor)
        decide(client, waiting(image), decline="1", **data)
        kept, history = self.why(client, image)
        assert kept == ""
        assert "Decided for the crop: 400×400." not in history

    def test_a_long_one_is_cut(self, client, people, image):
        client.force_login(people.editor)
        decide(client, waiting(image), decline="1", reason="x" * 3000)
        assert self.why(client, image)[0] == "x" * 200

    def test_it_is_never_markup(self, client, people, image):
        client.force_login(people.editor)
        decide(client, waiting(image), decline="1", reason="<script>alert(1)</script>")
        url = reverse("smart_resize_admin:history", args=[image.pk])
        assert "<script>alert" not in client.get(url).content.decode()

    def test_a_sign_that_no_database_keeps_breaks_nothing(self, client, people, image):
        client.force_login(people.editor)
        row = waiting(image)
        decide(client, row, decline="1", reason="Too\x00 dark")
        assert again(row).decision == "crop"
        assert self.why(client, image)[0] == "Too dark"


class TestUndoing:
    @pytest.mark.parametrize("what", ["approve", "decline"])
    def test_all_is_as_it_was(self, client, people, image, what):
        row = waiting(image)
        since = again(row).awaiting_review_since
        client.force_login(people.editor)
        decide(client, row, **{what: row.candidates.get().pk})
        assert entries(client.get(REVIEW)) == []
        response = undo(client, row)
        assert response.json() == {"text": "Undone: all is as it was."}
        assert again(row).is_open
        assert row.awaiting_review_since == since
        assert entries(client.get(REVIEW)) == [row]
        assert published(image) == []
        assert ModelLogEntry.objects.filter(action="smart_resize.undo").count() == 1

    def test_several_are_undone_together(self, client, people, image):
        rows = [waiting(image, slot) for slot in ("400x400", "200x400")]
        client.force_login(people.editor)
        response = approve_selected(client, *(row.candidates.get() for row in rows), by_script=True)
        undoing = response.json()["undo"]
        client.post(undoing["url"], undoing["fields"], headers=BY_SCRIPT)
        assert all(again(row).is_open for row in rows)

    def test_without_a_script_it_leads_to_the_queue(self, client, people, image):
        row = waiting(image)
        client.force_login(people.editor)
        decide(client, row, decline="1")
        fields = {"decisions": decisions(row)}
        response = client.post(reverse("smart_resize_admin:review_undo"), fields)
        assert response.url == REVIEW
        assert told(response)[-1] == "Undone: all is as it was."

    def test_too_late_is_told(self, client, people, image, moving_clock):
        row = waiting(image)
        client.force_login(people.editor)
        decide(client, row, decline="1")
        moving_clock.skip(seconds=13)
        response = undo(client, row)
        assert response.status_code == 409
        assert "too late" in response.json()["text"]
        assert again(row).decision == "crop"

    def test_what_somebody_else_has_decided_stays(self, client, people, image):
        row = waiting(image)
        client.force_login(people.superuser)
        decide(client, row, decline="1")
        client.force_login(people.editor)
        response = undo(client, row)
        assert response.status_code == 409
        assert "Somebody else has decided here since" in response.json()["text"]
        assert (again(row).decision, row.decided_by) == ("crop", people.superuser)

    def test_one_that_is_refused_stops_no_other(self, client, people, image):
        mine, theirs = waiting(image), waiting(image, "200x400")
        client.force_login(people.superuser)
        decide(client, theirs, decline="1")
        client.force_login(people.editor)
        decide(client, mine, decline="1")
        assert undo(client, theirs, mine).status_code == 409
        assert again(mine).is_open
        assert again(theirs).decision == "crop"

    def test_an_undo_that_arrives_late_takes_back_no_newer_decision(self, client, people, image):
        row = waiting(image, versions=2)
        client.force_login(people.editor)
        decide(client, row, decline="1")
        late = {"decisions": decisions(row)}
        undo(client, row)
        decide(client, row, approve=row.candidates.first().pk)
        response = client.post(reverse("smart_resize_admin:review_undo"), late, headers=BY_SCRIPT)
        assert response.status_code == 409
        assert "You have decided again here since" in response.json()["text"]
        assert again(row).live == row.candidates.first()
        assert undo(client, row).status_code == 200

    @pytest.mark.parametrize("row", ["x", "²", "9" * 40, "0", ""])
    @pytest.mark.parametrize(
        "moment",
        ["2026-11-30T12:00:00+00:00", "2026-11-30T12:00:00", "2026-13-40T12:00:00+00:00", "x", ""],
    )
    def test_of_what_is_not_there_nothing_is_said_to_be_undone(self, client, people, row, moment):
        client.force_login(people.editor)
        url = reverse("smart_resize_admin:review_undo")
        response = client.post(url, {"decisions": f"{row} {moment}"}, headers=BY_SCRIPT)
        assert response.status_code == 409
        assert "Undone" not in response.json()["text"]


class TestBeforeSeveralAreApproved:
    """What would go live is shown once more; nothing that nobody has looked at is among it."""

    def test_what_was_seen_is_listed(self, client, people, image):
        row = waiting(image, versions=2)
        second = row.candidates.last()
        client.force_login(people.editor)
        response = ask_to_approve(client, [second], seen=row.candidates.all())
        assert [each.row for each in response.context["entries"]] == [row]
        html = response.content.decode()
        assert f'name="candidates" value="{second.pk}"' in html
        assert html.count('name="candidates"') == 1
        assert "AI version 2" in html
        assert 'name="confirm" value="1"' in html
        assert "Publish 1 version" in words(html)
        assert again(row).is_open

    def test_what_was_not_seen_stays_in_review(self, client, people, image):
        seen, unseen = waiting(image), waiting(image, "200x400")
        client.force_login(people.editor)
        versions = [seen.candidates.get(), unseen.candidates.get()]
        response = ask_to_approve(client, versions, seen=versions[:1])
        assert [each.row for each in response.context["unseen"]] == [unseen]
        text = words(response.content.decode())
        assert "1 stays in review" in text
        assert f"{image.title}, 200×400" in text
        assert f'value="{versions[1].pk}"' not in response.content.decode()

    def test_they_are_listed_in_the_order_of_the_queue(self, client, people, image):
        newer, older = waiting(image), waiting(image, "200x400")
        older.update_if(where={}, awaiting_review_since=timezone.now() - dt.timedelta(days=1))
        client.force_login(people.editor)
        versions = [newer.candidates.get(), older.candidates.get()]
        response = ask_to_approve(client, versions, seen=versions)
        assert [each.row for each in response.context["entries"]] == [older, newer]

    def test_one_version_that_was_seen_is_none_for_another(self, client, people, image):
        row = waiting(image, versions=2)
        first, second = row.candidates.all()
        client.force_login(people.editor)
        response = ask_to_approve(client, [second], seen=[first])
        assert response.context["entries"] == []

    @pytest.mark.parametrize("seen", [[], ["x"], ["²"]])
    def test_where_none_was_seen_there_is_no_button(self, client, people, image, seen):
        row = waiting(image)
        client.force_login(people.editor)
        data = {"candidates": [row.candidates.get().pk], "seen": seen}
        url = reverse("smart_resize_admin:review_selected")
        html = client.post(url, data, headers=BY_SCRIPT).content.decode()
        assert "None of them has been shown to you yet" in html
        assert 'name="confirm"' not in html

    def test_it_tells_on_how_many_pages_and_how_long_it_can_be_undone(self, client, people, image):
        rows = [waiting(image), waiting(plain_image(collection=people.here))]
        for row in rows:
            page_showing(row)
        client.force_login(people.editor)
        versions = [row.candidates.get() for row in rows]
        text = words(ask_to_approve(client, versions, seen=versions).content.decode())
        assert "They go live on 2 pages that are known, 10 seconds after you say yes" in text

    def test_queries_do_not_grow_with_what_is_listed(
        self, client, people, django_assert_max_num_queries
    ):
        versions = []

        def see(images):
            for _ in range(images):
                row = waiting(plain_image(collection=people.here), versions=2)
                page_showing(row)
                versions.append(row.candidates.first())
            ask_to_approve(client, versions, seen=versions)
            with django_assert_max_num_queries(1000) as made:
                ask_to_approve(client, versions, seen=versions)
            return len(made)

        client.force_login(people.superuser)
        assert see(2) == see(4)


class TestApprovingSeveral:
    def test_all_that_is_selected_goes_live(self, client, people, image):
        chosen = [waiting(image, slot) for slot in ("400x400", "200x400")]
        left = waiting(image, "300x400")
        client.force_login(people.editor)
        response = approve_selected(client, *(row.candidates.get() for row in chosen))
        assert response.url == REVIEW
        assert told(response) == ["2 versions approved."]
        assert all(again(row).live_id for row in chosen)
        assert all(row.takes_effect_at for row in chosen)
        assert again(left).is_open

    def test_scripts_are_told_how_to_undo_it(self, client, people, image):
        rows = [waiting(image, slot) for slot in ("400x400", "200x400")]
        client.force_login(people.editor)
        response = approve_selected(client, *(row.candidates.get() for row in rows), by_script=True)
        assert response.json() == {
            "text": "2 versions approved.",
            "undo": {
                "url": reverse("smart_resize_admin:review_undo"),
                "fields": {"decisions": decisions(*rows)},
                "rows": [row.pk for row in rows],
                "seconds": SECONDS,
            },
        }

    def test_two_versions_of_one_place_are_none(self, client, people, image):
        row = waiting(image, versions=2)
        client.force_login(people.editor)
        response = approve_selected(client, *row.candidates.all())
        assert told(response) == [
            f"Select one version of each place: more than one was selected for “{image.title}”."
        ]
        assert again(row).is_open

    def test_what_others_decided_stops_nothing_else(self, client, people, image):
        decided, open_row = waiting(image), waiting(image, "200x400")
        decided.choose(None, people.superuser)
        client.force_login(people.editor)
        candidates = decided.candidates.get(), open_row.candidates.get()
        response = approve_selected(client, *candidates, by_script=True)
        assert response.json()["text"] == (
            f"1 version approved. root has already decided for the crop of “{image.title}”."
        )
        assert response.json()["undo"]["rows"] == [open_row.pk]
        assert again(decided).decision == "crop"
        assert again(open_row).decision == "candidate"

    def test_nothing_selected_is_told(self, client, people, image):
        client.force_login(people.editor)
        assert told(approve_selected(client)) == [
            "No version is selected: nothing has been approved."
        ]

    def test_what_was_deleted_is_told(self, client, people, image):
        row = waiting(image)
        gone = row.candidates.get()
        key = gone.pk
        image.delete()
        client.force_login(people.editor)
        gone.pk = key
        assert "not there any more" in told(approve_selected(client, gone))[0]


class TestWhoMay:
    """Four people: by what they see, and by forged requests."""

    @pytest.mark.parametrize(("who", "sees"), [("superuser", True), ("editor", True)])
    def test_sees_what_waits_here(self, client, people, image, who, sees):
        row = waiting(image)
        client.force_login(getattr(people, who))
        assert (entries(client.get(REVIEW)) == [row]) is sees

    def test_an_editor_of_another_collection_sees_nothing_of_it(self, client, people, image):
        waiting(image)
        client.force_login(people.elsewhere)
        response = client.get(REVIEW)
        assert entries(response) == []
        assert image.title not in response.content.decode()

    def test_an_editor_without_the_right_is_turned_away(self, client, people, image):
        waiting(image)
        client.force_login(people.outsider)
        assert client.get(REVIEW).url == "/admin/"
        forged = client.get(REVIEW, headers={"X-Requested-With": "XMLHttpRequest"})
        assert forged.status_code == 403

    def test_nobody_in_particular_logs_in_first(self, client, image):
        assert client.get(REVIEW).url.startswith("/admin/login/")

    @pytest.mark.parametrize("who", ["elsewhere", "outsider"])
    @pytest.mark.parametrize("what", ["approve", "decline", "selected"])
    def test_forged_decisions_change_nothing(self, client, people, image, who, what):
        row = waiting(image)
        version = row.candidates.get()
        client.force_login(getattr(people, who))
        if what == "selected":
            response = approve_selected(client, version)
        else:
            response = decide(client, row, **{what: version.pk})
        assert response.url == "/admin/"
        assert again(row).is_open
        assert not ImageVersion.objects.exclude(publish_due_at=None).exists()

    @pytest.mark.parametrize(("who", "status"), [("elsewhere", 404), ("outsider", 403)])
    def test_one_entry_is_shown_to_none_of_the_others(self, client, people, image, who, status):
        row = waiting(image)
        client.force_login(getattr(people, who))
        response = fetched_entry(client, row)
        assert response.status_code == status
        assert image.title not in response.content.decode()

    @pytest.mark.parametrize("who", ["elsewhere", "outsider"])
    def test_a_forged_undo_changes_nothing(self, client, people, image, who):
        row = waiting(image)
        client.force_login(people.editor)
        decide(client, row, decline="1")
        client.force_login(getattr(people, who))
        assert undo(client, row).status_code == 403
        assert again(row).decision == "crop"

    def test_one_forbidden_place_keeps_all_from_being_undone(self, client, people, image):
        mine, other = waiting(image), waiting(plain_image(collection=people.there))
        later = timezone.now() + dt.timedelta(seconds=12)
        for row in (mine, other):
            row.choose(None, people.editor, later)
        client.force_login(people.editor)
        assert undo(client, mine, other).status_code == 403
        assert again(mine).decision == again(other).decision == "crop"

    def test_what_one_may_not_approve_is_not_offered_to_be_approved(self, client, people, image):
        other = waiting(plain_image(collection=people.there))
        client.force_login(people.editor)
        version = other.candidates.get()
        response = ask_to_approve(client, [version], seen=[version])
        assert response.status_code == 403
        assert other.image.title not in response.content.decode()

    def test_one_forbidden_version_keeps_all_from_being_approved(self, client, people, image):
        mine = waiting(image)
        other = waiting(plain_image(collection=people.there))
        client.force_login(people.editor)
        approve_selected(client, mine.candidates.get(), other.candidates.get())
        assert again(mine).is_open
        assert again(other).is_open

    @pytest.mark.parametrize("who", ["superuser", "editor"])
    def test_who_may_decides(self, client, people, image, who):
        row = waiting(image)
        client.force_login(getattr(people, who))
        decide(client, row, approve=row.candidates.get().pk)
        assert again(row).decided_by == getattr(people, who)

    def test_the_right_to_ask_is_none_to_approve(self, client, people, image):
        row = waiting(image)
        asker = editor("asker", people.here, ("smart_resize_recomposition",))
        client.force_login(asker)
        assert client.get(REVIEW).url == "/admin/"
        decide(client, row, approve=row.candidates.get().pk)
        assert again(row).is_open

    def test_the_right_to_approve_is_enough(self, client, people, image):
        row = waiting(image)
        approver = editor("approver", people.here, ("approve_recomposition",))
        client.force_login(approver)
        response = client.get(REVIEW)
        assert entries(response) == [row]
        assert "Ask again with" not in response.content.decode()
        decide(client, row, approve=row.candidates.get().pk)
        assert again(row).decided_by == approver


class TestOutsideReviewMode:
    """There is a queue, too: whoever may smart resize decides there."""

    @pytest.fixture(autouse=True)
    def no_review_mode(self, review_mode, configure):
        configure(REVIEW=False)

    def test_whoever_may_smart_resize_decides(self, client, people, image):
        row = waiting(image)
        asker = editor("asker", people.here, ("smart_resize_recomposition",))
        client.force_login(asker)
        assert entries(client.get(REVIEW)) == [row]
        decide(client, row, approve=row.candidates.get().pk)
        assert (again(row).decision, row.decided_by) == ("candidate", asker)

    def test_the_right_to_approve_is_none_to_decide(self, client, people, image):
        row = waiting(image)
        client.force_login(editor("approver", people.here, ("approve_recomposition",)))
        assert client.get(REVIEW).url == "/admin/"
        decide(client, row, approve=row.candidates.get().pk)
        assert again(row).is_open

    @pytest.mark.parametrize("who", ["elsewhere", "outsider"])
    def test_others_decide_nothing(self, client, people, image, who):
        row = waiting(image)
        client.force_login(getattr(people, who))
        assert decide(client, row, decline="1").url == "/admin/"
        assert again(row).is_open


class TestMenuAndHome:
    def menu(self, client):
        html = client.get("/admin/").content.decode()
        props = re.search(r'<script id="wagtail-sidebar-props"[^>]*>(.*?)</script>', html, re.S)
        return json.dumps(json.loads(props.group(1)))

    def test_the_menu_counts_what_waits_for_the_user(self, client, people, image):
        waiting(image)
        waiting(image, "200x400")
        waiting(plain_image(collection=people.there))
        client.force_login(people.editor)
        menu = self.menu(client)
        assert '"data-smart-resize-count": "2"' in menu
        assert "Review versions: 2 wait" in menu

    def test_with_nothing_waiting_there_is_no_number(self, client, people):
        client.force_login(people.editor)
        menu = self.menu(client)
        assert "smart-resize-review" in menu
        assert "data-smart-resize-count" not in menu

    def test_the_home_says_how_many(self, client, people, image):
        waiting(image)
        client.force_login(people.editor)
        html = " ".join(client.get("/admin/").content.decode().split())
        assert "1 Version to review" in html
        assert f'href="{REVIEW}"' in html

    def test_it_counts_no_further_than_99(self, rf, people, image, monkeypatch):
        monkeypatch.setattr(admin_menu, "MAX_COUNTED", 1)
        for slot in ("400x400", "200x400", "300x400"):
            waiting(image, slot)
        request = rf.get("/")
        request.user = people.editor
        item = admin_menu.ReviewSummaryItem(request)
        assert item.get_context_data({})["shown"] == "1+"

    @pytest.mark.parametrize("who", ["outsider"])
    def test_others_see_neither(self, client, people, image, who):
        waiting(image)
        client.force_login(getattr(people, who))
        assert "smart-resize-review" not in self.menu(client)
        assert REVIEW not in client.get("/admin/").content.decode()

    def test_outside_review_mode_they_are_there_if_something_waits(
        self, client, people, image, configure
    ):
        configure(REVIEW=False)
        client.force_login(people.editor)
        waiting(plain_image(collection=people.there))
        assert "smart-resize-review" not in self.menu(client)
        assert REVIEW not in client.get("/admin/").content.decode()
        row = waiting(image)
        assert "Review versions: 1 waits" in self.menu(client)
        assert "1 Version to review" in " ".join(client.get("/admin/").content.decode().split())
        row.choose(None, people.superuser)
        assert "smart-resize-review" not in self.menu(client)


def test_what_waits_is_what_may_be_approved(people, image):
    row = waiting(image)
    assert list(listings.waiting_for(people.editor, 9)) == [row]
    assert permissions.may_approve(people.editor, image)
    assert list(listings.waiting_for(people.elsewhere, 9)) == []
    assert not permissions.may_approve(people.elsewhere, image)


def test_versions_of_replaced_files_hide_no_others(people, image):
    """Though they have waited longer, until a repair puts them aside."""
    replaced = [waiting(plain_image(), size) for size in ("300x300", "300x200", "200x300")]
    row, last = waiting(image, "400x400"), waiting(image, "900x400")
    for each in replaced:
        type(each.image).objects.filter(pk=each.image_id).update(file_hash="another")
    assert list(listings.waiting_for(people.superuser, 1)) == [row]
    assert list(listings.waiting_for(people.superuser, 2)) == [row, last]
    assert list(listings.waiting_for(people.superuser, 9)) == [row, last]


class TestSinceWhen:
    """The moment that the queue goes by."""

    def test_is_the_first_versions(self, image):
        row = again(waiting(image))
        since = row.awaiting_review_since
        assert since is not None
        candidate(row, position=1)
        assert again(row).awaiting_review_since == since

    def test_ends_with_a_decision_or_what_goes_live(self, image, people):
        declined, chosen, live_by_itself = (waiting(image, f"{w}x400") for w in (200, 400, 900))
        declined.choose(None, people.superuser)
        chosen.choose(chosen.candidates.get(), people.superuser)
        assert live_by_itself.go_live(live_by_itself.candidates.get())
        for row in (declined, chosen, live_by_itself):
            assert again(row).awaiting_review_since is None

    def test_is_not_set_for_what_is_decided(self, image, people):
        row = recomposition(image)
        row.choose(None, people.superuser)
        candidate(row)
        assert again(row).awaiting_review_since is None

    def test_a_repair_finds_what_no_queue_shows(self, image, people):
        row, declined, empty = (
            waiting(image),
            waiting(image, "200x400"),
            recomposition(image, "9x1"),
        )
        declined.choose(None, people.superuser)
        Recomposition.objects.update(awaiting_review_since=None)
        assert list(listings.waiting_for(people.superuser, 9)) == []
        assert repairs.run().counts[Repair.OVERLOOKED] == 1
        assert list(listings.waiting_for(people.superuser, 9)) == [row]
        assert again(empty).awaiting_review_since is None
        assert repairs.run().counts[Repair.OVERLOOKED] == 0
