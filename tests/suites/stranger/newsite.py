"""A site as `wagtail start` creates it, in a virtual environment of its own, and its processes."""

import os
import shlex
import subprocess
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from support.code_blocks import blocks_in
from support.paths import PAGES
from support.waiting import until

PASSWORD = "a-long-way-from-home"
#: Seconds that a command may take.
COMMAND_SECONDS = 240

TEMPLATE = "home/templates/home/home_page.html"
OLD_TAG = "{% image page.photo fill-1200x630 %}"


def _of_tutorial(language: str) -> str:
    """Return the tutorial's first block in a language."""
    return blocks_in(language, PAGES["tutorial"].read_text())[0]


class NewSite:
    """A site whose virtual environment and project are in `folder`; `wheel` is to be installed."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.project = folder / "mysite"
        self.wheel = wheel
        self._venv = folder / "venv"

    # Before this package is installed

    def start(self) -> None:
        """Install this run's versions of Wagtail and Django, and create a site with a photo."""
        venv.create(self._venv, with_pip=True)
        pins = " ".join(f"{name}=={version(name)}" for name in ("wagtail", "Django"))
        self.type(f"pip install --quiet {pins}", at=self._venv.parent)
        self.type("wagtail start mysite", at=self._venv.parent)
        self.write("home/models.py", _of_tutorial("python"))
        self.write(TEMPLATE, _of_tutorial("html+django"))
        self.type("python manage.py makemigrations --verbosity 0 home")
        self.type("python manage.py migrate --verbosity 0")
        self.type(
            "python manage.py createsuperuser --noinput --username admin --email a@example.com"
        )

    # Commands and edits

    def type(self, line: str, at: Path | None = None) -> str:
        """Run lines in a shell and return their output; each must succeed."""
        done = subprocess.run(
            ["sh", "-ec", line],
            cwd=at or self.project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}"
        return done.stdout

    def write(self, name: str, text: str) -> None:
        (self.project / name).write_text(text)

    def add(self, name: str, text: str) -> None:
        """Append text to a file."""
        with (self.project / name).open("a") as file:
            file.write(f"\n\n{text}")

    def change(self, name: str, old: str, new: str) -> None:
        text = (self.project / name).read_text()
        assert text.count(old) == 1
        self.write(name, text.replace(old, new))

    @contextmanager
    def running(self, line: str, url: str) -> Iterator[None]:
        """Run a server until the block ends."""
        log = self.project.parent / f"{shlex.split(line)[2]}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                shlex.split(line),
                cwd=self.project,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                executable=self._venv / "bin" / "python",
            )
        try:
            until(lambda: _answers(url) or process.poll() is not None, "it answers", pause=0.2)
            assert process.poll() is None, log.read_text()
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def environment(self) -> dict[str, str]:
        """Return a new user's environment: nothing of ours is in it."""
        ours = ("PYTHON", "DJANGO_", "TOX_", "VIRTUAL_ENV", "COV_")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        return inherited | {
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
            "PATH": f"{self._venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PYTHONUNBUFFERED": "1",
            "VIRTUAL_ENV": str(self._venv),
        }


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(url, timeout=10).close()
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        return False
    return True
