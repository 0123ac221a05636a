"""An app that is installed, and not migrated or not yet: the site lives, and one line says why."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core import checks
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import override_settings
from django.urls import reverse
from support import bulk_action
from support.factories import plain_image, published_page
from support.no_migrations import NoMigrations
from wagtail.images import get_image_model
from wagtail.images.views.images import EditView

from wagtail_smart_resize.admin.mixins import SmartResizeEditViewMixin
from wagtail_smart_resize.admin.urls import urlpatterns
from wagtail_smart_resize.core.schema import LABEL, REMEDY, missing_from, schema
from wagtail_smart_resize.purchasing import demand
from wagtail_smart_resize.renditions import demand_notes
from wagtail_smart_resize.renditions.published_cache import process_cache
from wagtail_smart_resize.runners import loop, modes

pytestmark = pytest.mark.django_db

#: Children first.
TABLES = [
    "retiredrendition",
    "optout",
    "imageversion",
    "publicationcounter",
    "pipelinestate",
    "budgetperiod",
]


def never():
    """Drop the tables that nothing else of ours refers to, with the rest of them."""
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"DROP TABLE {LABEL}_{table}")
        # These refer to each other: without the columns that every query needs, they are as good
        # as dropped.
        for table, column in (("recomposition", "slots"), ("candidate", "digest")):
            cursor.execute(f"ALTER TABLE {LABEL}_{table} DROP COLUMN {column}")


def later():
    """Take away a column that a migration of this release adds."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {LABEL}_imageversion DROP COLUMN damage_noted_at")
        cursor.execute(f"ALTER TABLE {LABEL}_recomposition DROP COLUMN failure_detail")
        cursor.execute(f"ALTER TABLE {LABEL}_gatewayrequest DROP COLUMN leased_until")


@pytest.fixture(params=[never, later])
def not_migrated(request, monkeypatch, people):
    """Leave the database as before `migrate`, within the test's transaction."""
    image = plain_image(collection=people.here)
    page = published_page(image)
    request.param()
    MigrationRecorder(connection).record_unapplied(LABEL, "0001_initial")
    monkeypatch.setattr(schema, "_is_current", False)
    monkeypatch.setattr(schema, "_next_look", 0.0)
    monkeypatch.setattr(schema, "_next_line", 0.0)
    process_cache.reset()
    return page


@pytest.fixture
def log(caplog):
    """Check at the end that one line was logged at most, and no traceback."""
    yield caplog
    records = [each for each in caplog.get_records("call") if each.name.startswith(LABEL)]
    assert [each.getMessage() for each in records] in ([], [REMEDY])
    assert not any(each.exc_info for each in records)


def test_pages_show_the_crop(client, not_migrated, log):
    for _ in range(3):
        response = client.get(not_migrated.url)
        assert response.status_code == 200
        assert b"<img" in response.content
    assert REMEDY in log.text


WAGTAILS = [
    ("wagtailadmin_home", False),
    ("wagtailimages:index", False),
    ("wagtailimages:index_results", False),
    ("wagtailimages:edit", True),
    ("wagtailimages:delete", True),
    ("wagtailimages_chooser:choose", False),
    ("wagtailusers_users:index", False),
    ("wagtailusers_groups:add", False),
    ("wagtailadmin_explore_root", False),
]


def test_wagtails_screens_are_as_ever(admin, not_migrated, log, settings):
    for review in (True, False):
        settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "REVIEW": review}
        for name, of_image in WAGTAILS:
            address = reverse(name, args=[not_migrated.photo.pk] if of_image else [])
            assert admin.get(address).status_code == 200, name


def test_our_screens_say_what_is_to_be_done(admin, not_migrated, log):
    for pattern in urlpatterns:
        arguments = dict.fromkeys(pattern.pattern.converters, 1)
        address = reverse(f"smart_resize_admin:{pattern.name}", kwargs=arguments)
        for send in (admin.get, admin.post):
            response = send(address)
            assert (response.status_code, response.url) == (302, "/admin/"), pattern.name
    assert "“migrate”" in admin.get("/admin/").content.decode()


def test_the_bulk_action_says_it_too(admin, not_migrated, log):
    response = admin.get(bulk_action.address(not_migrated.photo), follow=True)
    assert "“migrate”" in response.content.decode()


def test_images_and_users_can_be_deleted(admin, people, not_migrated, log):
    deletion = reverse("wagtailimages:delete", args=[not_migrated.photo.pk])
    assert admin.post(deletion).status_code == 302
    assert not get_image_model().objects.exists()
    assert people.editor.delete()
    assert get_user_model().objects.filter(username="elsewhere").delete()[0]


