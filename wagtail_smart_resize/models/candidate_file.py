"""The file field of candidates, and its storage."""

from typing import Any

from django.core.files.storage import Storage
from django.db import models

from wagtail_smart_resize.settings import settings


def candidate_storage() -> Storage:
    """Return the storage of candidates that the site's settings name."""
    return settings.candidate_storage()


class CandidateFileField(models.FileField):
    """A file field in the candidates' storage, which migrations do not record."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["storage"] = candidate_storage
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        kwargs.pop("storage", None)
        return name, "django.db.models.FileField", args, kwargs
