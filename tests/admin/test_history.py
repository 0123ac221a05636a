"""An image's own history: who sees it, and what it tells."""

import uuid

import pytest
from django.urls import reverse
from support.factories import candidate, live, plain_image, recomposition
from wagtail.log_actions import log
from wagtail.models import ModelLogEntry

from wagtail_smart_resize import actions
from wagtail_smart_resize.actions import GenerationOptions, ResizeTarget
from wagtail_smart_resize.editorial import audit
from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.publishing import publication

pytestmark = pytest.mark.django_db

SCREENS = ["history", "history_results"]


@pytest.fixture
def image(people):
    return plain_image(collection=people.here)


def address(image, name="history"):
    return reverse(f"smart_resize_admin:{name}", args=[image.pk])


def entries(client, image, **query):
    """The messages that are listed, the newest first."""
    response = client.get(address(image), query)
    assert response.status_code == 200
    return [str(entry.message) for entry in response.context["object_list"]]


def test_what_went_live_and_what_gave_way_is_told_by_its_sizes(editor, people, image):
    row = live(image, "400x400").recomposition
    assert entries(editor, image) == ["AI version live: 400×400"]
    actions.use_crop(row, user=people.editor)
    publication.publish(image.pk)
    newest, chosen, *_earlier = entries(editor, image)
    assert newest == "Crop live: 400×400"
    assert chosen == "Decided for the crop: 400×400"


class TestWhoMay:
    @pytest.mark.parametrize("name", ["superuser", "editor"])
    @pytest.mark.parametrize("screen", SCREENS)
    def test_whoever_has_the_right_here_sees_it(self, client, people, image, name, screen):
        actions.opt_out(image, user=people.editor)
        client.force_login(getattr(people, name))
        response = client.get(address(image, screen))
        assert response.status_code == 200
        assert "Never to be sent to the service" in response.content.decode()

    @pytest.mark.parametrize("name", ["elsewhere", "outsider"])
    @pytest.mark.parametrize("screen", SCREENS)
    def test_nobody_else_does(self, client, people, image, name, screen):
        actions.opt_out(image, user=people.editor)
        client.force_login(getattr(people, name))
        assert client.get(address(image, screen)).status_code == 302
        ajax = client.get(address(image, screen), headers={"x-requested-with": "XMLHttpRequest"})
        assert ajax.status_code == 403
        assert b"Never to be sent" not in ajax.content

    @pytest.mark.parametrize("screen", SCREENS)
    def test_strangers_are_sent_to_the_login(self, client, image, screen):
        response = client.get(address(image, screen))
        assert response.status_code == 302
        assert response.url.startswith("/admin/login/")

    @pytest.mark.parametrize("name", ["superuser", "editor", "elsewhere", "outsider"])
    @pytest.mark.parametrize("screen", SCREENS)
    def test_nothing_can_be_posted(self, client, people, image, name, screen):
        client.force_login(getattr(people, name))
        response = client.post(address(image, screen), {"action": audit.OPT_OUT})
        allowed = name in {"superuser", "editor"}
        assert response.status_code == (405 if allowed else 302)

    def test_an_image_that_is_gone_is_not_found(self, editor, image):
        gone = address(image)
        image.delete()
        assert editor.get(gone).status_code == 404


