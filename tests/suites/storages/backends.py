"""Storages that sites write themselves: without local paths, and slow."""

import time
from typing import Any, NamedTuple

from django.core.files.storage import FileSystemStorage, Storage
from django.db import connection
from django.utils.deconstruct import deconstructible


class StorageCall(NamedTuple):
    operation: str
    name: str
    in_transaction: bool


@deconstructible
class RemoteStorage(Storage):
    """A storage without `path`, which records every call of its methods."""

    seconds = 0.0
    calls: list[StorageCall] = []
    """The calls of all instances, the newest last."""

    def __init__(self) -> None:
        self._files = FileSystemStorage()

    def _called(self, operation: str, name: str) -> None:
        self.calls.append(StorageCall(operation, name, connection.in_atomic_block))
        time.sleep(self.seconds)

    def _open(self, name: str, mode: str = "rb") -> Any:
        self._called("open", name)
        return self._files.open(name, mode)

    def _save(self, name: str, content: Any) -> str:
        self._called("save", name)
        return self._files._save(name, content)

    def exists(self, name: str) -> bool:
        self._called("exists", name)
        return self._files.exists(name)

    def delete(self, name: str) -> None:
        self._called("delete", name)
        self._files.delete(name)

    def size(self, name: str) -> int:
        self._called("size", name)
        return self._files.size(name)

    def url(self, name: str | None) -> str:
        return self._files.url(name)


@deconstructible
class SlowStorage(RemoteStorage):
    """A remote storage whose calls take a fifth of a second each."""

    seconds = 0.2
