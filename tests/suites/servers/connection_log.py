"""Logs which thread of which process opens a connection, and to which port."""

import os
import socket
import threading
from pathlib import Path
from typing import NamedTuple

ROLE = "SERVERS_ROLE"


class Connection(NamedTuple):
    role: str
    thread: str
    port: int


def install(log: Path) -> None:
    connect = socket.socket.connect

    def logged(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            role, thread = os.environ.get(ROLE, "web"), threading.current_thread().name
            with log.open("a") as file:
                file.write(f"{role}\t{thread}\t{address[1]}\n")
        return connect(self, address)

    socket.socket.connect = logged


def read(log: Path) -> list[Connection]:
    lines = log.read_text().splitlines() if log.exists() else []
    fields = (line.split("\t") for line in lines)
    return [Connection(role, thread, int(port)) for role, thread, port in fields]
