"""Fills a database, runs the processes phase by phase, and reports the final state.

Runs as a process of its own: the first argument is a file with the plan, the second the file for
the result. It imports everything before it forks the processes of the race.
"""

import datetime as dt
import gc
import json
import os
import random
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import django

from suites.races import race_clock

CLOCK = race_clock.start("2126-11-09T12:00+00:00")
django.setup()
warnings.simplefilter("error")
warnings.filterwarnings("ignore", "unclosed file <", ResourceWarning)
warnings.filterwarnings("ignore", "SQLCompiler.quote_name_unless_alias")

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.utils import timezone  # noqa: E402
from support.small_engine_presets import SMALL_ENGINE_PRESETS  # noqa: E402
from testapp.models import PicturePage  # noqa: E402

from suites.races import facts, pictures  # noqa: E402
from suites.races.error_recorder import ErrorRecorder  # noqa: E402
from suites.races.race_process import RaceProcess, view_page  # noqa: E402
from wagtail_smart_resize.core import sizes  # noqa: E402
from wagtail_smart_resize.models import (  # noqa: E402
    GatewayRequest,
    ImageVersion,
    PipelineState,
    Recomposition,
)
from wagtail_smart_resize.publishing import publication  # noqa: E402
from wagtail_smart_resize.purchasing import demand, passes  # noqa: E402
from wagtail_smart_resize.renditions import published_cache  # noqa: E402
from wagtail_smart_resize.repair import repairs  # noqa: E402
from wagtail_smart_resize.rules.verdict import Reason  # noqa: E402

PicturePage.template = "races/page.html"
sizes.ENGINE_PRESETS = SMALL_ENGINE_PRESETS
# No delays: demand, flips and purges are due at once.
demand.GATHERING_TIME = publication.PURGE_DELAY = dt.timedelta()
published_cache.PublishedCache.REFRESH_SECONDS = 0.05


def main(plan: dict[str, Any]) -> dict[str, Any]:
    began = time.monotonic()
    call_command("migrate", verbosity=0, run_syncdb=True)
    images = _fill(plan["images"], plan["processes"])
    print(f"made in {time.monotonic() - began:.0f} s")
    gc.freeze()
    phases = [_phase(plan, images, phase) for phase in range(len(plan["phases"]))]
    return {"phases": phases, **facts.final()}


def _fill(images: int, editors: int) -> list[Any]:
    """Create images of one colour, each on a published page, and editors."""
    from django.contrib.auth import get_user_model
    from support.factories import plain_image
    from wagtail.models import Collection, Locale, Page, Site

    Collection.add_root(name="Root")
    Locale.objects.create(language_code="en")
    root = Page.add_root(title="Root", slug="root")
    home = root.add_child(instance=Page(title="Home", slug="home"))
    Site.objects.create(hostname="localhost", root_page=home, is_default_site=True)
    made = [plain_image(160, 120, pictures.CROP) for _ in range(images)]
    for image in made:
        home.add_child(instance=PicturePage(title=image.title, photo=image))
    for number in range(editors):
        get_user_model().objects.create(username=f"editor-{number}")
    return [image.pk for image in made]


def _phase(plan: dict[str, Any], images: list[Any], phase: int) -> dict[str, Any]:
    """Run all processes from a moment on, under limits; then let one process finish the work.

    It goes on for some more days where the limits allow purchases on each of them.
    """
    about = plan["phases"][phase]
    CLOCK.set(about["begins"])
    with override_settings(WAGTAIL_SMART_RESIZE=settings.WAGTAIL_SMART_RESIZE | about["limits"]):
        began = time.monotonic()
        result = _race(plan, images, phase)
        raced = time.monotonic()
        in_race = facts.bought()
        if phase == len(plan["phases"]) - 1:
            _show_all()
        _settle()
        for _day in range(about["days_after"]):
            CLOCK.next_day()
            _settle()
        return {
            "processes": result,
            "bought_in_race": in_race,
            "bought": facts.bought(),
            "spent": facts.spent(),
            "race_seconds": raced - began,
            "settle_seconds": time.monotonic() - raced,
        }


def _race(plan: dict[str, Any], images: list[Any], phase: int) -> list[dict[str, Any]]:
    connections.close_all()
    files = [Path(settings.WORK_DIR) / f"process-{n}.json" for n in range(plan["processes"])]
    pids = []
    for number, file in enumerate(files):
        file.unlink(missing_ok=True)
        pid = os.fork()
        if not pid:
            chance = random.Random(f"{plan['seed']}/{phase}/{number}")
            process = RaceProcess(number, images, phase, chance)
            _run_child(process, plan["phases"][phase]["operations"], file)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    return [json.loads(file.read_text()) for file in files]


def _run_child(process: RaceProcess, operations: int, file: Path) -> None:
    # Short passes, so that more of them overlap.
    passes.MAX_STEPS = 10
    recorder = ErrorRecorder()
    try:
        with recorder:
            process.race(operations)
    except BaseException:
        process.errors.append(traceback.format_exc())
    result = {"counts": process.counts, "errors": process.errors, **recorder.as_dict()}
    file.write_text(json.dumps(result))
    connections.close_all()
    os._exit(0)


def _show_all() -> None:
    """View every page, so that what no process viewed is wanted as well."""
    for page in PicturePage.objects.all():
        view_page(page.photo_id)


def _settle() -> None:
    """Repair and work in turns until no new request is made.

    When all demand waits for another day's budget and a refused request gives outputs back, only
    the next repair offers them again.
    """
    asked = None
    while asked != (asked := GatewayRequest.objects.count()):
        repairs.run()
        _work_until_idle()


def _work_until_idle() -> None:
    """Make passes until none does anything; waits are skipped."""
    quiet = False
    while not quiet:
        _make_due()
        result = passes.run_pass(workers=1)
        assert not result.failed, result
        quiet = not result.did


def _make_due() -> None:
    """Make everything due that waits for a moment, except what waits for another day's budget."""
    past = timezone.now() - dt.timedelta(seconds=1)
    unfinished = GatewayRequest.objects.unfinished().exclude(error_code=Reason.BUDGET)
    unfinished.update(next_step_at=past)
    waiting = Recomposition.objects.wanted().exclude(next_attempt_at=None)
    waiting.filter(waiting_reason__in=["", Reason.CIRCUIT_OPEN]).update(next_attempt_at=past)
    for due in ("publish_due_at", "purge_due_at"):
        ImageVersion.objects.exclude(**{due: None}).update(**{due: past})
    Recomposition.objects.exclude(takes_effect_at=None).update(takes_effect_at=past)
    PipelineState.objects.exclude(probe_at=None).update(probe_at=past)
    PipelineState.objects.update(paused_until=None)


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(
        json.dumps(main(json.loads(Path(sys.argv[1]).read_text())), default=str)
    )
