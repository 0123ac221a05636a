"""Files of rows that were deleted go from storage, once the deletion is certain."""

import logging
from typing import Any

from django.core.files.storage import Storage
from django.db import transaction
from django.db.models.signals import post_delete

from . import Candidate

logger = logging.getLogger(__name__)


def connect() -> None:
    """Listen to deletions. From `AppConfig.ready`."""
    post_delete.connect(_forget_file, sender=Candidate, dispatch_uid="smart_resize_cleanup")


def _forget_file(instance: Candidate, using: str, **_kwargs: Any) -> None:
    storage, name = instance.file.storage, instance.file.name
    transaction.on_commit(lambda: delete_file(storage, name), using=using)


def delete(candidate: Candidate) -> None:
    """Delete the file, then the row: a process that is killed between leaves no file of nobody.

    Raises what the storage raises: then the row stays, for another try.
    """
    candidate.file.storage.delete(candidate.file.name)
    candidate.delete()


def delete_file(storage: Storage, name: str) -> None:
    """Delete a file; a storage in trouble must not fail what else the deletion is part of."""
    try:
        storage.delete(name)
    except Exception:
        logger.exception("Can't delete the candidate file %s; delete it by hand", name)
