"""Versions that a person looks at in Wagtail's preview before anybody has approved them.

They are kept in the person's session, and shown in their previews alone.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.db.models import F

from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.schema import schema
from wagtail_smart_resize.models import Candidate, ImageVersion
from wagtail_smart_resize.renditions.published import PublishedEntry, version_digest

logger = get_logger(__name__)

#: {id of a recomposition: id of the candidate that is tried}
SESSION_KEY = "smart_resize_tried"
#: Maximum number of versions that are tried at once.
MAX_TRIED = 20


def try_version(request: Any, candidate: Candidate) -> None:
    """Show the version in this person's previews."""
    tried = dict(request.session.get(SESSION_KEY, {}))
    tried.pop(str(candidate.recomposition_id), None)
    tried[str(candidate.recomposition_id)] = candidate.pk
    request.session[SESSION_KEY] = dict(list(tried.items())[-MAX_TRIED:])


def stop_trying(request: Any) -> None:
    """Show in this person's previews what visitors see."""
    request.session.pop(SESSION_KEY, None)


def ids_tried(request: Any) -> list[Any]:
    """Return the ids of the candidates that the person tries."""
    session = getattr(request, "session", None)
    return list(session.get(SESSION_KEY, {}).values()) if session is not None else []


def tried_by(request: Any) -> Mapping[Any, list[PublishedEntry]]:
    """Return what the person of a request tries, by image, as entries that are not published."""
    keys = ids_tried(request)
    if not keys:
        return {}
    try:
        return _entries(keys) if schema.is_current() else {}
    except Exception:
        logger.exception("Can't show in the preview what is tried")
        return {}


def _entries(keys: list[Any]) -> dict[Any, list[PublishedEntry]]:
    stored = Candidate.objects.filter(pk__in=keys, stored=True).select_related("recomposition")
    # Those of a file that was replaced are left out.
    of_present_file = {"recomposition__source_hash": F("recomposition__image__file_hash")}
    candidates = list(stored.filter(**of_present_file))
    versions = ImageVersion.objects.in_bulk([each.recomposition.image_id for each in candidates])
    found: dict[Any, list[PublishedEntry]] = defaultdict(list)
    for candidate in candidates:
        row = candidate.recomposition
        version = versions.get(row.image_id)
        generation = version.generation(row.shape, row.recipe) if version else 0
        digest = version_digest(candidate.file_name, candidate.digest, generation)
        entry = PublishedEntry(
            row.shape, row.recipe, digest, candidate.file_name, generation, candidate.label
        )
        found[row.image_id].append(entry)
    return found
