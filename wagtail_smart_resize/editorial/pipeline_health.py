"""Messages about whether the pipeline is run and whether the service accepts its requests."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from wagtail.admin.templatetags.wagtailadmin_tags import user_display_name

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.formatting import Text, datetime_text
from wagtail_smart_resize.core.schema import former_image_table, schema
from wagtail_smart_resize.models import (
    GatewayRequest,
    ImageVersion,
    PipelineState,
    Recomposition,
    ownership,
)
from wagtail_smart_resize.purchasing import circuit, schedule
from wagtail_smart_resize.runners import modes
from wagtail_smart_resize.settings import settings

from . import failures
from .states import Tone

#: The pipeline counts as stopped if work has been due for this long without a pass.
STOPPED_AFTER = dt.timedelta(minutes=5)
#: Number of consecutive errors from which it is said that a result can't be fetched or stored.
STORING_ERRORS = 2
#: A source picture counts as left if it lies in `SOURCE_STORAGE` for so long after its request.
LEFT_AFTER = dt.timedelta(hours=1)
#: Pages not purged for so long after a flip are told of.
LATE = dt.timedelta(minutes=5)
#: A pass within this time counts as being at work.
RECENTLY = dt.timedelta(seconds=15)

_REMEDIES: dict[str, Text] = {
    "off": gettext_lazy(
        "This site leaves the work to a process of its own: start smart_resize_worker, or run "
        "smart_resize_sync from time to time."
    ),
    "tasks": gettext_lazy("The work is given to the site's task queue: start a worker for it."),
    "thread": gettext_lazy(
        "The site's own processes do the work, from their next request on. If this stays, look "
        "into their log."
    ),
}


@dataclass(frozen=True)
class Notice:
    """Something that users must know. `status` is that of a Wagtail help block."""

    status: str
    message: Text
    remedy: Text = ""
    for_operators: Text = ""
    """What those who run the site can do; "" if it is the same."""
    since: dt.datetime | None = None
    code: str = ""
    detail: str = ""
    """What the service said, or what was found, as it is stored."""


def as_json(notice: Notice) -> dict[str, str | None]:
    """Return the notice in JSON's types, with the remedy for those who run the site."""
    return {
        "level": notice.status,
        "message": str(notice.message),
        "since": notice.since.isoformat() if notice.since else None,
        "code": notice.code,
        "detail": notice.detail,
        "remedy": str(notice.for_operators or notice.remedy),
    }


@dataclass(frozen=True)
class Health:
    """The state of the pipeline in words, with notices of what needs attention."""

    label: Text
    tone: Tone
    last_pass_at: dt.datetime | None
    """Time of the last pass."""
    notices: tuple[Notice, ...]
    is_stopped_by_person: bool = False


def check() -> Health:
    """Return the state of the pipeline. Read only."""
    state = PipelineState.peek()
    now = timezone.now()
    due = schedule.next_step_at()
    label, tone = _activity(state, due, now)
    notices = (
        *_tables_notices(),
        *_stopped_notices(state, due, now),
        *_service_notices(state, now),
        *_storage_notices(),
        *_left_sources_notices(),
        *_purge_notices(now),
        *_settings_notices(),
    )
    return Health(label, tone, state.last_pass_at, notices, state.is_stopped)


def _activity(state: PipelineState, due: dt.datetime | None, now: dt.datetime) -> tuple[Text, Tone]:
    if _is_stopped(state, due, now):
        return _("Not running"), Tone.CRITICAL
    if not ownership.is_owner():
        return _("Left to another database"), Tone.NEUTRAL
    if due is None or due > now + RECENTLY:
        return _("Nothing to do"), Tone.NEUTRAL
    if state.last_pass_at and state.last_pass_at > now - RECENTLY:
        return _("Running"), Tone.POSITIVE
    return _("Starting"), Tone.NEUTRAL


def _is_stopped(state: PipelineState, due: dt.datetime | None, now: dt.datetime) -> bool:
    if not ownership.is_owner():
        return False
    late = due is not None and due < now - STOPPED_AFTER
    return late and (state.last_pass_at is None or state.last_pass_at < now - STOPPED_AFTER)


def _tables_notices() -> Iterator[Notice]:
    if not schema.is_current() and former_image_table(database.alias()):
        yield Notice(
            "critical",
            _("The site has another image model than when smart resize was set up."),
            _("The people who run the site have to run smart_resize_image_model."),
        )


def _stopped_notices(
    state: PipelineState, due: dt.datetime | None, now: dt.datetime
) -> Iterator[Notice]:
    if due is not None and _is_stopped(state, due, now):
        message = _("Nothing does the work: since %(due)s there has been something to do.")
        text = message % {"due": datetime_text(due)}
        yield Notice("critical", text, _REMEDIES[modes.mode()], since=due)


