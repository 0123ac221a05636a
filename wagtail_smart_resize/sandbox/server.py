"""The HTTP listener, with a thread per connection, and faults of the connection itself."""

import contextlib
import logging
import socket
import socketserver
import struct
import threading
from collections.abc import Callable
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .responses import Reply, error

logger = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024

Answering = Callable[[str, str, Message, bytes], tuple[Reply, str]]


class Listener:
    """Listens on ``host`` and ``port`` (0: a free one) between ``start`` and ``stop``.

    ``slow`` and ``trickle`` are seconds: the delay of a slow answer, and the pause between two
    bytes.
    """

    def __init__(
        self, answer: Answering, host: str, port: int, *, slow: float, trickle: float
    ) -> None:
        self._server = _Server((host, port), _Handler)
        self._server.set_up(answer, slow=slow, trickle=trickle)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="sandbox-listener"
        )

    @property
    def origin(self) -> str:
        host, port = map(str, self._server.server_address[:2])
        return f"http://{host}:{port}"

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.cut_connections()
        self._server.server_close()  # joins the threads that were answering


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128  # beyond it (5 by default), connections wait or are reset

    def set_up(self, answer: Answering, *, slow: float, trickle: float) -> None:
        self.answer = answer
        self.slow = slow
        self.trickle = trickle
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def server_bind(self) -> None:
        # Not HTTPServer's, which looks up the host's name: that can take long.
        socketserver.TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def cut_connections(self) -> None:
        self.stopping.set()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.exception("The sandbox could not answer a call.")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "smart-resize-sandbox"
    server: _Server

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def _handle(self) -> None:
        self.close_connection = True
        with contextlib.suppress(ConnectionError):  # the caller has disconnected
            body = self._body()
            if body is None:
                self.send(error(413, "Request too large", "The body is larger than it may be"))
                return
            reply, word = self.server.answer(self.command, self.path, self.headers, body)
            _SENDERS.get(word, _Handler.send)(self, reply)

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY:
            return None
        return self.rfile.read(int(length))

    def send(self, reply: Reply) -> None:
        self.wfile.write(_head(reply) + reply.body)

    def wait(self, seconds: float | None) -> bool:
        """Wait, and return True if the time has passed, False if the server was stopped."""
        return not self.server.stopping.wait(seconds)

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)


def _head(reply: Reply) -> bytes:
    headers = {
        "Content-Type": reply.content_type,
        "Content-Length": str(len(reply.body)),
        "Connection": "close",
        **reply.headers,
    }
    lines = [f"HTTP/1.1 {reply.status} Sandbox", *(f"{n}: {v}" for n, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


# Faulty ways of sending


def _slow(handler: _Handler, reply: Reply) -> None:
    if handler.wait(handler.server.slow):
        handler.send(reply)


def _trickle(handler: _Handler, reply: Reply) -> None:
    handler.wfile.write(_head(reply))
    _byte_by_byte(handler, reply.body)


def _byte_by_byte(handler: _Handler, content: bytes) -> None:
    for position in range(len(content)):
        handler.wfile.write(content[position : position + 1])
        if not handler.wait(handler.server.trickle):
            return


def _reset(handler: _Handler, reply: Reply) -> None:
    """Close the connection by a TCP reset instead of an orderly end."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    socket.close(handler.connection.detach())


def _huge(handler: _Handler, reply: Reply) -> None:
    """Send 200 MB, as far as the client reads them."""
    length = {"Content-Length": str(200 * 1024 * 1024)}
    handler.wfile.write(_head(Reply(200, b"", reply.content_type, length)))
    for _ in range(200):
        handler.wfile.write(b" " * 1024 * 1024)


_SENDERS: dict[str, Callable[[_Handler, Reply], object]] = {
    "slow": _slow,
    "hang": lambda handler, _reply: handler.wait(None),
    "trickle": _trickle,
    "trickle-head": lambda handler, reply: _byte_by_byte(handler, _head(reply) + reply.body),
    "reset": _reset,
    "broken-off": lambda handler, reply: handler.wfile.write(
        _head(reply) + reply.body[: len(reply.body) // 2]
    ),
    "huge": _huge,
}
