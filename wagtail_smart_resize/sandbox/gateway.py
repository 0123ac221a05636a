"""The sandbox's public class: a local gateway that starts, stops, and records its calls."""

import contextlib
import ipaddress
import threading
from collections import deque
from collections.abc import Callable, Iterator
from email.message import Message
from functools import partial
from typing import Any, Self

from wagtail_smart_resize.sandbox.faults.words import Fault, Faults, Step, make_fault

from .handler import GatewayHandler
from .requests import Call
from .responses import Reply
from .server import Listener

DEFAULT_KEY = "sandbox-key"
KEPT_CALLS = 10_000


class SandboxGateway:
    """Serves the reference on ``url``, from ``with`` or ``start()`` on until ``stop()``.

    ``latency`` is the minimum duration of a job, ``slow`` the delay of a slow answer, ``trickle``
    the pause between two bytes, ``fetch_seconds`` the time for fetching a source: all in seconds.
    ``report`` is called with a line per call. Everything is kept in memory.

    Raises ValueError for a host that is not loopback, unless ``allow_remote``.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        allow_remote: bool = False,
        key: str = DEFAULT_KEY,
        latency: float = 0.0,
        slow: float = 5.0,
        trickle: float = 0.5,
        fetch_seconds: float = 10.0,
        report: Callable[[str], None] | None = None,
    ) -> None:
        if not allow_remote and not _is_loopback(host):
            raise ValueError(
                f"{host} can be reached from elsewhere: that takes allow_remote (--allow-remote)."
            )
        self.key = key
        self._faults = Faults()
        self._report = report
        self._lock = threading.Lock()
        self._calls: deque[Call] = deque(maxlen=KEPT_CALLS)
        self._handler = GatewayHandler(
            self._faults, key=key, latency=latency, fetch_seconds=fetch_seconds
        )
        self._listen = partial(Listener, self._answer, host, slow=slow, trickle=trickle)
        self._listener = self._listen(port)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(self) -> None:
        self._listener.start()

    def stop(self) -> None:
        """Stop at once: calls still being answered are cut off, and no thread remains."""
        self._listener.stop()
        self._handler.close()

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return self._listener.origin

    @property
    def url(self) -> str:
        """The base URL, for the setting ``BASE_URL``."""
        return f"{self.origin}/smart-resize/v1"

    # Recorded calls

    @property
    def calls(self) -> list[Call]:
        """The last ``KEPT_CALLS`` calls, the oldest first, whatever their answers."""
        with self._lock:
            return list(self._calls)

    @property
    def requests(self) -> list[Any]:
        """The JSON of every submission, accepted or not."""
        return [call.body for call in self._calls_at(Step.SUBMIT)]

    @property
    def polls(self) -> list[str]:
        """The request id of every status request."""
        return [call.request_id for call in self._calls_at(Step.STATUS)]

    @property
    def downloads(self) -> list[str]:
        """The file name of every download of a result."""
        return [call.file_name for call in self._calls_at(Step.DOWNLOAD)]

    def _calls_at(self, step: Step) -> list[Call]:
        return [call for call in self.calls if call.step is step]

    # Faults

    def misbehave(self, word: str, times: int | None = None, where: str | None = None) -> None:
        """Request a fault in the next ``times`` answers or jobs; without it, until ``behave``.

        ``where`` is submit, status, download or job, as far as the word allows. Raises ValueError.
        """
        self.add_fault(make_fault(word, times=times, where=where))

    def add_fault(self, fault: Fault) -> None:
        self._faults.add(fault)

    def behave(self) -> None:
        """Clear every fault that was requested."""
        self._faults.clear()

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Refuse all connections during the block, as if the server were down; keep all state."""
        self._listener.stop()
        try:
            yield
        finally:
            self._listener = self._listen(self._listener.port)
            self._listener.start()

    def settle(self, seconds: float = 30.0) -> None:
        """Wait until the pictures of all accepted jobs are made. Raises TimeoutError."""
        self._handler.settle(seconds)

    # Answering

    def _answer(self, method: str, path: str, headers: Message, body: bytes) -> tuple[Reply, str]:
        call = Call.read(method, path, headers, body)
        with self._lock:
            self._calls.append(call)
        reply, word = self._handler.answer(call, call.origin(self.origin))
        if self._report:
            self._report(f"{method} {path} {reply.status}{f' ({word})' if word else ''}")
        return reply, word


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
