"""Moments that can be compared, whatever a site says of time zones."""

import datetime as dt

import pytest
from django.utils import timezone

from wagtail_smart_resize.core import clock

pytestmark = pytest.mark.any_version


@pytest.mark.parametrize("use_tz", [True, False])
def test_the_budgets_next_day_begins_within_a_day(settings, use_tz):
    settings.USE_TZ = use_tz
    wait = clock.tomorrow() - timezone.now()
    assert dt.timedelta(0) < wait <= dt.timedelta(days=1)


@pytest.mark.parametrize(("errors", "seconds"), [(1, 10), (2, 20), (5, 160), (30, 3600), (0, 10)])
def test_waiting_doubles_with_each_trouble_up_to_an_hour(errors, seconds):
    assert 0.74 * seconds < clock.backoff(errors).total_seconds() < 1.26 * seconds
