"""The course: fills a database, sends the processes off, heat by heat, and tells what is there.

Started as a process of its own: the first argument is a file with the plan, the second where to
write what came of it. It has everything imported when it forks the racers.
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

django.setup()
warnings.simplefilter("error")
warnings.filterwarnings("ignore", "unclosed file <", ResourceWarning)
warnings.filterwarnings("ignore", "SQLCompiler.quote_name_unless_alias")

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.utils import timezone  # noqa: E402
from testapp.models import PicturePage  # noqa: E402

from races import facts  # noqa: E402
from races.racer import Racer, look  # noqa: E402
from wagtail_smart_resize import live, pipeline, publishing, shapes, sync, wanted  # noqa: E402
from wagtail_smart_resize.models import (  # noqa: E402
    GatewayRequest,
    ImageVersion,
    Recomposition,
)

PicturePage.template = "races/page.html"
# A quarter of the engine's sides is drawn quickly.
shapes.ENGINE_PRESETS = tuple((w // 4, h // 4) for w, h in shapes.ENGINE_PRESETS)
# Nobody waits for anybody: what is wanted, flipped and to be purged is due at once.
wanted.GATHERING = publishing.PURGE_DELAY = dt.timedelta()
live.Memory.INTERVAL = 0.05


def main(plan: dict[str, Any]) -> dict[str, Any]:
    began = time.monotonic()
    call_command("migrate", verbosity=0, run_syncdb=True)
    images = _fill(plan["images"], plan["processes"])
    print(f"made in {time.monotonic() - began:.0f} s")
    gc.freeze()
    heats = [_heat(plan, images, heat) for heat in range(len(plan["heats"]))]
    return {"heats": heats, **facts.final()}


def _fill(images: int, editors: int) -> list[Any]:
    """Images of one colour, each on a published page; and editors."""
    from django.contrib.auth import get_user_model
    from factories import plain_image
    from wagtail.models import Collection, Locale, Page, Site

    Collection.add_root(name="Root")
    Locale.objects.create(language_code="en")
    root = Page.add_root(title="Root", slug="root")
    home = root.add_child(instance=Page(title="Home", slug="home"))
    Site.objects.create(hostname="localhost", root_page=home, is_default_site=True)
    made = [plain_image(160, 120, facts.CROP) for _ in range(images)]
    for image in made:
        home.add_child(instance=PicturePage(title=image.title, photo=image))
    for number in range(editors):
        get_user_model().objects.create(username=f"editor-{number}")
    return [image.pk for image in made]


def _heat(plan: dict[str, Any], images: list[Any], heat: int) -> dict[str, Any]:
    """All race under these limits; then one process goes on until nothing is left to do."""
    limits = plan["heats"][heat]["limits"]
    with override_settings(WAGTAIL_SMART_RESIZE=settings.WAGTAIL_SMART_RESIZE | limits):
        began = time.monotonic()
        told = _race(plan, images, heat)
        raced = time.monotonic()
        in_race = facts.bought()
        if heat == len(plan["heats"]) - 1:
            _show_the_rest()
        _settle()
        return {
            "racers": told,
            "bought_in_race": in_race,
            "bought": facts.bought(),
            "spent": facts.spent(),
            "race_seconds": raced - began,
            "settle_seconds": time.monotonic() - raced,
        }


def _race(plan: dict[str, Any], images: list[Any], heat: int) -> list[dict[str, Any]]:
    connections.close_all()
    files = [Path(settings.WORK_DIR) / f"racer-{n}.json" for n in range(plan["processes"])]
    pids = []
    for number, file in enumerate(files):
        file.unlink(missing_ok=True)
        pid = os.fork()
        if not pid:
            racer = Racer(number, images, random.Random(f"{plan['seed']}/{heat}/{number}"))
            _run_child(racer, plan["heats"][heat]["operations"], file)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    return [json.loads(file.read_text()) for file in files]


def _run_child(racer: Racer, operations: int, file: Path) -> None:
    # Short passes: more of them meet.
    pipeline.MOST = 10
    try:
        racer.race(operations)
    except BaseException:
        racer.errors.append(traceback.format_exc())
    file.write_text(json.dumps({"counts": racer.counts, "errors": racer.errors}))
    connections.close_all()
    os._exit(0)


def _show_the_rest() -> None:
    """What nobody came by in the race is wanted as well."""
    seen = Recomposition.objects.values("image_id")
    for page in PicturePage.objects.exclude(photo_id__in=seen):
        look(page.photo_id)


def _settle() -> None:
    """Repair once, then make passes until none does anything; waiting is skipped, not slept."""
    sync.run()
    quiet = False
    while not quiet:
        past = timezone.now() - dt.timedelta(seconds=1)
        GatewayRequest.objects.unfinished().update(next_step=past)
        waiting = Recomposition.objects.wanted().exclude(next_attempt=None)
        waiting.filter(waiting_reason="").update(next_attempt=past)
        for due in ("flip_due", "purge_due"):
            ImageVersion.objects.exclude(**{due: None}).update(**{due: past})
        result = pipeline.run_pass(workers=1)
        assert not result.failed, result
        quiet = not result.did


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(main(json.loads(Path(sys.argv[1]).read_text()))))
