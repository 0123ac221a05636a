"""Small HTTP servers on loopback, for tests that need real sockets."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Answers each path with a function of the handler; `asked` lists (path, headers) of each GET.

    HEAD is answered by `heads`, and not listed in `asked`. `cut_off` lists the paths of endless
    answers whose client hung up.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, routes, heads):
        self.routes = routes
        self.heads = heads
        self.asked = []
        self.cut_off = []
        self.closing = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """Ignore errors: many of these tests are about clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        self.server.routes.get(self.path, answer(b"", status=404))(self)

    def do_HEAD(self):
        self.server.heads.get(self.path, answer(b"", status=501))(self)

    def log_message(self, *args):
        pass


def answer(content: bytes, status: int = 200, **headers: str) -> Callable:
    """Return a plain answer. Header names are written with underscores."""

    def respond(handler):
        handler.send_response(status)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {"Content-Length": str(len(content)), **given}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    return respond


def raw(*parts: bytes, pause: float = 0) -> Callable:
    """Return an answer that sends raw bytes, pauses after each part, and closes the connection."""

    def respond(handler):
        for part in parts:
            handler.wfile.write(part)
            if handler.server.closing.wait(pause):
                return

    return respond


def endless(beginning: bytes, again: bytes, pause: float = 0) -> Callable:
    """Return an answer that sends a beginning, then the same bytes repeatedly until the client
    leaves."""

    def respond(handler):
        try:
            handler.wfile.write(beginning)
            while not handler.server.closing.wait(pause):
                handler.wfile.write(again)
        except OSError:
            handler.server.cut_off.append(handler.path)

    return respond


@contextlib.contextmanager
def serve(
    routes: dict[str, Callable], tls=None, heads: dict[str, Callable] | None = None
) -> Iterator[Server]:
    """Run a server; `tls` is an `ssl.SSLContext` for https. Without `heads` it knows no HEAD."""
    server = Server(routes, heads or {})
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
