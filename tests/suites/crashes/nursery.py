"""A process that has everything imported and forks a child for each line that it reads.

A line is JSON: what to do, and at which point to be killed (0: never). The answer to it is a line
as well: how the child ended.
"""

import gc
import json
import os
import sys
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
from django.urls import get_resolver  # noqa: E402
from support.quarters import QUARTERS  # noqa: E402

from suites.crashes import site, way  # noqa: E402
from suites.crashes.effects import Countdown, Watch  # noqa: E402
from wagtail_smart_resize.core import sizes  # noqa: E402

sizes.ENGINE_PRESETS = QUARTERS
_ = get_resolver().url_patterns

WORK_DIR = Path(settings.WORK_DIR)


def main() -> None:
    gc.freeze()
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            _child(json.loads(line))
        _pid, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _child(order: dict[str, Any]) -> None:
    code = 0
    try:
        said = _obey(order["do"], order["kill_at"])
        (WORK_DIR / "said.json").write_text(json.dumps(said))
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    os._exit(code)


def _obey(what: str, kill_at: int) -> Any:
    countdown = Countdown(WORK_DIR / "effects.log", kill_at)
    clock = way.Clock(WORK_DIR / "site" / "clock")
    Watch(countdown)
    return site.ORDERS[what](way.Way(clock), countdown)


if __name__ == "__main__":
    main()
