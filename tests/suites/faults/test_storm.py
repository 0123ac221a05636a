"""Beyond the matrix: any statement of the app fails, and everything goes wrong at once."""

import contextlib
import datetime as dt
import errno
import random
import threading
from collections import Counter

import pytest
from django.core.files.storage import FileSystemStorage
from support.factories import plain_image
from support.purchases import want

from wagtail_smart_resize.models import Candidate, GatewayRequest, ImageVersion, Recomposition
from wagtail_smart_resize.sandbox.faults.words import WORDS

from . import fault_injection
from .fault_site import FaultSite, charged, reserved_outputs

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

#: The first refused statement of each run; the two after it are refused as well. A purchase from
#: demand to live takes at least 88 statements.
STATEMENTS = range(1, 86, 4)


@pytest.mark.parametrize("number", STATEMENTS)
def test_any_statement_may_fail(fault_site: FaultSite, number: int) -> None:
    ours = Counter[str]()
    here = threading.current_thread()

    def refused(sql: str) -> bool:
        is_ours = "wagtail_smart_resize_" in sql and threading.current_thread() is here
        ours["seen"] += is_ours
        return is_ours and number <= ours["seen"] < number + 3

    fault_site.want()
    with fault_injection.refusing(fault_site, refused) as refusals:
        fault_site.run_for(hours=2)
    fault_site.run_for(hours=2)
    assert refusals() == 3
    assert all(pair.ours != pair.crop for pair in fault_site.visit())
    assert (len(fault_site.gateway.requests), charged()) == (1, ["yes"])


#: Words that take real time are left to the matrix.
SLOW = {"hang", "huge", "slow", "trickle", "trickle-head"}
WISHES = [(word.name, at) for word in WORDS.values() if word.name not in SLOW for at in word.steps]
IMAGES = 6


@pytest.mark.parametrize("seed", range(5))
def test_a_storm_buys_nothing_twice_and_leaves_nothing_behind(
    fault_site: FaultSite, seed: int
) -> None:
    chance = random.Random(seed)
    images = [plain_image(400, 300) for _ in range(IMAGES)]
    for image in images:
        want(image, "240x126", "200x200")
    with _storage_in_a_storm(chance), fault_injection.refusing(fault_site, _in_a_storm(chance)):
        for _round in range(60):
            _misbehave(fault_site, chance)
            fault_site.run_pass()
            if due := fault_site.due():
                fault_site.skip_to(due + dt.timedelta(seconds=chance.choice([0, 0, 30, 600])))
    fault_site.gateway.behave()
    fault_site.run_for(hours=78)

    sources = [asked["image_url"] for asked in fault_site.gateway.requests]
    assert len(sources) == len(set(sources)), "no request is sent twice"
    assert max(_times_paid().values()) == 1
    assert reserved_outputs() == sum(request.outputs_asked for request in _paid())
    ended = Recomposition.objects.filter(purchase__in=["idle", "failed"])
    assert ended.count() == 2 * IMAGES
    assert not ImageVersion.objects.exclude(publish_due_at=None).exists()
    for candidate in Candidate.objects.filter(stored=True):
        assert candidate.file.storage.exists(candidate.file.name)


def _misbehave(fault_site: FaultSite, chance: random.Random) -> None:
    for _number in range(chance.randint(0, 2)):
        word, step = chance.choice(WISHES)
        fault_site.gateway.misbehave(word, times=1, where=step)


def _in_a_storm(chance: random.Random):
    return lambda sql: "wagtail_smart_resize_" in sql and chance.random() < 0.01


@contextlib.contextmanager
def _storage_in_a_storm(chance: random.Random):
    save = FileSystemStorage._save

    def sometimes(storage, name, content):
        if chance.random() < 0.1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return save(storage, name, content)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FileSystemStorage, "_save", sometimes)
        yield


def _paid():
    return GatewayRequest.objects.exclude(charged="no")


def _times_paid() -> Counter:
    """Count how often each recomposition may have been paid for."""
    return Counter(pk for request in _paid() for pk in request.recomposition_ids())
