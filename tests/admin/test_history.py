"""An image's own history: who sees it, and what it tells."""

import uuid

import pytest
from django.urls import reverse
from support.factories import candidate, live, plain_image, recomposition
from wagtail.log_actions import log

from wagtail_smart_resize.editorial import actions, audit
from wagtail_smart_resize.editorial.actions import ResizeTarget
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
    assert entries(editor, image) == ["Live: a recomposed picture for 400x400"]
    actions.use_crop(row, user=people.editor)
    publication.publish(image.pk)
    newest, chosen, *_earlier = entries(editor, image)
    assert newest == "Live: the standard crop for 400x400"
    assert chosen == "Decided for the standard crop: 400x400"


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
            "Decided for the standard crop: 400x400",
            "Chose a recomposed picture: 400x400",
            "Asked for a recomposition: 1200x630",
        ]

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
