"""A copy of a site's database that shares its files: nothing of its work is done there."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from support.factories import live, plain_image
from support.purchases import again, want

from wagtail_smart_resize.editorial import pipeline_health
from wagtail_smart_resize.models import ImageVersion, RetiredRendition, ownership
from wagtail_smart_resize.purchasing import passes
from wagtail_smart_resize.reasons import is_recomposed
from wagtail_smart_resize.renditions.published_cache import process_cache
from wagtail_smart_resize.repair import repairs
from wagtail_smart_resize.runners import modes

pytestmark = pytest.mark.django_db


def owner(settings, name, **changes):
    ours = {**settings.WAGTAIL_SMART_RESIZE, "OWNER_DATABASE": name, **changes}
    settings.WAGTAIL_SMART_RESIZE = ours


@pytest.fixture
def copy(settings):
    owner(settings, "db.example.org/site", RUNNER="thread")


@pytest.mark.parametrize(
    ("host", "name", "named"),
    [
        ("db.example.org", "site", "db.example.org/site"),
        ("", "site", "site"),
        (None, "site", "site"),
        ("/run/postgresql", "site", "/run/postgresql/site"),
        ("", "/srv/site.sqlite3", "/srv/site.sqlite3"),
    ],
)
def test_a_database_is_named_by_host_and_name(monkeypatch, settings, host, name, named):
    monkeypatch.setitem(connection.settings_dict, "HOST", host)
    monkeypatch.setitem(connection.settings_dict, "NAME", name)
    assert ownership.database_name() == named
    for owned, expected in (("", True), (named, True), (f"{named}2", False)):
        owner(settings, owned)
        assert ownership.is_owner() is expected


def test_the_owner_works_as_ever(settings, gateway, run):
    owner(settings, ownership.database_name())
    (row,) = want(plain_image(400, 300), "200x200")
    run()
    assert again(row).live is not None


def test_nothing_is_bought_or_published_in_a_copy(settings, gateway, copy):
    image = plain_image(400, 300)
    (row,) = want(image, "200x200")
    chosen = live(plain_image(400, 300))
    ImageVersion.mark_publish_due(chosen.recomposition.image_id)
    revision = ImageVersion.objects.get(pk=chosen.recomposition.image_id).revision
    assert passes.run_pass(workers=1)[:2] == (0, 0)
    assert repairs.run().lines() == []
    assert gateway.requests == []
    assert again(row).purchase == "wanted"
    assert ImageVersion.objects.get(pk=chosen.recomposition.image_id).revision == revision
    assert modes.mode() == "off"


def test_nothing_is_retired_or_deleted_in_a_copy(settings, copy):
    image = plain_image(400, 300)
    image.get_rendition("smartresize-400x400")
    chosen = live(image)
    process_cache.next_refresh = 0.0
    repairs.run()
    assert not RetiredRendition.objects.exists()
    file = chosen.file
    chosen.recomposition.delete()
    assert file.storage.exists(file.name)


def test_a_candidate_s_file_goes_with_it_where_the_database_is_the_owner(
    django_capture_on_commit_callbacks,
):
    chosen = live(plain_image(400, 300))
    file = chosen.file
    with django_capture_on_commit_callbacks(execute=True):
        chosen.recomposition.delete()
    assert not file.storage.exists(file.name)


def test_visitors_of_a_copy_see_what_is_live(copy):
    image = plain_image(400, 300)
    live(image)
    process_cache.next_refresh = 0.0
    assert is_recomposed(type(image).objects.get().get_rendition("smartresize-400x400"))


@pytest.mark.parametrize("command", ["smart_resize_sync", "smart_resize_worker"])
def test_commands_that_do_the_work_say_why_they_don_t(copy, command):
    with pytest.raises(CommandError, match="OWNER_DATABASE"):
        call_command(command)


def test_the_status_says_whose_the_work_is(copy):
    want(plain_image(400, 300), "200x200")
    text = io.StringIO()
    call_command("smart_resize_status", stdout=text)
    assert f"Database:           {ownership.database_name()}" in text.getvalue()
    assert "OWNER_DATABASE" in text.getvalue()
    checked = pipeline_health.check()
    assert str(checked.label) == "Left to another database"
    assert [notice.status for notice in checked.notices] == ["info"]
