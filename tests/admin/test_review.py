"""Review mode: who sees what waits, who decides, and what a second person is told."""

import json
import re

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse
from support.factories import candidate, live, plain_image, recomposition
from support.people import editor
from wagtail.images import get_image_model
from wagtail.models import ModelLogEntry

from wagtail_smart_resize.admin import menu as admin_menu
from wagtail_smart_resize.editorial import listings, permissions
from wagtail_smart_resize.models import Candidate, ImageVersion, Recomposition
from wagtail_smart_resize.repair import repairs
from wagtail_smart_resize.repair.report import Repair

pytestmark = pytest.mark.django_db

REVIEW = "/admin/reports/smart-resize/review/"


@pytest.fixture(autouse=True)
def review_mode(settings):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "REVIEW": True}


@pytest.fixture
def image(people):
    return plain_image(collection=people.here)


def waiting(image, slot="400x400", pictures=1, **fields):
    """A recomposition with pictures that nobody has decided about."""
    row = recomposition(image, slot, purchase="idle", **fields)
    for number in range(pictures):
        candidate(row, position=number)
    return row


def entries(response):
    return [each.row for each in response.context["entries"]]


def told(response):
    return [str(message).strip() for message in get_messages(response.wsgi_request)]


def decide(client, row, **data):
    return client.post(reverse("smart_resize_admin:review_decide", args=[row.pk]), data)


def approve_selected(client, *candidates):
    url = reverse("smart_resize_admin:review_selected")
    return client.post(url, {"candidates": [each.pk for each in candidates]})


def again(row):
    row.refresh_from_db()
    return row


class TestTheQueue:
    def test_shows_the_crop_beside_each_picture(self, client, people, image):
        row = waiting(image, "300x400", pictures=2)
        client.force_login(people.editor)
        html = client.get(REVIEW).content.decode()
        crop = get_image_model().objects.get(pk=image.pk).get_rendition("fill-300x400")
        assert f'src="{crop.url}"' in html
        for picture in row.candidates.all():
            url = reverse("smart_resize_admin:candidate", args=[image.pk, picture.pk])
            assert f'src="{url}"' in html
            assert picture.file.name not in html
        assert '<bdi class="smart-resize-size" dir="ltr">300×400</bdi>' in html

    def test_the_oldest_comes_first(self, client, people, image):
        newer = waiting(image, wanted_at="2026-11-01T00:00:00Z")
        older = waiting(image, "200x400", wanted_at="2026-11-02T00:00:00Z")
        older.update_if(where={}, awaiting_review_since="2026-11-01T00:00:00Z")
        client.force_login(people.editor)
        assert entries(client.get(REVIEW)) == [older, newer]

    def test_of_a_long_queue_the_first_are_shown(self, client, people, image, monkeypatch):
        monkeypatch.setattr("wagtail_smart_resize.admin.review.views.MAX_ENTRIES", 2)
        oldest, older, newer = (waiting(image, f"{width}x400") for width in (200, 400, 900))
        client.force_login(people.editor)
        response = client.get(REVIEW)
        assert entries(response) == [oldest, older]
        assert "2+ shapes await your review" in response.content.decode()
        oldest.choose(None, people.superuser)
        assert entries(client.get(REVIEW)) == [older, newer]

    def test_holds_only_what_waits(self, client, people, image):
        recomposition(image, "500x100")
        live(image, "100x500")
        declined = waiting(image, "200x400")
        declined.choose(None, people.superuser)
        waits = waiting(image)
        client.force_login(people.superuser)
        assert entries(client.get(REVIEW)) == [waits]

    def test_pictures_of_a_replaced_file_are_left_out(self, client, people, image):
        waiting(image)
        get_image_model().objects.filter(pk=image.pk).update(file_hash="new")
        client.force_login(people.superuser)
        assert entries(client.get(REVIEW)) == []

    def test_without_anything_waiting_it_says_so(self, client, people):
        client.force_login(people.editor)
        assert "Nothing awaits your review." in client.get(REVIEW).content.decode()

    def test_a_missing_file_leaves_the_rest_standing(self, client, people, image):
        row = waiting(image)
        image.file.storage.delete(image.file.name)
        client.force_login(people.editor)
        response = client.get(REVIEW)
        assert (response.status_code, entries(response)) == (200, [row])

    def test_a_title_is_never_markup(self, client, people, image):
        get_image_model().objects.filter(pk=image.pk).update(title="<script>alert(1)</script>")
        waiting(image)
        client.force_login(people.editor)
        html = client.get(REVIEW).content.decode()
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert" in html

    def test_needs_no_inline_script_or_style(self, client, people, image):
        waiting(image)
        client.force_login(people.editor)
        html = client.get(REVIEW).content.decode()
        ours = html[html.index("<main") : html.index("</main>")]
        assert not re.search(r"<style|<script|\sstyle=|\son[a-z]+=", ours)

    def test_queries_do_not_grow_with_what_waits(
        self, client, people, django_assert_max_num_queries
    ):
        def see(images):
            for _ in range(images):
                waiting(plain_image(collection=people.here), pictures=2)
            client.get(REVIEW)  # makes the crops
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
        assert Recomposition.objects.filter(pk=row.pk).values().get() == before
        assert not ImageVersion.objects.exists()

    @pytest.mark.parametrize("name", ["review_decide", "review_selected"])
    def test_decisions_are_not_made_by_get(self, client, people, image, name):
        row = waiting(image)
        client.force_login(people.superuser)
        arguments = [row.pk] if name == "review_decide" else []
        assert client.get(reverse(f"smart_resize_admin:{name}", args=arguments)).status_code == 405

    def test_outside_review_mode_there_is_none(self, client, people, image, settings):
        settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "REVIEW": False}
        row = waiting(image)
        client.force_login(people.superuser)
        assert client.get(REVIEW).status_code == 404
        assert decide(client, row, approve=row.candidates.get().pk).status_code == 404
        assert again(row).is_open

    def test_keys_are_off_for_who_switched_them_off(self, client, people, image):
        from wagtail.users.models import UserProfile

        waiting(image)
        profile = UserProfile.get_for_user(people.editor)
        profile.keyboard_shortcuts = False
        profile.save()
        client.force_login(people.editor)
        assert 'shortcuts-value="false"' in client.get(REVIEW).content.decode()


