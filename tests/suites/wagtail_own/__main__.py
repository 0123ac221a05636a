"""Runs Wagtail's own tests without the app and with it, and compares what failed.

The tests are those of the source distribution of the Wagtail that is installed. Then those of
`wagtail.images` run once more with `fill` replaced by this app's filter. A test that fails with the
app, and neither without it nor for a reason that `explained` gives, fails this.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import wagtail

from .explained import WITH_APP, WITH_FILTER

SUITES = ("wagtail.images", "wagtail.admin", "wagtail.snippets", "wagtail.users")
TESTS = Path(__file__).parents[2]
RUNNER = "suites.wagtail_own.runner.RecordingRunner"


@dataclass(frozen=True)
class Result:
    run: int
    skipped: int
    failed: frozenset[str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", default=SUITES, help="of: %(default)s")
    suites = parser.parse_args().suites
    with tempfile.TemporaryDirectory(prefix="wagtail-own-") as directory:
        source = _fetched(Path(directory))
        without = _run(source, "wagtail.test.settings", suites)
        with_app = _run(source, "suites.wagtail_own.settings", suites)
        faults = _compare("with the app", without, with_app, WITH_APP)
        if "wagtail.images" in suites:
            _replace_fill(source)
            replaced = _run(source, "suites.wagtail_own.settings", ["wagtail.images"])
            faults += _compare("with the filter for fill", without, replaced, WITH_FILTER)
    return 1 if faults else 0


def _fetched(directory: Path) -> Path:
    """Return the unpacked source distribution of the Wagtail that is installed."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary", "wagtail", f"wagtail=={wagtail.__version__}"]
    subprocess.run([*command, "--dest", str(directory)], check=True)
    [archive] = directory.glob("wagtail-*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(directory, filter="data")
    return directory / archive.name.removesuffix(".tar.gz")


def _run(source: Path, settings: str, suites: "list[str] | tuple[str, ...]") -> Result:
    """Run the suites from the source, which comes before the Wagtail that is installed."""
    result = source / "result.json"
    result.unlink(missing_ok=True)
    shutil.rmtree(source / "wagtail" / "tests" / "test-media", ignore_errors=True)
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": settings,
        "PYTHONPATH": os.pathsep.join([str(source), str(TESTS)]),
        "WAGTAIL_OWN_RESULT": str(result),
    }
    command = [sys.executable, "-W", "ignore", "-m", "django", "test", *suites]
    command += ["--parallel", "auto", "--testrunner", RUNNER]
    print(f"== {settings}: {' '.join(suites)}", flush=True)
    ended = subprocess.run(
        command, cwd=source, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if not result.exists():
        sys.exit(ended.stdout.decode()[-5000:])
    found = json.loads(result.read_text())
    return Result(found["run"], found["skipped"], frozenset(found["failed"]))


def _replace_fill(source: Path) -> None:
    for path in (source / "wagtail" / "images" / "tests").glob("*.py"):
        path.write_text(re.sub(r"\bfill-", "smartresize-", path.read_text()))


def _compare(name: str, without: Result, found: Result, explained: dict[str, str]) -> int:
    """Print the differences; return the number of those without an explanation."""
    print(
        f"{name}: {found.run} run, {found.skipped} skipped, {len(found.failed)} failed; "
        f"without: {without.run} run, {without.skipped} skipped, {len(without.failed)} failed"
    )
    faults = 0
    for test in sorted(found.failed - without.failed):
        reason = next((why for part, why in explained.items() if part in test), "")
        faults += not reason
        print(f"  {test}: {reason or 'NOT EXPLAINED'}")
    return faults


if __name__ == "__main__":
    sys.exit(main())
