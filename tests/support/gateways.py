"""Servers for the tests of the client and of the sandbox: a picture to fetch, canned answers."""

import contextlib
import io
import re
import socket
import threading
from collections.abc import Callable, Iterator

from PIL import Image

from support.waiting import TIMEOUT_SECONDS, until
from wagtail_smart_resize.core.sizes import Size
from wagtail_smart_resize.gateway.client import Answer, GatewayClient, GenerateRequest, JobStatus
from wagtail_smart_resize.sandbox.responses import Reply
from wagtail_smart_resize.sandbox.server import Listener

KEY = "s3cret-subscription-key"
PENDING = {JobStatus.QUEUED, JobStatus.PROCESSING}


def picture(size=(60, 40), colour=(200, 30, 30)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


@contextlib.contextmanager
def answering(reply: Reply | Callable[[str, str], Reply]) -> Iterator[Listener]:
    """Run a server that gives one answer to everything, or what a function of method and path
    returns."""

    def answer(method, path, headers, body):
        return (reply(method, path) if callable(reply) else reply), ""

    listener = Listener(answer, "127.0.0.1", 0, slow=0, trickle=0)
    listener.start()
    try:
        yield listener
    finally:
        listener.stop()


class RawServer:
    """Sends the given bytes on each connection and closes it, or keeps it open for more requests.

    ``heard`` holds what came in, one item for each request. Without bytes it sends nothing and
    closes the connection.
    """

    def __init__(self, said: bytes, *, keep_open: bool = False) -> None:
        self.heard: list[bytes] = []
        self.connections = 0
        self._said = said
        self._keep_open = keep_open
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._held: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        for connection in self._held:
            connection.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.connections += 1
                self._held.append(connection)
                self._speak(connection)

    def _speak(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self.heard.append(_whole_request(connection))
            connection.sendall(self._said)
            if not self._keep_open:
                connection.shutdown(socket.SHUT_RDWR)


def _whole_request(connection: socket.socket) -> bytes:
    """Read the whole request: a server that closes earlier loses the rest of it, and its own
    answer."""
    heard = connection.recv(65536)
    # Bytes that are no text are TLS, which this server does not speak.
    while heard[:1].isalpha() and not _is_whole(heard) and (more := connection.recv(65536)):
        heard += more
    return heard


def _is_whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
    return bool(end) and len(body) >= int(length[1] if length else 0)


def client_of(
    gateway, *, sleeps: list[float] | None = None, seconds: float = TIMEOUT_SECONDS
) -> GatewayClient:
    """Return a client that waits as long as a busy machine may need, and records its sleeps.

    Give fewer `seconds` for servers that never answer.
    """
    recorded = [] if sleeps is None else sleeps
    return GatewayClient(
        gateway.key, gateway.url, timeout=(seconds, seconds), sleep=recorded.append
    )


def job(source: str = "http://127.0.0.1:9/photo.jpg", *sizes: str, **fields) -> GenerateRequest:
    wanted = tuple(Size.parse(size) for size in sizes or ("60x60",))
    return GenerateRequest(source, wanted, **fields)


def wait_for_calls(calls: Callable[[], list], count: int) -> list:
    """Wait until a gateway has recorded `count` calls: it may read a call after the caller gave
    up."""
    until(lambda: len(calls()) >= count, f"the gateway has recorded {count} calls")
    return calls()


def finished(client: GatewayClient, answer: Answer) -> Answer:
    """Ask for the status until the job is no longer queued or processing."""
    if answer.status not in PENDING:
        return answer

    def ending():
        latest = client.status(answer.request_id, answer.polling_url)
        return None if latest.status in PENDING else latest

    return until(ending, "the job has ended")
