"""What counts as trouble with a storage: whatever comes out of a call to one."""

import contextlib
from collections.abc import Iterator

from django.db import DatabaseError


class StorageTrouble(OSError):
    """A storage did not do what it was asked. `__cause__` is what it raised itself."""

    @property
    def is_missing_file(self) -> bool:
        """Whether the storage said that there is no such file. Wagtail wraps what it says."""
        raised = (self.__cause__, self.__cause__ and self.__cause__.__cause__)
        return any(isinstance(error, FileNotFoundError) for error in raised)


@contextlib.contextmanager
def calls() -> Iterator[None]:
    """Around calls of a storage, and nothing else: what is raised comes out as StorageTrouble.

    No class of errors tells: storages let through what their client libraries raise, and those
    of S3 or Azure are plain Exceptions. What the database raises stays what it is.
    """
    try:
        yield
    except (StorageTrouble, DatabaseError):
        raise
    except Exception as error:
        raise StorageTrouble(f"{type(error).__name__}: {error}") from error
