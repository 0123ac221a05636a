"""Deletes the files of deleted candidates from storage, once the deletion is committed."""

from typing import Any

from django.core.files.storage import Storage
from django.db import connections
from django.db.models.signals import post_delete

from wagtail_smart_resize.core.logs import get_logger

from . import Candidate, ownership

logger = get_logger(__name__)


def connect_file_cleanup() -> None:
    """Connect the receiver for deletions. Called by `AppConfig.ready`."""
    post_delete.connect(
        _delete_file_on_commit, sender=Candidate, dispatch_uid="smart_resize_cleanup"
    )


def _delete_file_on_commit(instance: Candidate, using: str, **_kwargs: Any) -> None:
    if not ownership.is_owner():
        return
    storage, name = instance.file.storage, instance.file_name
    connections[using].on_commit(lambda: delete_file(storage, name))


def delete_candidate(candidate: Candidate) -> None:
    """Delete the file, then the row: a process killed in between leaves no orphaned file.

    Exceptions of the storage are let through; then the row stays, for another try.
    """
    candidate.file.storage.delete(candidate.file_name)
    candidate.delete()


def delete_file(storage: Storage, name: str) -> None:
    """Delete a file; log what the storage raises, so as not to fail the rest of the deletion."""
    try:
        storage.delete(name)
    except Exception:
        logger.exception("Can't delete the candidate file %s; delete it by hand", name)