def test_a_view_with_the_mixin_is_as_ever(client, people, not_migrated, log, rf):
    """Which a site uses where it has an edit view of its own."""

    class SiteEditView(SmartResizeEditViewMixin, EditView):
        pass

    request = rf.get("/")
    request.user = people.superuser
    page = SiteEditView.as_view()(request, image_id=not_migrated.photo.pk)
    panels = [panel.name for panel in page.context_data["side_panels"]]
    assert "smart-resize" not in panels
    assert page.render().status_code == 200


class TestTablesThatGoWhileAProcessRuns:
    """A site that leaves migrates to zero while its web processes run."""

    @pytest.fixture
    def process(self, not_migrated, monkeypatch):
        """This process has seen the tables."""
        monkeypatch.setattr(schema, "_is_current", True)
        monkeypatch.setattr(schema, "_next_doubt", 0.0)
        return not_migrated

    def test_pages_show_the_crop(self, client, process, log):
        for _ in range(2):
            process_cache.reset()
            assert client.get(process.url).status_code == 200
        assert not schema.is_current()

    def test_images_and_users_can_be_deleted(self, admin, people, process, log):
        deletion = reverse("wagtailimages:delete", args=[process.photo.pk])
        assert admin.post(deletion).status_code == 302
        assert people.editor.delete()

    def test_wagtails_screens_are_as_ever(self, admin, process, log):
        for name, of_image in WAGTAILS:
            address = reverse(name, args=[process.photo.pk] if of_image else [])
            assert admin.get(address).status_code == 200, name

    def test_the_runner_waits(self, process, log, monkeypatch):
        monkeypatch.setattr(loop, "close_old_connections", lambda: None)
        for _ in range(2):
            assert loop.Loop(alone=True)._run_pass() > 1
        assert REMEDY in log.text

    def test_a_database_that_is_away_is_another_thing(self, process, monkeypatch):
        def away():
            raise OperationalError

        monkeypatch.setattr(schema, "_ask", away)
        assert schema.is_still_current()


def test_pages_can_be_published(not_migrated, log, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        not_migrated.title = "Renamed"
        not_migrated.save_revision().publish()
    assert type(not_migrated).objects.get(pk=not_migrated.pk).title == "Renamed"


def test_groups_can_be_saved(admin, not_migrated, log):
    group = Group.objects.get(name="editor")
    address = reverse("wagtailusers_groups:edit", args=[group.pk])
    assert admin.get(address).status_code == 200


def test_what_pages_want_is_kept_until_it_can_be_written(not_migrated, log, settings):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "API_KEY": "key"}
    not_migrated.photo.get_rendition("smartresize-300x300")
    assert demand.write_noted_demand() is False
    modes._write_and_wake(noted=True)
    assert demand_notes.notes


def test_the_runner_waits(not_migrated, log, monkeypatch):
    monkeypatch.setattr(loop, "close_old_connections", lambda: None)
    assert loop.Loop(alone=True)._run_pass() > 1


def test_once_it_is_migrated_all_goes_on_without_a_restart(monkeypatch, db):
    monkeypatch.setattr(schema, "_is_current", False)
    monkeypatch.setattr(schema, "_next_look", 0.0)
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied(LABEL, "0001_initial")
    assert not schema.is_current()
    recorder.record_applied(LABEL, "0001_initial")
    assert not schema.is_current()
    monkeypatch.setattr(schema, "_next_look", 0.0)
    assert schema.is_current()


def test_once_known_it_costs_no_query(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert schema.is_current()


def test_a_process_that_migrates_knows_it(monkeypatch):
    monkeypatch.setattr(schema, "_is_current", False)
    call_command("migrate", LABEL, verbosity=0)
    assert schema._is_current


def test_a_site_without_migrations_is_told_by_its_tables(db):
    for modules in (NoMigrations(), {LABEL: None}):
        with override_settings(MIGRATION_MODULES=modules):
            assert missing_from("default") == set()
            with connection.cursor() as cursor:
                cursor.execute(f"ALTER TABLE {LABEL}_optout RENAME TO elsewhere")
            assert missing_from("default") == {f"{LABEL}_optout"}
            with connection.cursor() as cursor:
                cursor.execute(f"ALTER TABLE elsewhere RENAME TO {LABEL}_optout")


# The check


def warnings(databases):
    found = checks.run_checks(databases=databases)
    return [each for each in found if each.id == "wagtail_smart_resize.W010"]


def test_a_check_of_the_database_warns(not_migrated):
    (warning,) = warnings(["default"])
    assert warning.msg == f"{REMEDY} Missing: 0001_initial."
    assert warnings(None) == warnings([]) == []


def test_a_check_of_a_migrated_database_finds_nothing():
    assert warnings(["default"]) == []
