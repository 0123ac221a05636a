#!/usr/bin/env python3
"""Set up and start the demo site, with one command: `python3 testproject/demo.py`.

It makes a virtual environment, installs wagtail-smart-resize into it, fills a database and starts
two servers on this machine's loopback address: the site, whose own thread does the background work,
and the sandbox, which stands in for the Smart Resize API. Ctrl-C stops both.

With `--once` nobody is needed: it starts from an empty database, visits the pages before and after
the pictures were recomposed, prints what changed and exits 0 only if everything happened.
"""

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

HERE = Path(__file__).resolve().parent
VAR = HERE / "var"
PREFERRED_PORT = 8000
#: Pages that are visited before anybody is told of them, so that their crops are made already, and
#: their results are on the way.
FIRST_VISITED = ("/", "/what-the-check-stops/")
#: Seconds that a server may take until it answers.
START_SECONDS = 180

Environment = dict[str, str]
Command = Sequence[object]


class DemoError(Exception):
    """A step failed. The message says which, and shows what it printed."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = read_options(arguments)
    signal.signal(signal.SIGTERM, stop_as_ctrl_c_does)
    try:
        return run(options)
    except DemoError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nThe demo site has stopped.")
        return 130 if options.once else 0


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Set up and start the demo site.")
    parser.add_argument(
        "--once",
        action="store_true",
        help="start afresh, check that pictures get recomposed, print a table, stop",
    )
    parser.add_argument("--port", type=int, help="the site's port (8000, or any that is free)")
    parser.add_argument(
        "--latency",
        type=float,
        default=3,
        help="seconds that the sandbox takes for a picture at least (3)",
    )
    parser.add_argument(
        "--without-check",
        action="store_true",
        help="leave out the extra that checks results against their original",
    )
    parser.add_argument("--fresh", action="store_true", help="throw away the database and pictures")
    parser.add_argument("--venv", type=Path, default=VAR / ".venv-demo", help="virtual environment")
    parser.add_argument(
        "--deadline", type=float, default=900, help="with --once: seconds to wait at most (900)"
    )
    return parser.parse_args(arguments)


def stop_as_ctrl_c_does(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def run(options: argparse.Namespace) -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs this may have an older one
        raise DemoError("The demo site needs Python 3.11 or newer.")
    python = make_environment(options.venv.absolute(), options.without_check)
    with contextlib.ExitStack() as stack:
        var = make_place(options, stack)
        site = f"http://127.0.0.1:{site_port(options.port)}"
        environment = make_settings(var, site, options.without_check)
        image_screen = fill_database(python, environment)
        if options.once:
            nobody_works = environment | {"SMART_RESIZE_DEMO_RUNNER": "off"}
            servers = start_servers(python, nobody_works, options.latency, var, stack)
            return visit(python, environment, options, servers)
        servers = start_servers(python, environment, options.latency, var, stack)
        for path in FIRST_VISITED:
            answers(f"{site}{path}")
        show_addresses(environment, site, image_screen, var)
        watch(servers)


# Setting up


def make_environment(venv: Path, without_check: bool) -> Path:
    """The Python of the virtual environment, with everything installed."""
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not works(python):
        say(f"Making a virtual environment in {shown(venv)}")
        call([sys.executable, "-m", "venv", "--clear", venv], "Can't make a virtual environment")
    say("Installing wagtail-smart-resize and what it needs")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    package = HERE.parent if without_check else f"{HERE.parent}[integrity]"
    call([*install, package, "-r", HERE / "requirements.txt"], "Can't install")
    return python


def works(python: Path) -> bool:
    """Whether the environment is there, has pip, and is of this Python's version."""
    ask = "import pip, sys; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run([python, "-c", ask], capture_output=True, text=True)
    except OSError:
        return False
    return answer.stdout.strip() == "{}.{}".format(*sys.version_info)


def make_place(options: argparse.Namespace, stack: contextlib.ExitStack) -> Path:
    """The directory of database, pictures and logs; with --once a new one, kept after a failure."""
    if options.once:
        var = Path(tempfile.mkdtemp(prefix="smart-resize-demo-"))
        stack.push(lambda kind, _error, _traceback: remove_unless_needed(var, kind))
        return var
    if options.fresh:
        for name in ("db.sqlite3", "db.sqlite3-wal", "db.sqlite3-shm", "password.txt"):
            (VAR / name).unlink(missing_ok=True)
        shutil.rmtree(VAR / "media", ignore_errors=True)
    VAR.mkdir(exist_ok=True)
    return VAR


def remove_unless_needed(var: Path, kind: type[BaseException] | None) -> None:
    """After a failure the logs and the database tell what was wrong."""
    if kind is not DemoError:
        shutil.rmtree(var, ignore_errors=True)


def site_port(wanted: int | None) -> int:
    if wanted:
        if not is_free(wanted):
            raise DemoError(f"Port {wanted} is taken. Choose another --port, or leave it out.")
        return wanted
    return PREFERRED_PORT if is_free(PREFERRED_PORT) else free_port()


def is_free(port: int) -> bool:
    with socket.socket() as listener:
        if os.name != "nt":  # what a server that has just stopped leaves behind is no hindrance
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def make_settings(var: Path, site: str, without_check: bool) -> Environment:
    """What `demo/settings.py` and `create_demo_content` read from the environment."""
    # An environment that has the extra already behaves as one without it.
    no_check = {"SMART_RESIZE_DEMO_INTEGRITY": "off"} if without_check else {}
    return (
        os.environ
        | no_check
        | {
            "DJANGO_SETTINGS_MODULE": "demo.settings",
            "PYTHONUNBUFFERED": "1",
            "SMART_RESIZE_DEMO_VAR": str(var),
            "SMART_RESIZE_DEMO_URL": site,
            "SMART_RESIZE_DEMO_PASSWORD": admin_password(var),
            "SMART_RESIZE_SANDBOX_URL": f"http://127.0.0.1:{free_port()}/smart-resize/v1",
        }
    )


