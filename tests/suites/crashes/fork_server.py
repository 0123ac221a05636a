"""Imports everything once and forks a child for each line that it reads.

A line is JSON: the command, and the point to be killed at (0: none). The answer is a line as well:
the child's exit status.
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
from support.small_engine_presets import SMALL_ENGINE_PRESETS  # noqa: E402

from suites.crashes import commands, scenario  # noqa: E402
from suites.crashes.effects import Countdown, EffectWatcher  # noqa: E402
from wagtail_smart_resize.core import sizes  # noqa: E402

sizes.ENGINE_PRESETS = SMALL_ENGINE_PRESETS
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
        result = _execute(order["do"], order["kill_at"])
        (WORK_DIR / "result.json").write_text(json.dumps(result))
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    os._exit(code)


def _execute(what: str, kill_at: int) -> Any:
    countdown = Countdown(WORK_DIR / "effects.log", kill_at)
    clock = scenario.Clock(WORK_DIR / "site" / "clock")
    EffectWatcher(countdown)
    return commands.COMMANDS[what](scenario.Scenario(clock), countdown)


if __name__ == "__main__":
    main()
