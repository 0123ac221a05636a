"""Entries in Wagtail's audit log for what people and the pipeline did.

`data` holds codes and sizes but no text, which is added in the reader's language when the log is
read.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy
from wagtail.log_actions import LogContext, log

from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import Slot
from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.signals import recomposition_failed, recomposition_published

ASK = "smart_resize.ask"
PUBLISH = "smart_resize.publish"
CHOOSE = "smart_resize.choose"
DECLINE = "smart_resize.decline"
OWN_PIXELS = "smart_resize.own_pixels"
UNDO = "smart_resize.undo"
CALL_OFF = "smart_resize.call_off"
OPT_OUT = "smart_resize.opt_out"
OPT_IN = "smart_resize.opt_in"
FAIL = "smart_resize.fail"


#: Why a person may decline a version, with one key each.
DECLINE_REASONS: dict[str, Promise] = {
    "face": gettext_lazy("A face has changed"),
    "lettering": gettext_lazy("Lettering or a logo has changed"),
    "quality": gettext_lazy("Not good enough"),
    "crop": gettext_lazy("The crop is better"),
}


def _write(image: SiteImage, action: str, user: Any, **data: Any) -> None:
    """Write an entry in a log context of its own: Wagtail shows one per context and action."""
    with LogContext(user=user):
        log(image, action, user=user, data=data)


def asked(
    image: SiteImage, user: Any, slots: Iterable[Slot], prompt: str = "", price: str = ""
) -> None:
    sizes = [str(slot) for slot in slots]
    _write(image, ASK, user, sizes=sizes, prompt=prompt[:200], price=price)


def chose(row: Any, candidate: Any, user: Any) -> None:
    number = _number(row, candidate)
    _write(row.image, CHOOSE, user, sizes=row.slots, candidate=candidate.pk, number=number)


def _number(row: Any, candidate: Any) -> int:
    """Return the version's number as the image's screen counts them."""
    return row.candidates.filter(stored=True, pk__lte=candidate.pk).count()


def kept_pixels(row: Any, derived: Any, user: Any) -> None:
    _write(row.image, OWN_PIXELS, user, sizes=row.slots, number=_number(row, derived))


def declined(row: Any, user: Any, reason: str = "") -> None:
    _write(row.image, DECLINE, user, sizes=row.slots, reason=reason)


def undone(row: Any, user: Any) -> None:
    _write(row.image, UNDO, user, sizes=row.slots)


def called_off(row: Any, user: Any) -> None:
    _write(row.image, CALL_OFF, user, sizes=row.slots)


def opted_out(image: SiteImage, user: Any, reason: str) -> None:
    _write(image, OPT_OUT, user, reason=reason)


def opted_in(image: SiteImage, user: Any) -> None:
    _write(image, OPT_IN, user)


def _on_published(image: SiteImage, changes: list[tuple[Any, str, str]], **_kwargs: Any) -> None:
    slots = _slots_of(image)
    recomposed = [size for *shape, file in changes if file for size in slots[tuple(shape)]]
    cropped = [size for *shape, file in changes if not file for size in slots[tuple(shape)]]
    _write(image, PUBLISH, None, sizes=recomposed, cropped=cropped)


def _slots_of(image: SiteImage) -> dict[tuple[Any, str], list[str]]:
    """Return the image's sizes by shape and recipe, as templates and people wrote them."""
    slots: dict[tuple[Any, str], list[str]] = defaultdict(list)
    rows = Recomposition.objects.filter(image=image).order_by("pk")
    for shape, recipe, sizes in rows.values_list("shape", "recipe", "slots"):
        known = slots[shape, recipe]
        known += [size for size in sizes if size not in known]
    return slots


def _on_failed(recomposition: Any, **_kwargs: Any) -> None:
    row = recomposition
    _write(row.image, FAIL, row.asked_by, sizes=row.slots, code=row.failure_code)


def connect_audit() -> None:
    """Connect to the signals by which the pipeline reports. Called by `AppConfig.ready`."""
    recomposition_published.connect(_on_published, dispatch_uid="smart_resize_audit")
    recomposition_failed.connect(_on_failed, dispatch_uid="smart_resize_audit")
