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
from urllib3.connectionpool import HTTPConnectionPool


class Deadline:
    """The moment, `seconds` from now, after which a session reads nothing more."""

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
        """Apply to all connections that the session's adapters make from now on."""
        for adapter in session.adapters.values():
            if isinstance(adapter, HTTPAdapter):
                manager = adapter.poolmanager
                manager.pool_classes_by_scheme = {
                    scheme: self._limited(pool)
                    for scheme, pool in manager.pool_classes_by_scheme.items()
                }

    def _limited(self, pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
        def response(connection: Any, sock: socket.socket, *args: Any, **kwargs: Any) -> Any:
            return http.client.HTTPResponse(TimedSocket(sock, self), *args, **kwargs)  # type: ignore[arg-type]

        members = {"response_class": response}
        connection = type("LimitedConnection", (pool.ConnectionCls,), members)
        return type("LimitedPool", (pool,), {"ConnectionCls": connection})


class TimedSocket:
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
