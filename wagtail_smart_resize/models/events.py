"""What happens to purchases, told once it is committed: to the log, and to whoever has connected.

Each event is one line of the logger `wagtail_smart_resize.purchases`. Its values are attributes of
the log record too, for handlers that group by them. docs/operations/monitoring.md shows them all.
"""

import datetime as dt
import logging
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from django.dispatch import Signal

from wagtail_smart_resize import signals
from wagtail_smart_resize.core import database, money
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.exceptions import presentable

if TYPE_CHECKING:
    from .gateway_request import GatewayRequest
    from .recomposition import Recomposition

#: Not rate-limited: each line is of another event.
logger = logging.getLogger("wagtail_smart_resize.purchases")


def _tell(event: str, message: str, level: int = logging.INFO, **fields: Any) -> None:
    """Write a line, once the open transaction has been committed.

    `message` is a format with the names of `fields`. Text from elsewhere becomes one short line.
    """
    if logger.isEnabledFor(level):
        shown = {
            name: presentable(value) if isinstance(value, str) else value
            for name, value in fields.items()
        }
        extra = {"event": event, **shown}
        database.on_commit(partial(logger.log, level, message, shown, extra=extra))


def _send(signal: Signal, sender: type, **named: Any) -> None:
    database.on_commit(partial(signal.send_robust, sender, **named))


def _fields_of_row(row: "Recomposition", image_title: str) -> dict[str, Any]:
    return {
        "image_id": row.image_id,
        "image_title": image_title,
        "shape": str(row.shape),
        "recipe": row.recipe,
        "sizes": " ".join(row.slots),
    }


def _fields_of_request(request: "GatewayRequest") -> dict[str, Any]:
    return {
        "image_id": request.image_id,
        "image_title": request.image_title,
        "recipe": request.recipe,
        "purchase_id": request.pk,
        "gateway_request_id": request.request_id,
        "sizes": " ".join(asked["size"] for asked in request.sizes),
        "outputs": request.outputs_asked,
        "cost": money.plain_text(request.cost) if request.cost else "no price set",
    }


# What goes well


def wanted(row: "Recomposition", image: SiteImage) -> None:
    """Tell that a shape is wanted of an image for the first time."""
    _send(signals.recomposition_wanted, type(row), recomposition=row)
    _tell(
        "wanted",
        "Wanted: image %(image_id)s (%(image_title)s), %(sizes)s, by a %(wanted_by)s",
        **_fields_of_row(row, image.title),
        wanted_by=row.wanted_by,
    )


def sent(request: "GatewayRequest") -> None:
    """Tell that a request is being sent."""
    _send(signals.purchase_sent, type(request), request=request)
    _tell(
        "sent",
        "Sent: purchase %(purchase_id)s, image %(image_id)s (%(image_title)s), %(sizes)s, "
        "outputs: %(outputs)s, cost: %(cost)s",
        **_fields_of_request(request),
    )


def accepted(request: "GatewayRequest") -> None:
    """Tell that the service has taken a request."""
    _tell(
        "accepted",
        "Accepted: purchase %(purchase_id)s, as request %(gateway_request_id)s",
        **_fields_of_request(request),
    )


def completed(request: "GatewayRequest", outputs: int) -> None:
    """Tell that the pictures of a request are stored: `outputs` is their number."""
    seconds = request.seconds_at_work
    _send(
        signals.purchase_completed,
        type(request),
        request=request,
        outputs=outputs,
        seconds=seconds,
        cost=request.cost,
    )
    _tell(
        "done",
        "Done: purchase %(purchase_id)s, image %(image_id)s (%(image_title)s), %(stored)s of "
        "%(outputs)s outputs after %(seconds)s s",
        **_fields_of_request(request),
        stored=outputs,
        seconds=round(seconds),
    )


def awaits_review(row: "Recomposition", request: "GatewayRequest") -> None:
    """Tell that a person has to choose."""
    _send(signals.recomposition_ready, type(row), recomposition=row)
    _tell(
        "awaiting_review",
        "To decide: image %(image_id)s (%(image_title)s), %(sizes)s",
        **_fields_of_row(row, request.image_title),
        purchase_id=request.pk,
    )


def live(image: SiteImage, changes: Iterable[tuple[Any, str, str]]) -> None:
    """Tell what visitors see from now on: (shape, recipe's name, candidate's file or "").

    Call it outside of a transaction.
    """
    changes = list(changes)
    signals.recomposition_published.send_robust(sender=type(image), image=image, changes=changes)
    for shape, recipe, file in changes:
        _tell(
            "live",
            "Live: image %(image_id)s (%(image_title)s), shape %(shape)s, %(shown)s",
            image_id=image.pk,
            image_title=image.title,
            shape=str(shape),
            recipe=recipe,
            shown=file or "the crop",
        )