class TestDeciding:
    def test_approving_lets_the_picture_go_live(self, client, people, image):
        row = waiting(image, pictures=2)
        second = row.candidates.last()
        client.force_login(people.editor)
        response = decide(client, row, approve=second.pk)
        assert response.url == REVIEW
        assert (again(row).live, row.decision, row.decided_by) == (
            second,
            "candidate",
            people.editor,
        )
        assert ImageVersion.objects.get().publish_due_at is not None
        assert any(f"Approved a picture for “{image.title}”" in text for text in told(response))
        assert ModelLogEntry.objects.filter(action="smart_resize.choose").exists()

    def test_declining_keeps_the_crop_and_every_picture(self, client, people, image):
        row = waiting(image)
        client.force_login(people.editor)
        decide(client, row, decline="1")
        assert (again(row).live, row.decision) == (None, "crop")
        assert row.candidates.count() == 1

    def test_it_goes_on_with_the_entry_that_follows(self, client, people, image):
        row = waiting(image)
        client.force_login(people.editor)
        response = decide(client, row, decline="1", p="2", following="77")
        assert response.url == f"{REVIEW}?p=2#review-77"

    def test_a_refusal_leads_to_the_top_where_it_is_told(self, client, people, image):
        row = waiting(image)
        row.choose(None, people.superuser)
        client.force_login(people.editor)
        assert decide(client, row, decline="1", p="2", following="77").url == f"{REVIEW}?p=2"

    def test_it_leads_nowhere_else(self, client, people, image):
        row = waiting(image)
        client.force_login(people.editor)
        response = decide(client, row, decline="1", p="//evil.example", following="x:y")
        assert response.url == REVIEW

    def test_the_second_of_two_editors_is_told(self, client, people, image):
        row = waiting(image)
        client.force_login(people.superuser)
        decide(client, row, decline="1")
        client.force_login(people.editor)
        response = decide(client, row, approve=row.candidates.get().pk)
        assert told(response)[-1] == (
            f"root has already decided for the standard crop of “{image.title}”."
        )
        assert (again(row).decision, row.decided_by) == ("crop", people.superuser)

    def test_declining_after_an_approval_is_told_too(self, client, people, image):
        row = waiting(image)
        client.force_login(people.superuser)
        decide(client, row, approve=row.candidates.get().pk)
        client.force_login(people.editor)
        response = decide(client, row, decline="1")
        assert told(response)[-1] == f"root has already approved a picture for “{image.title}”."
        assert again(row).decision == "candidate"

    def test_an_image_that_was_deleted_is_told(self, client, people, image):
        row = waiting(image)
        key = row.candidates.get().pk
        image.delete()
        client.force_login(people.editor)
        assert "not there any more" in told(decide(client, row, approve=key))[0]

    def test_a_picture_of_another_shape_is_none(self, client, people, image):
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
        assert again(row).is_open

    def test_a_picture_that_is_not_stored_is_refused(self, client, people, image):
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


