"""Errors of file storages: everything that a call to one raises."""

import contextlib
from collections.abc import Iterator

from django.db import DatabaseError


class StorageError(OSError):
    """A storage failed to do what it was asked. `__cause__` is the exception that it raised."""

    @property
    def is_missing_file(self) -> bool:
        """Return whether the file is missing. Wagtail wraps the storage's error in its own."""
        raised = (self.__cause__, self.__cause__ and self.__cause__.__cause__)
        return any(isinstance(error, FileNotFoundError) for error in raised)


@contextlib.contextmanager
def translate_storage_errors() -> Iterator[None]:
    """Raise every exception of the block as StorageError. Use it around calls of a storage only.

    There is no common class to catch: storages let through what their client libraries raise, and
    those of S3 or Azure are plain Exceptions. Database errors pass unchanged.
    """
    try:
        yield
    except (StorageError, DatabaseError):
        raise
    except Exception as error:
        raise StorageError(f"{type(error).__name__}: {error}") from error
