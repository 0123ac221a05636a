"""Command that runs the sandbox gateway until Ctrl-C or SIGTERM."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from wagtail_smart_resize.sandbox import SandboxGateway
from wagtail_smart_resize.sandbox.faults.words import Fault, read_fault
from wagtail_smart_resize.sandbox.gateway import DEFAULT_KEY

ADVICE = """The sandbox gateway listens. For the site's settings:

WAGTAIL_SMART_RESIZE = {{
    "API_KEY": "{key}",
    "BASE_URL": "{url}",
}}

It fetches pictures from the site: WAGTAILADMIN_BASE_URL, or SOURCE_BASE_URL in the dict above, must
be an address that this machine can reach. Ctrl-C ends it.
"""


class Command(BaseCommand):
    help = "Runs a local stand-in for the Smart Resize gateway: no key, no cost, nothing leaves."
    requires_system_checks: list[str] = []  # It needs nothing of the site.

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8899, help="0 for any free one.")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument(
            "--allow-remote",
            action="store_true",
            help="Permit a --host that other machines can reach.",
        )
        parser.add_argument("--key", default=DEFAULT_KEY, help="The API key to insist on.")
        parser.add_argument(
            "--latency", type=float, default=3.0, help="Seconds that a job takes at least."
        )
        parser.add_argument(
            "--slow", type=float, default=5.0, help='Seconds that a "slow" answer is late.'
        )
        parser.add_argument(
            "--misbehave",
            action="append",
            default=[],
            metavar="WORD[@STEP][:COUNT]",
            help="Go wrong in this way, for so many times or always. May be repeated.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        faults = [_parse_fault(text) for text in options["misbehave"]]
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        with self._gateway(options) as gateway:
            for fault in faults:
                gateway.add_fault(fault)
            self._print(ADVICE.format(key=gateway.key, url=gateway.url))
            stop.wait()
        self._print("The sandbox has stopped.")

    def _gateway(self, options: dict[str, Any]) -> SandboxGateway:
        names = ("host", "allow_remote", "key", "latency", "slow")
        try:
            return SandboxGateway(
                options["port"], report=self._print, **{name: options[name] for name in names}
            )
        except ValueError as error:
            raise CommandError(str(error)) from error
        except (OSError, OverflowError) as error:
            raise CommandError(
                f"Can't listen on {options['host']}, port {options['port']}: {error}. "
                "Choose another --port or --host."
            ) from error

    def _print(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _parse_fault(text: str) -> Fault:
    try:
        return read_fault(text)
    except ValueError as error:
        raise CommandError(f"--misbehave: {error}") from error