class TestApprovingSeveral:
    def test_all_that_is_selected_goes_live(self, client, people, image):
        chosen = [waiting(image, slot) for slot in ("400x400", "200x400")]
        left = waiting(image, "300x400")
        client.force_login(people.editor)
        response = approve_selected(client, *(row.candidates.get() for row in chosen))
        assert told(response) == ["2 pictures approved."]
        assert all(again(row).live_id for row in chosen)
        assert again(left).is_open

    def test_two_pictures_of_one_shape_are_none(self, client, people, image):
        row = waiting(image, pictures=2)
        client.force_login(people.editor)
        response = approve_selected(client, *row.candidates.all())
        assert told(response) == [
            f"Select one picture of each shape: more than one was selected for “{image.title}”."
        ]
        assert again(row).is_open

    def test_what_others_decided_stops_nothing_else(self, client, people, image):
        decided, open_row = waiting(image), waiting(image, "200x400")
        decided.choose(None, people.superuser)
        client.force_login(people.editor)
        response = approve_selected(client, decided.candidates.get(), open_row.candidates.get())
        assert told(response) == [
            "1 picture approved.",
            f"root has already decided for the standard crop of “{image.title}”.",
        ]
        assert again(decided).decision == "crop"
        assert again(open_row).decision == "candidate"

    def test_nothing_selected_is_told(self, client, people, image):
        client.force_login(people.editor)
        assert told(approve_selected(client)) == [
            "No picture is selected: nothing has been approved."
        ]

    def test_what_was_deleted_is_told(self, client, people, image):
        row = waiting(image)
        gone = row.candidates.get()
        image.delete()
        client.force_login(people.editor)
        url = reverse("smart_resize_admin:review_selected")
        assert "not there any more" in told(client.post(url, {"candidates": [gone.pk or 99]}))[0]


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
        picture = row.candidates.get()
        client.force_login(getattr(people, who))
        if what == "selected":
            response = approve_selected(client, picture)
        else:
            response = decide(client, row, **{what: picture.pk})
        assert response.url == "/admin/"
        assert again(row).is_open
        assert not ImageVersion.objects.exclude(publish_due_at=None).exists()

    def test_one_forbidden_picture_keeps_all_from_being_approved(self, client, people, image):
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
        assert entries(client.get(REVIEW)) == [row]
        decide(client, row, approve=row.candidates.get().pk)
        assert again(row).decided_by == approver


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
        assert "Review pictures: 2 wait" in menu

    def test_with_nothing_waiting_there_is_no_number(self, client, people):
        client.force_login(people.editor)
        menu = self.menu(client)
        assert "smart-resize-review" in menu
        assert "data-smart-resize-count" not in menu

    def test_the_home_says_how_many(self, client, people, image):
        waiting(image)
        client.force_login(people.editor)
        html = " ".join(client.get("/admin/").content.decode().split())
        assert "1 Picture to review" in html
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

    def test_outside_review_mode_nobody_does(self, client, people, image, settings):
        settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "REVIEW": False}
        waiting(image)
        client.force_login(people.superuser)
        assert "smart-resize-review" not in self.menu(client)
        assert REVIEW not in client.get("/admin/").content.decode()


def test_what_waits_is_what_may_be_approved(people, image):
    row = waiting(image)
    assert list(listings.waiting_for(people.editor, 9)) == [row]
    assert permissions.may_approve(people.editor, image)
    assert list(listings.waiting_for(people.elsewhere, 9)) == []
    assert not permissions.may_approve(people.elsewhere, image)


def test_pictures_of_replaced_files_hide_no_others(people, image):
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

    def test_is_the_first_pictures(self, image):
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
