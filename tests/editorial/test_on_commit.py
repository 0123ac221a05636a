"""What is done after a commit, where others' code runs: it asks for nothing, and breaks nothing."""

import datetime as dt

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from support.factories import live, plain_image, published_page, recomposition

from wagtail_smart_resize.core import database
from wagtail_smart_resize.editorial import page_events
from wagtail_smart_resize.runners import modes

pytestmark = pytest.mark.django_db


@pytest.fixture
def replaced(monkeypatch):
    """Replace Django's function by one that takes a function alone, as wagtail-localize's tests."""
    called = []
    monkeypatch.setattr(transaction, "on_commit", lambda function: called.append(function))
    return called


def test_a_page_can_be_published(replaced, django_capture_on_commit_callbacks):
    image = plain_image()
    row = recomposition(image, waiting_reason="not_published")
    with django_capture_on_commit_callbacks(execute=True):
        published_page(image)
    row.refresh_from_db()
    assert row.waiting_reason == ""


def test_nothing_of_ours_calls_what_was_replaced(replaced):
    image = plain_image()
    live(image)
    modes.wake()
    image.delete()
    assert [each for each in replaced if each.__module__.startswith("wagtail_smart_resize")] == []


def test_what_fails_there_fails_nothing_else(
    monkeypatch, caplog, django_capture_on_commit_callbacks
):
    done = []

    def broken(page):
        raise RuntimeError("no index")

    monkeypatch.setattr(page_events, "_wake_shown_images", broken)
    with django_capture_on_commit_callbacks(execute=True):
        published_page(plain_image())
        database.on_commit(lambda: done.append(True))
    assert done
    assert "no index" in caplog.text


def test_a_page_that_is_only_scheduled_costs_nothing(django_capture_on_commit_callbacks):
    image = plain_image()
    page = published_page(image)
    row = recomposition(image, waiting_reason="not_published")
    page.unpublish()
    page.go_live_at = timezone.now() + dt.timedelta(days=1)
    with CaptureQueriesContext(connection) as queries:
        with django_capture_on_commit_callbacks(execute=True):
            page.save_revision().publish()
        page.refresh_from_db()
    assert not page.live
    assert not [each for each in queries if "wagtail_smart_resize" in each["sql"]]
    row.refresh_from_db()
    assert row.waiting_reason == "not_published"