class TestWhatItTells:
    def test_what_was_done_is_listed_with_the_newest_first(self, editor, people, image):
        actions.request_recomposition(
            image, [ResizeTarget.parse("1200x630")], user=people.editor, key=uuid.uuid4()
        )
        row = recomposition(image, "400x400", purchase="idle")
        actions.choose(candidate(row), user=people.editor)
        actions.use_crop(row, user=people.editor)
        assert entries(editor, image) == [
            "Decided for the crop: 400×400",
            "Chose AI version 1: 400×400",
            "Asked for AI versions: 1200×630",
        ]

    def test_asking_tells_the_prompt_and_the_price(self, editor, people, image, configure):
        configure(PRICE_PER_OUTPUT=("0.12", "EUR"), CANDIDATES=2)
        actions.request_recomposition(
            image,
            [ResizeTarget.parse("1200x630"), ResizeTarget.parse("400x400")],
            user=people.editor,
            options=GenerationOptions(prompt="More sky"),
            key=uuid.uuid4(),
        )
        assert entries(editor, image) == [
            "Asked for AI versions: 1200×630, 400×400, “More sky”, 0.48 EUR"
        ]

    def test_of_a_long_prompt_the_beginning_is_told(self, editor, people, image):
        actions.request_recomposition(
            image,
            [ResizeTarget.parse("400x400")],
            user=people.editor,
            options=GenerationOptions(prompt="sky " * 100),
            key=uuid.uuid4(),
        )
        (message,) = entries(editor, image)
        assert "sky sky" in message
        assert len(message) < 300

    def test_choosing_tells_the_versions_number_on_the_screen(self, editor, people, image):
        row = recomposition(image, "400x400", purchase="idle")
        versions = [candidate(row, position=number) for number in range(3)]
        for version in (versions[2], versions[1]):
            actions.choose(version, user=people.editor)
        assert entries(editor, image) == [
            "Chose AI version 2: 400×400",
            "Chose AI version 3: 400×400",
        ]

    def test_entries_without_a_number_are_told_all_the_same(self, editor, people, image):
        log(image, audit.CHOOSE, user=people.editor, data={"sizes": ["400x400"]})
        assert entries(editor, image) == ["Chose an AI version: 400×400"]

    @pytest.mark.parametrize(
        ("reason", "told"),
        [
            ("", "Decided for the crop: 400×400"),
            *(
                (code, f"Decided for the crop: 400×400. {text}")
                for code, text in audit.DECLINE_REASONS.items()
            ),
            ("Too dark", "Decided for the crop: 400×400. Too dark"),
        ],
    )
    def test_declining_tells_its_reason(self, editor, people, image, reason, told):
        row = recomposition(image, "400x400", purchase="idle")
        actions.use_crop(row, user=people.editor, reason=reason)
        assert entries(editor, image) == [told]

    def test_of_a_reason_its_code_is_kept_for_readers_of_any_language(self, image):
        audit.declined(recomposition(image, "400x400"), None, "face")
        entry = ModelLogEntry.objects.get()
        assert entry.data == {"sizes": ["400x400"], "reason": "face"}

    def test_undoing_has_an_entry_of_its_own(self, editor, people, image):
        row = recomposition(image, "400x400", purchase="idle")
        actions.choose(candidate(row), user=people.editor, undoable=True)
        actions.undo(row, user=people.editor)
        assert entries(editor, image) == [
            "Undid the last decision: 400×400",
            "Chose AI version 1: 400×400",
        ]
        assert entries(editor, image, action=audit.UNDO) == ["Undid the last decision: 400×400"]

    def test_calling_off_has_an_entry_of_its_own(self, editor, people, image):
        actions.request_recomposition(
            image, [ResizeTarget.parse("400x400")], user=people.editor, key=uuid.uuid4()
        )
        actions.call_off(Recomposition.objects.get(), user=people.editor)
        assert entries(editor, image)[0] == "Cancelled before it was sent: 400×400"

    def test_a_failure_is_told_with_its_code(
        self, editor, people, image, django_capture_on_commit_callbacks
    ):
        with django_capture_on_commit_callbacks(execute=True):
            recomposition(image, "400x400").fail("http_400", "no")
        assert entries(editor, image) == ["An AI version failed (http_400): 400×400"]

    @pytest.mark.parametrize("name", ["prompt", "reason"])
    def test_what_people_wrote_is_never_markup(self, editor, people, image, name):
        action = audit.ASK if name == "prompt" else audit.DECLINE
        data = {"sizes": ["400x400"], name: "<script>alert(1)</script>"}
        log(image, action, user=people.editor, data=data)
        html = editor.get(address(image)).content.decode()
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert" in html

    def test_two_of_a_kind_are_two_lines(self, editor, people, image):
        for slot in ("400x400", "1920x600"):
            actions.use_crop(recomposition(image, slot, purchase="idle"), user=people.editor)
        assert len(entries(editor, image)) == 2

    def test_what_wagtail_logs_of_the_image_is_there_too(self, editor, people, image):
        log(image, "wagtail.edit", user=people.outsider)
        response = editor.get(address(image))
        assert [entry.action for entry in response.context["object_list"]] == ["wagtail.edit"]

    def test_other_images_have_their_own(self, editor, people, image):
        actions.opt_out(plain_image(collection=people.here), user=people.editor)
        assert entries(editor, image) == []

    def test_it_names_who_did_it(self, editor, people, image):
        actions.opt_out(image, user=people.superuser)
        assert "root" in editor.get(address(image)).content.decode()

    def test_it_leads_back_to_the_image(self, editor, image):
        html = editor.get(address(image)).content.decode()
        assert f'href="{reverse("smart_resize_admin:image", args=[image.pk])}"' in html
        assert f'href="{reverse("wagtailimages:edit", args=[image.pk])}"' in html

    def test_the_images_screen_leads_to_it(self, editor, image):
        html = editor.get(reverse("smart_resize_admin:image", args=[image.pk])).content.decode()
        assert f'href="{address(image)}"' in html


class TestFilters:
    def test_it_can_be_narrowed_down_by_action_and_user(self, editor, people, image):
        actions.opt_out(image, user=people.editor)
        actions.opt_in(image, user=people.superuser)
        assert entries(editor, image, action=audit.OPT_IN) == ["May be sent to the service again"]
        mine = entries(editor, image, user=people.editor.pk)
        assert mine == ["Never to be sent to the service"]

    def test_it_can_be_narrowed_down_by_date(self, editor, people, image):
        actions.opt_out(image, user=people.editor)
        assert entries(editor, image, timestamp_to="2020-01-01") == []
        assert len(entries(editor, image, timestamp_from="2020-01-01")) == 1

    def test_its_dates_need_no_inline_script(self, editor, people, image):
        actions.opt_out(image, user=people.editor)
        html = editor.get(address(image)).content.decode()
        assert html.count('type="date"') == 2
        assert "initDateChooser" not in html


def test_queries_do_not_grow_with_the_entries(
    editor, people, image, django_assert_max_num_queries, django_assert_num_queries
):
    def do(times):
        for _number in range(times):
            actions.opt_out(image, user=people.editor)
            actions.opt_in(image, user=people.superuser)

    do(1)
    editor.get(address(image))
    with django_assert_max_num_queries(60) as few:
        editor.get(address(image))
    do(5)
    with django_assert_num_queries(len(few.captured_queries)):
        editor.get(address(image))
