"""The panel of Wagtail's home page that tells what became of what the user has asked for."""

import datetime as dt
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from support.factories import candidate, plain_image, recomposition
from support.people import editor as new_editor
from wagtail.images import get_image_model
from wagtail.models import GroupCollectionPermission

from wagtail_smart_resize.admin.home_panel import MAX_TOLD, TOLD_FOR, AskedPanel
from wagtail_smart_resize.core.schema import schema
from wagtail_smart_resize.models import ImageVersion, Recomposition

pytestmark = pytest.mark.django_db

HOME = "/admin/"
HEADING = "What you asked for"


@pytest.fixture
def image(people):
    return plain_image(collection=people.here)


@pytest.fixture
def panel(rf):
    """Return a function that renders the panel for a user."""

    def panel(user):
        request = rf.get(HOME)
        request.user = user
        return AskedPanel(request).render_html({})

    return panel


@pytest.fixture
def told(rf):
    """Return a function that returns the rows of which the panel tells a user."""

    def told(user):
        request = rf.get(HOME)
        request.user = user
        return [each.row for each in AskedPanel(request).get_context_data({})["entries"]]

    return told


def words(html):
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def ready(image, slot="400x400", **fields):
    """A place with a version that awaits a decision."""
    row = recomposition(image, slot, purchase="idle", **fields)
    candidate(row)
    return row


def part_of(html):
    """The panel within the home page."""
    return html[html.index('id="smart-resize-asked-section"') :].partition("</section>")[0]


class TestOnTheHomePage:
    def test_tells_what_the_user_asked_for(self, editor, people, image):
        ready(image, "1920x600", asked_by=people.editor)
        html = part_of(editor.get(HOME).content.decode())
        assert HEADING in html
        room = reverse("smart_resize_admin:room", args=[image.pk, "any-3200"])
        assert f'<a href="{room}"><bdi>{image.title}</bdi>, Hero' in html
        assert "To decide" in html

    def test_without_anything_asked_for_there_is_none(self, editor, image, people):
        recomposition(image)
        ready(image, "200x400", asked_by=people.superuser)
        assert HEADING not in editor.get(HOME).content.decode()

    @pytest.mark.parametrize("who", ["superuser", "elsewhere", "outsider"])
    def test_others_see_nothing_of_it(self, client, people, image, who):
        ready(image, asked_by=people.editor)
        client.force_login(getattr(people, who))
        html = client.get(HOME).content.decode()
        assert HEADING not in html
        assert image.title not in html

    def test_needs_no_inline_script_or_style(self, editor, people, image):
        ready(image, asked_by=people.editor)
        html = part_of(editor.get(HOME).content.decode())
        assert not re.search(r"<style|<script|\sstyle=|\son[a-z]+=", html)

    def test_a_text_is_never_markup(self, editor, people, image):
        evil = "<script>alert(1)</script>"
        get_image_model().objects.filter(pk=image.pk).update(title=evil)
        people.superuser.first_name = evil
        people.superuser.save()
        row = ready(image, asked_by=people.editor)
        row.choose(None, people.superuser)
        html = part_of(editor.get(HOME).content.decode())
        assert "<script>" not in html
        assert html.count("&lt;script&gt;alert") == 2