def retired(image_id: Any, renditions: int, keep_days: int) -> None:
    """Tell that pages no longer show so many renditions of an image."""
    _tell(
        "retired",
        "Retired: image %(image_id)s, renditions: %(renditions)s, kept for %(days)s days",
        image_id=image_id,
        renditions=renditions,
        days=keep_days,
    )


# What goes wrong


def purchase_failed(request: "GatewayRequest", code: str, detail: str, *, unknown: bool) -> None:
    """Tell that a request has come to nothing. `unknown`: whether it may have been charged."""
    _send(signals.purchase_failed, type(request), request=request, code=code)
    _tell(
        "unknown" if unknown else "failed",
        "Unknown whether it was bought: purchase %(purchase_id)s, image %(image_id)s "
        "(%(image_title)s): %(detail)s An editor has to decide."
        if unknown
        else "Failed: purchase %(purchase_id)s, image %(image_id)s (%(image_title)s): %(code)s: "
        "%(detail)s",
        logging.ERROR if unknown else logging.WARNING,
        **_fields_of_request(request),
        code=code,
        detail=detail,
    )


def row_failed(row: "Recomposition") -> None:
    """Tell that a shape failed for good."""
    _send(signals.recomposition_failed, type(row), recomposition=row)


def not_sent(row: "Recomposition", image: SiteImage) -> None:
    """Tell that a shape failed before anything was sent, since the image can't be read."""
    _tell(
        "failed",
        "Failed: image %(image_id)s (%(image_title)s), %(sizes)s: %(code)s: %(detail)s",
        logging.WARNING,
        **_fields_of_row(row, image.title),
        code=row.failure_code,
        detail=row.failure_detail,
    )


def source_unavailable(row: "Recomposition", image: SiteImage, next_try_at: dt.datetime) -> None:
    """Tell that the site's storage does not give an image's file, so that nothing can be sent."""
    _tell(
        "storage",
        "Can't read the file of image %(image_id)s (%(image_title)s): %(detail)s Next try at "
        "%(next_try_at)s",
        logging.ERROR,
        **_fields_of_row(row, image.title),
        code=row.failure_code,
        detail=row.failure_detail,
        next_try_at=next_try_at.isoformat(timespec="seconds"),
    )


def declined(row: "Recomposition") -> None:
    """Tell that a person has chosen the crop."""
    _send(signals.recomposition_declined, type(row), recomposition=row)


def declined_by_check(row: "Recomposition", request: "GatewayRequest") -> None:
    """Tell that nothing of what was bought is true enough to its original, and the crop stays."""
    _send(signals.recomposition_declined, type(row), recomposition=row)
    _tell(
        "not_true",
        "Declined by the check: image %(image_id)s (%(image_title)s), %(sizes)s",
        logging.WARNING,
        **_fields_of_row(row, request.image_title),
        purchase_id=request.pk,
    )


def budget_refused(limit: str, used: int, allowed: int) -> None:
    """Tell that the limit of the "day" or the "month" keeps purchases waiting."""
    _tell(
        "budget",
        "The budget of the %(limit)s is used up (%(used)s of %(allowed)s outputs): purchases wait",
        logging.WARNING,
        limit=limit,
        used=used,
        allowed=allowed,
    )


def paused(until: dt.datetime, detail: str) -> None:
    """Tell that the service has asked for a pause."""
    _tell(
        "paused",
        "The service asks for a pause: nothing is sent until %(until)s: %(detail)s",
        logging.WARNING,
        until=until.isoformat(timespec="seconds"),
        detail=detail,
    )


def circuit_opened(code: str, detail: str, next_try_at: dt.datetime) -> None:
    """Tell that nothing is sent any more, since it would come to nothing."""
    _tell(
        "stopped",
        "Nothing is sent to the service any more: %(code)s: %(detail)s One request tries again at "
        "%(next_try_at)s",
        logging.ERROR,
        code=code,
        detail=detail,
        next_try_at=next_try_at.isoformat(timespec="seconds"),
    )


def circuit_closed(code: str) -> None:
    """Tell that the service takes requests again."""
    _tell("resumed", "The service takes requests again after: %(code)s", code=code)


def buying_stopped(by: str) -> None:
    """Tell that a person has stopped all buying."""
    _tell("buying_stopped", "All buying was stopped by %(by)s", logging.WARNING, by=by)


def buying_resumed(by: str) -> None:
    """Tell that a person has let the buying go on."""
    _tell("buying_resumed", "Buying goes on, by %(by)s", by=by)


def called_off(row: "Recomposition", image: SiteImage, by: str) -> None:
    """Tell that a person has called a purchase off before it was sent."""
    _tell(
        "called_off",
        "Called off: image %(image_id)s (%(image_title)s), %(sizes)s, by %(by)s",
        **_fields_of_row(row, image.title),
        by=by,
    )
