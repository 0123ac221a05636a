"""Deadlines for whole HTTP answers.

The timeouts of requests start again with every byte: a server that sends one now and then, in its
headers or its body, never times out.
"""

import http.client
import io
import socket
import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, PoolManager


class Deadline:
    """The moment, `seconds` from now, after which a session reads nothing more."""

    #: Whether a request was sent. A reset during the TLS handshake and one after the request look
    #: the same from outside, but the first costs nothing and the second perhaps money.
    sent = False

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self._ends

    def remaining(self) -> float:
        """Return the seconds left. Raises TimeoutError where there are none."""
        seconds = self._ends - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("The time for the whole answer is over.")
        return seconds

    def limit(self, session: requests.Session) -> None:
        """Apply to all direct connections that the session's adapters make from now on."""
        for adapter in session.adapters.values():
            if isinstance(adapter, HTTPAdapter):
                self.limit_pools(adapter.poolmanager)

    def limit_pools(self, manager: PoolManager) -> None:
        """Apply to all connections that this manager's pools make from now on."""
        manager.pool_classes_by_scheme = {
            scheme: self._limited(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
        }

    def _limited(self, pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
        bases = (_LimitedConnection, pool.ConnectionCls)
        connection = type("LimitedConnection", bases, {"deadline": self})
        return type("LimitedPool", (pool,), {"ConnectionCls": connection})


class _LimitedConnection:
    """Mixin in front of urllib3's connection classes, whichever the scheme or a proxy calls for."""

    deadline: Deadline
    sock: Any

    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        """Send the headers, and with them the first bytes of the request itself.

        A proxy's CONNECT isn't sent by this method.
        """
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]
        self.deadline.sent = True
        super().endheaders(*args, **kwargs)  # type: ignore[misc]

    def response_class(self, sock: Any, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
        return _FinalResponse(_TimedSocket(sock, self.deadline), *args, **kwargs)  # type: ignore[arg-type]


class _FinalResponse(http.client.HTTPResponse):
    """Passes over interim answers, such as 103, of which `http.client` knows 100 alone.

    Source: RFC 9110, section 15.2. A client must be able to parse any number of them.
    """

    def _read_status(self) -> tuple[str, int, str]:
        for _interim in range(MAX_INTERIM_ANSWERS):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if status in _NOT_INTERIM:
                return version, status, reason
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException("There is no end of interim answers.")


#: Of one kind or several, before the real one. A server at work may send one every few seconds.
MAX_INTERIM_ANSWERS = 100
#: What `http.client` handles: 100, and 101, after which something else than HTTP follows.
_NOT_INTERIM = {100, 101, *range(200, 1000)}


class _TimedSocket:
    """The part of a socket that `http.client.HTTPResponse` uses."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock, self._deadline))


class _TimedReader(io.RawIOBase):
    """Raw stream that waits for bytes no longer than until the deadline, which all reads share."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._deadline.remaining())
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()
