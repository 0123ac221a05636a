"""Far ends for the tests of the client and of the sandbox: a picture to fetch, canned answers."""

import contextlib
import io
import re
import socket
import threading
from collections.abc import Callable, Iterator

from PIL import Image

from support.patience import LONG, until
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
    """A server that gives one answer to everything, or what a function of method and path gives."""

    def answer(method, path, headers, body):
        return (reply(method, path) if callable(reply) else reply), ""

    listener = Listener(answer, "127.0.0.1", 0, slow=0, trickle=0)
    listener.start()
    try:
        yield listener
    finally:
        listener.stop()


class RawServer:
    """Says the given bytes on each connection and closes it, or keeps it open for more requests.

    ``heard`` is what came in, one item a request. Says nothing at all, and hangs up, without bytes.
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
    """All of it: who answers and hangs up before has the rest, and their answer, thrown away."""
    heard = connection.recv(65536)
    # What is no text is TLS, of which we understand nothing.
    while heard[:1].isalpha() and not _is_whole(heard) and (more := connection.recv(65536)):
        heard += more
    return heard


def _is_whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
    return bool(end) and len(body) >= int(length[1] if length else 0)


def client_of(gateway, *, naps: list[float] | None = None, seconds: float = LONG) -> GatewayClient:
    """A client that waits as long as a busy machine may take; what it would sleep is noted instead.

    Fewer `seconds` are for far ends that never answer.
    """
    noted = [] if naps is None else naps
    return GatewayClient(gateway.key, gateway.url, timeout=(seconds, seconds), sleep=noted.append)


def job(source: str = "http://127.0.0.1:9/photo.jpg", *sizes: str, **fields) -> GenerateRequest:
    wanted = tuple(Size.parse(size) for size in sizes or ("60x60",))
    return GenerateRequest(source, wanted, **fields)


def noted(calls: Callable[[], list], count: int) -> list:
    """What a gateway noted, once that is so many: it may read a call after the caller gave up."""
    until(lambda: len(calls()) >= count, f"the gateway noted {count} calls")
    return calls()


def finished(client: GatewayClient, answer: Answer) -> Answer:
    """Ask until it is no longer queued or in work."""
    if answer.status not in PENDING:
        return answer

    def ending():
        told = client.status(answer.request_id, answer.polling_url)
        return None if told.status in PENDING else told

    return until(ending, "the job had ended")
