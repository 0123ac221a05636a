"""From which moment and which rendition on a repair looks, so that no change is overlooked."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import wagtail
from django.db import models
from django.db.models import Max
from django.utils.crypto import salted_hmac

import wagtail_smart_resize
from wagtail_smart_resize.core import database
from wagtail_smart_resize.models import PipelineState
from wagtail_smart_resize.settings import Preset, settings

#: What a transaction has written may be seen so long afterwards, by clocks that differ.
OVERLAP = dt.timedelta(hours=1)
#: Repairs may be made in quick succession; more than one in so long need not be remembered.
REMEMBERED_EVERY = OVERLAP / 6

#: The settings by which a whole reading may come to other findings than the last one.
_DECISIVE = (
    "AUTO_GENERATE",
    "RESOLUTION",
    "MIN_CROP_LOSS",
    "MIN_SLOT_SIDE",
    "MIN_KEPT",
)


@dataclass(frozen=True)
class Begin:
    """When a repair began, and the highest key of a rendition then, if keys tell their order."""

    at: dt.datetime
    rendition: int


def present(now: dt.datetime) -> Begin:
    """Return the begin of a repair that begins now."""
    highest = 0
    if renditions_are_numbered():
        highest = database.site_renditions().aggregate(highest=Max("pk"))["highest"] or 0
    return Begin(now, highest)


def renditions_are_numbered() -> bool:
    """Return whether newer renditions have higher keys, so that a key tells which are new."""
    key: Any = database.site_renditions().model._meta.pk
    return isinstance(key, models.AutoField)


def last_begun(state: PipelineState, begin: Begin) -> Begin | None:
    """Return since when a repair that begins now has to look; None for all that there is.

    That is the newest begin that is older than `OVERLAP`: a transaction that had taken a key may
    have been committed long after one with a higher key. None is known before the first repair,
    and none holds where the renditions are others than before: restored, or deleted by a command.
    """
    past = [each for each in _begun(state) if each.at <= begin.at]
    if not past or past[-1].rendition > begin.rendition:
        return None
    old_enough = [each for each in past if each.at <= begin.at - OVERLAP]
    return (old_enough or past)[-1 if old_enough else 0]


def remembered(state: PipelineState, begin: Begin) -> list[Any]:
    """Return the value of `repairs_begun` after a repair that began so."""
    past = [each for each in _begun(state) if each.at <= begin.at]
    base = last_begun(state, begin)
    kept = [each for each in past if base and each.at >= base.at]
    if not kept or kept[-1].at <= begin.at - REMEMBERED_EVERY:
        kept.append(begin)
    return [[each.at.isoformat(), each.rendition] for each in kept]


def _begun(state: PipelineState) -> list[Begin]:
    return [Begin(dt.datetime.fromisoformat(at), key) for at, key in state.repairs_begun]


def dependencies() -> str:
    """Return a digest of what findings depend on beside the tables: settings, and the code.

    After a change all has to be read, since any rendition may be off its key now.
    """
    told = [
        wagtail_smart_resize.__version__,
        wagtail.__version__,
        str(bool(settings.API_KEY)),
        _name(settings.ALLOW),
        *(repr(getattr(settings, name)) for name in _DECISIVE),
        *(_described(preset) for preset in settings.PRESETS.values()),
    ]
    digest = salted_hmac("wagtail_smart_resize.repair", "\n".join(told), algorithm="sha256")
    return digest.hexdigest()[:16]


def _name(allow: Any) -> str:
    """Return what is the same of a function, or an instance of a class, in every process."""
    named = allow if hasattr(allow, "__qualname__") else type(allow)
    return f"{named.__module__}.{named.__qualname__}"


def _described(preset: Preset) -> str:
    recipe = preset.recipe
    return f"{preset.name} {preset.slot} {preset.recipe_name} {recipe.resolution if recipe else ''}"