def admin_password(var: Path) -> str:
    """Made up at the first start and kept beside the database."""
    kept = var / "password.txt"
    if not kept.exists():
        kept.touch(mode=0o600)
        kept.write_text(secrets.token_urlsafe(9))
    return kept.read_text()


def fill_database(python: Path, environment: Environment) -> str:
    """Make the content; return the address of the admin's screen of an image."""
    say("Making the database and its content")
    call([python, "manage.py", "migrate", "--verbosity=0"], "migrate failed", environment)
    told = call(
        [python, "manage.py", "create_demo_content"], "create_demo_content failed", environment
    )
    return next(
        (line.removeprefix("Image: ") for line in told.splitlines() if line.startswith("Image: ")),
        f"{environment['SMART_RESIZE_DEMO_URL']}/admin/images/",
    )


# Servers


class Server:
    """A process that goes on in the background and writes a log.

    It is ready once anything answers at `url`.
    """

    def __init__(
        self, name: str, url: str, command: Command, environment: Environment | None, log: Path
    ) -> None:
        self.name = name
        self.url = url
        self.command = list(map(str, command))
        self.log = log
        log.write_bytes(b"")
        self.start(environment)

    def start(self, environment: Environment | None) -> None:
        with self.log.open("ab") as output:
            # In a session of its own, so that Ctrl-C reaches us alone and we stop the servers.
            self.process = subprocess.Popen(
                self.command,
                cwd=HERE,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Until it answers. Raises DemoError if the process ends before."""
        deadline = time.monotonic() + START_SECONDS
        while not answers(self.url):
            self.check()
            if time.monotonic() > deadline:
                raise DemoError(f"{self.name} does not answer at {self.url}.\n{self.last_lines()}")
            time.sleep(0.2)

    def check(self) -> None:
        if self.process.poll() is not None:
            raise DemoError(f"{self.name} has ended.\n{self.last_lines()}")

    def last_lines(self, count: int = 30) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-count:]
        return "\n".join([f"The last lines of {self.log}:", *lines])

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def answers(url: str) -> bool:
    """Whether a server is there, whatever it says. Proxies are for other machines."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(url, timeout=10).close()
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        return False
    return True


def start_servers(
    python: Path, environment: Environment, latency: float, var: Path, stack: contextlib.ExitStack
) -> list[Server]:
    """The sandbox, then the site. `stack` stops them."""
    say("Starting the sandbox and the site")
    sandbox_url = environment["SMART_RESIZE_SANDBOX_URL"]
    site = environment["SMART_RESIZE_DEMO_URL"]
    port, address = sandbox_url.split(":")[2].split("/")[0], site.removeprefix("http://")
    sandbox = ["smart_resize_sandbox", "--port", port, "--latency", latency]
    web = ["runserver", "--noreload", address]
    commands = (
        ("The sandbox", sandbox, sandbox_url, "sandbox.log"),
        ("The site", web, f"{site}/admin/login/", "site.log"),
    )
    servers = []
    for name, command, url, log in commands:
        server = Server(name, url, [python, "manage.py", *command], environment, var / log)
        stack.callback(server.stop)
        server.wait()
        servers.append(server)
    return servers


def watch(servers: list[Server]) -> NoReturn:
    """Until Ctrl-C, or until one of the servers ends."""
    while True:
        for server in servers:
            server.check()
        time.sleep(0.5)


def show_addresses(environment: Environment, site: str, image_screen: str, var: Path) -> None:
    print(f"""
The demo site is ready. In this order:

  1. A page     {site}/
                Reload it after a few seconds: crops become whole pictures.
  2. An image   {image_screen}
                User admin, password {environment["SMART_RESIZE_DEMO_PASSWORD"]}
  3. Review     {site}/admin/reports/smart-resize/review/

  Logs          {shown(var / "site.log")}, {shown(var / "sandbox.log")}

Ctrl-C stops it.""")
    sys.stdout.flush()


def visit(
    python: Path, environment: Environment, options: argparse.Namespace, servers: list[Server]
) -> int:
    """`tour.py` is the visitor: its exit status is ours.

    During its first visit nobody does the background work, so that it sees the crops however slow
    this machine is. Then the site starts anew with its thread.
    """
    _sandbox, site = servers
    address = environment["SMART_RESIZE_DEMO_URL"]
    choices = [f"--deadline={options.deadline}", "--pause"]
    if options.without_check:
        choices.append("--without-check")
    with subprocess.Popen(
        [python, "tour.py", address, *choices],
        cwd=HERE,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as tour:
        print(tour.stdout.readline(), end="", flush=True)  # the first visit has ended
        site.stop()
        site.start(environment)
        site.wait()
        tour.stdin.close()
        for line in tour.stdout:
            print(line, end="", flush=True)
    if tour.returncode:
        raise DemoError("\n\n".join(server.last_lines() for server in servers))
    return 0


# Small things


def call(command: Command, complaint: str, environment: Environment | None = None) -> str:
    """Run a command that ends by itself; return what it printed. Raises DemoError with that."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=HERE,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode:
        raise DemoError(f"{complaint} (exit status {done.returncode}):\n{done.stdout}")
    return done.stdout


def say(text: str) -> None:
    print(f"{text} ...", flush=True)


def shown(path: Path) -> Path:
    """The path as seen from here, where that is shorter."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    sys.exit(main())