def stopped_by_person(state: PipelineState) -> Iterator[Notice]:
    """Yield the notice that a person has stopped all buying, if one has."""
    if state.buying_stopped_at is None:
        return
    by = state.buying_stopped_by
    since = datetime_text(state.buying_stopped_at)
    message = (
        _("Since %(since)s nothing is bought: %(user)s has stopped it.")
        % {"since": since, "user": user_display_name(by)}
        if by
        else _("Since %(since)s nothing is bought: it was stopped on the command line.")
        % {"since": since}
    )
    yield Notice(
        "warning",
        message,
        _("Whoever may approve versions lets it go on, under Reports, Smart resize."),
        since=state.buying_stopped_at,
        code="stopped",
    )


def _service_notices(state: PipelineState, now: dt.datetime) -> Iterator[Notice]:
    yield from stopped_by_person(state)
    if state.circuit_opened_at:
        failure = failures.describe_circuit(state.circuit_code)
        message = _("Since %(since)s nothing has been sent to the service: %(why)s") % {
            "since": datetime_text(state.circuit_opened_at),
            "why": failure.message,
        }
        yield Notice(
            "critical",
            f"{message} {_next_try(state)}",
            failure.remedy,
            failure.for_operators,
            state.circuit_opened_at,
            state.circuit_code,
            state.circuit_detail,
        )
    elif len(state.failed_images) > 1 and state.failing_since:
        message = _("Since %(since)s the purchases of %(count)d images in a row have failed.")
        yield Notice(
            "warning",
            message
            % {
                "count": len(state.failed_images),
                "since": datetime_text(state.failing_since),
            },
            _("The service's reasons are on the images' screens."),
            since=state.failing_since,
            code=circuit.FAILING,
        )
    if state.paused_until and state.paused_until > now:
        message = _("The service asked for a pause: new requests are sent from %(until)s on.")
        yield Notice("info", message % {"until": datetime_text(state.paused_until)})


def _storage_notices() -> Iterator[Notice]:
    """Yield notices of pictures that the site's own storage does not give or take."""
    waiting = Recomposition.objects.wanted().filter(failure_code="storage").order_by("-pk")
    if row := waiting.first():
        yield Notice(
            "warning",
            _("The site's storage does not give the files of some images."),
            _("It is tried again by itself. If it lasts, tell the people who run the site."),
            _("Look at the storage of images, and at the log."),
            code="storage",
            detail=row.failure_detail,
        )
    fetching = GatewayRequest.objects.filter(status=GatewayRequest.Status.FETCHING)
    if fetching.filter(consecutive_errors__gte=STORING_ERRORS).exists():
        yield Notice(
            "warning",
            _("AI versions that are paid for can't be fetched or stored so far."),
            _("It is tried again by itself. If it lasts, tell the people who run the site."),
            _("Look at the storage of candidates, at the way to the service, and at the log."),
            code="fetching",
        )


def _left_sources_notices() -> Iterator[Notice]:
    """Yield a notice of source pictures that the repair could not delete, either."""
    long_ago = timezone.now() - LEFT_AFTER
    if not GatewayRequest.objects.with_source_file().filter(finished_at__lt=long_ago).exists():
        return
    yield Notice(
        "warning",
        _("Pictures that were sent to the service can't be deleted from SOURCE_STORAGE so far."),
        _("It is tried again by itself. If it lasts, tell the people who run the site."),
        _("Look at SOURCE_STORAGE, at what its keys may delete, and at the log."),
        code="source_storage",
    )


def _purge_notices(now: dt.datetime) -> Iterator[Notice]:
    """Yield a notice of pages that the front-end cache still has though a flip was long ago."""
    late = ImageVersion.objects.filter(purge_due_at__isnull=False, published_at__lt=now - LATE)
    since = late.order_by("published_at").values_list("published_at", flat=True).first()
    if since is not None:
        message = _("Since %(since)s the site's front-end cache has not let pages be purged.")
        yield Notice(
            "warning",
            message % {"since": datetime_text(since)},
            _("Visitors may see the former picture there. It is tried again every minute."),
            _("Look at WAGTAILFRONTENDCACHE, at the cache's answers in the log, and at the cache."),
            since,
            "purge",
        )


def _next_try(state: PipelineState) -> Text:
    """Return when an open circuit tries again; only a request that waits can be the probe."""
    at = next_try(state)
    if at is None:
        return _("Nothing waits to be sent: the next request is the next try.")
    return _("At %(at)s one request tries again.") % {"at": datetime_text(at)}


def next_try(state: PipelineState) -> dt.datetime | None:
    """Return when an open circuit lets a request through; None if nothing waits to be sent."""
    return state.probe_at if schedule.something_waits() else None


def _settings_notices() -> Iterator[Notice]:
    if not ownership.is_owner():
        yield Notice(
            "info",
            _(
                "This site works on a copy: here nothing is bought, published or deleted. "
                "The setting OWNER_DATABASE says so."
            ),
        )
    if not settings.API_KEY:
        message = _("The site has no API key: no AI versions can be made.")
        yield Notice("warning", message, code="no_key")
    elif not settings.AUTO_GENERATE:
        message = _("Nothing is made by itself here: only what editors ask for.")
        yield Notice("info", message)