class TestWhatItTells:
    def test_the_newest_comes_first(self, told, people, image):
        now = timezone.now()
        old, new, middle = (
            recomposition(
                image,
                f"{width}x400",
                asked_by=people.editor,
                wanted_at=now - dt.timedelta(hours=hours),
            )
            for width, hours in ((200, 30), (400, 1), (900, 20))
        )
        assert told(people.editor) == [new, middle, old]

    def test_it_tells_for_some_days(self, told, people, image):
        before = timezone.now() - TOLD_FOR
        minute = dt.timedelta(minutes=1)
        recomposition(image, "200x400", asked_by=people.editor, wanted_at=before - minute)
        row = recomposition(image, asked_by=people.editor, wanted_at=before + minute)
        assert told(people.editor) == [row]

    def test_it_tells_of_some_places_only(self, told, people, image):
        rows = [
            recomposition(image, f"{width}x400", asked_by=people.editor)
            for width in range(100, 100 + 10 * (MAX_TOLD + 2), 10)
        ]
        assert told(people.editor) == rows[::-1][:MAX_TOLD]

    def test_of_a_replaced_file_nothing_is_told(self, told, people, image):
        recomposition(image, asked_by=people.editor)
        get_image_model().objects.filter(pk=image.pk).update(file_hash="new")
        assert told(people.editor) == []

    def test_a_failure_is_told_in_words(self, panel, people, image):
        recomposition(image, purchase="failed", failure_code="http_400", asked_by=people.editor)
        text = words(panel(people.editor))
        assert "Failed" in text
        assert "The service refused the image or the prompt." in text

    def test_that_publishing_keeps_failing_is_told(self, panel, people, image):
        row = ready(image, asked_by=people.editor)
        row.choose(row.candidates.get(), people.superuser)
        assert "could not publish it" not in words(panel(people.editor))
        ImageVersion.objects.update(publish_attempts=3)
        assert "The site could not publish it so far" in words(panel(people.editor))

    def test_who_decided_is_named(self, panel, people, image):
        row = ready(image, asked_by=people.editor)
        row.choose(None, people.superuser)
        text = words(panel(people.editor))
        assert "Crop chosen" in text
        assert "decided by root" in text

    def test_ones_own_decision_names_nobody(self, panel, people, image):
        row = ready(image, asked_by=people.editor)
        row.choose(None, people.editor)
        text = words(panel(people.editor))
        assert "Crop chosen" in text
        assert "decided by" not in text

    def test_a_missing_file_leaves_the_rest_standing(self, panel, people, image):
        recomposition(image, asked_by=people.editor)
        image.file.storage.delete(image.file.name)
        assert image.title in panel(people.editor)

    def test_queries_do_not_grow_with_the_places(self, panel, people):
        counts = []
        for _round in range(2):
            for _ in range(2):
                ready(plain_image(collection=people.here), asked_by=people.editor)
            panel(people.editor)
            with CaptureQueriesContext(connection) as queries:
                panel(people.editor)
            counts.append(len(queries))
        assert counts[0] == counts[1]

    def test_looking_changes_nothing(self, panel, people, image):
        row = ready(image, asked_by=people.editor)
        before = Recomposition.objects.filter(pk=row.pk).values().get()
        panel(people.editor)
        assert Recomposition.objects.filter(pk=row.pk).values().get() == before


class TestWhereItIsEmpty:
    def test_without_the_right_there_is_nothing(self, panel, people, image):
        ready(image, asked_by=people.outsider)
        assert panel(people.outsider).strip() == ""

    def test_of_a_collection_that_is_closed_to_the_user_nothing_is_told(self, told, people, image):
        row = ready(image, asked_by=people.editor)
        assert told(people.editor) == [row]
        theirs = GroupCollectionPermission.objects.filter(group__user=people.editor)
        theirs.filter(collection=people.here).update(collection=people.there)
        user = type(people.editor).objects.get(pk=people.editor.pk)
        other = ready(plain_image(collection=people.there), asked_by=user)
        assert told(user) == [other]

    def test_either_right_is_enough(self, told, people, image):
        approver = new_editor("approver", people.here, ("approve_recomposition",))
        row = ready(image, asked_by=approver)
        assert told(approver) == [row]

    def test_before_migrate_there_is_nothing_and_nothing_is_asked(
        self, panel, people, image, monkeypatch, django_assert_num_queries
    ):
        ready(image, asked_by=people.editor)
        monkeypatch.setattr(schema, "is_current", lambda: False)
        with django_assert_num_queries(0):
            assert panel(people.editor).strip() == ""
