"""The circuit: while it is open, nothing is sent but a probe now and then.

It opens at once where every other request would fail as well, such as for a wrong key; after some
outages in a row; and after some failures in a row of different images.
"""

import datetime as dt

from django.utils import timezone
from django.utils.crypto import salted_hmac

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.exceptions import GatewayError
from wagtail_smart_resize.models import GatewayRequest, PipelineState
from wagtail_smart_resize.settings import settings

#: Number of consecutive submissions, to an unreachable gateway or one that is out of order, that
#: open the circuit.
MAX_OUTAGES = 5
#: Time between two probes of an open circuit.
PROBE_INTERVAL = dt.timedelta(minutes=5)
#: Seconds until the first probe after failures in a row. Each may be charged, so with each that
#: fails as well the wait doubles, up to the second number.
FIRST_FAILURE_PROBE_SECONDS, LAST_FAILURE_PROBE_SECONDS = 900.0, 14_400.0

#: Codes of a circuit that failures in a row have opened: the service has fetched no picture from
#: the site, or it fails all the same.
FAILURE_CODES = NOT_FETCHED, FAILING = "not_fetched", "failing"


def trip(state: PipelineState, code: str, detail: str) -> dt.datetime:
    """Open the circuit, or note another cause on the open one; return when the next probe is."""
    probe_at = timezone.now() + probe_interval(state, code)
    state.open_circuit(code, detail, probe_at, settings_digest())
    return probe_at


def settings_digest() -> str:
    """Return a digest of the settings by which the gateway takes or refuses what is sent."""
    told = (settings.API_KEY, settings.BASE_URL, settings.source_place)
    digest = salted_hmac("wagtail_smart_resize.circuit", "\n".join(told), algorithm="sha256")
    return digest.hexdigest()[:16]


def probe_interval(state: PipelineState, code: str) -> dt.timedelta:
    """Return the time until the next probe of a circuit that is open for the reason `code`."""
    if code not in FAILURE_CODES:
        return PROBE_INTERVAL
    beyond = len(state.failed_images) - (settings.STOP_AFTER_FAILURES or 0)
    return clock.backoff(
        beyond + 1, first=FIRST_FAILURE_PROBE_SECONDS, most=LAST_FAILURE_PROBE_SECONDS
    )


def note_outage(error: GatewayError) -> PipelineState:
    """Count a submission that found the gateway out of order; return the state after it.

    Too many in a row open the circuit.
    """
    state = PipelineState.get_current()
    if state.count_outage() >= MAX_OUTAGES:
        trip(state, error.code, error.detail)
    return state


def note_accepted(before: PipelineState) -> None:
    """Note that the gateway has taken a request: it is in order, and takes the site's key.

    `before`: the state before it was sent. Whether its pictures are of any use is not said:
    failures in a row keep the circuit open.
    """
    if not (before.circuit_open or before.consecutive_outages):
        return
    state = PipelineState.get_current()
    if state.circuit_code in FAILURE_CODES:
        state.update_if(where={}, consecutive_outages=0)
    elif state.circuit_open or state.consecutive_outages:
        state.close_circuit()


def note_failure(request: GatewayRequest, detail: str) -> None:
    """Count a purchase that came to nothing. Too many images in a row open the circuit.

    `detail`: what the service said, or what was wrong with what it sent.
    """
    limit = settings.STOP_AFTER_FAILURES
    if request.image_id is None or limit is None:
        return
    state = PipelineState.get_current()
    if state.count_failure(request.image_id) >= limit:
        trip(state, FAILING if _are_fetched(state) else NOT_FETCHED, detail)


def note_success() -> None:
    """Note that a purchase has brought a picture: no failures are in a row any more."""
    state = PipelineState.get_current()
    if state.circuit_code in FAILURE_CODES:
        state.close_circuit()
    if state.failed_images:
        state.forget_failures()


def _are_fetched(state: PipelineState) -> bool:
    """Return whether the service fetched any picture that it failed on, or may have done so.

    What it fetches from `SOURCE_STORAGE`, nobody tells the site.
    """
    if settings.SOURCE_STORAGE:
        return True
    # The first was finished a moment before it was counted.
    since = (state.failing_since or timezone.now()) - dt.timedelta(minutes=1)
    failed = GatewayRequest.objects.filter(image_id__in=state.failed_images, finished_at__gte=since)
    accepted = failed.exclude(request_id="")
    return not accepted.exists() or accepted.exclude(source_fetched_at=None).exists()
