"""The fault matrix: one row for each fault at each step, and its outcome.

A page shows a picture in two shapes; both are wanted, and asked for with one POST. Then something
goes wrong. A row says how things stand right after the fault has struck, once it is over, and if it
goes on for a day. `docs/evidence/reliability.md` holds this table.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from . import fault_injection
from .fault_injection import Injection


class Step(StrEnum):
    SUBMIT = "The submission"
    STATUS = "The question how far it is"
    JOB = "What the service makes of it"
    DOWNLOAD = "The download of a result"
    SOURCE = "The picture's own address"
    STORAGE = "The site's storage"
    DATABASE = "The site's database"


class Reads(StrEnum):
    """What the tile on the image's screen says: the label of the state, and the sentence with it.

    One without a label is a sentence alone.
    """

    NOTHING = ""
    QUEUED = "Next in line."
    SENDING = "Being sent."
    OURS = "Waits: The site could not go on with it just now. It is tried again by itself."
    AWAY = "Waits: The service can't be reached. It is tried again by itself."
    PAUSE = "Waits: The service asked for a pause. It is sent after that."
    IN_TROUBLE = "Waits: The service says that it is out of order. It is tried again by itself."
    NO_STORAGE = (
        "Waits: The site's storage did not give the image's file. It is tried again by itself."
    )
    BAD_FILE = "Waits: The image's file can't be read. It is tried again by itself."
    STOPPED_AWAY = "Waits: Nothing is sent to the service for now: The service can't be reached."
    STOPPED_KEY = (
        "Waits: Nothing is sent to the service for now: The service does not accept the site's key."
    )
    STOPPED_BALANCE = (
        "Waits: Nothing is sent to the service for now: The balance of the site's account with "
        "the service is used up."
    )
    STOPPED_FORBIDDEN = (
        "Waits: Nothing is sent to the service for now: The service forbids this to the site's key."
    )
    STOPPED_ADDRESS = (
        "Waits: Nothing is sent to the service for now: There is nothing that makes AI versions at "
        "the service's address."
    )
    STOPPED_CLOSED = (
        "Waits: Nothing is sent to the service for now: The service could not get the image "
        "from this site."
    )
    WORKING = "The service is at work."
    FETCHING = "The AI versions are there and are being stored."
    NOT_FETCHED = (
        "The AI versions can't be fetched from the service for now. It is tried again by itself."
    )
    NOT_STORED = (
        "The site's storage or database has not taken the AI versions so far. It is tried again by "
        "itself."
    )
    PUBLISHING = (
        "Being published AI version 1: The site could not publish it so far, and visitors see what "
        "they saw before. It is tried again by itself."
    )
    LIVE = "AI version 1"
    READY = "1 version: Compare"
    UNKNOWN = "Outcome unknown: nobody knows whether it was made and charged."
    REFUSED = "Failed: The service refused the image or the prompt."
    TOO_LARGE = "Failed: The image or the prompt is too large for the service."
    TROUBLE = "Failed: The service had a problem of its own."
    LATE = "Failed: The service did not finish in time."
    GAVE_UP = "Failed: The service could not make the AI version."
    EMPTY = "Failed: The service said that it was done, but sent no AI version."
    MISSING = "Failed: The service sent no AI version for this place."
    LOST = "Failed: The AI version was made, but could not be fetched from the service."
    UNUSABLE = "Failed: What the service sent could not be used as a picture."
    NO_FILE = "Failed: The image's file can't be read."


@dataclass(frozen=True)
class Outcome:
    """The state of a shape. Visitors see its crop unless `live`."""

    purchase: str
    """The recomposition's `purchase`; "" where there is none yet."""
    reads: Reads
    posts: int | None = 1
    """Submissions that the gateway has received; None where each try is one more."""
    code: str = ""
    """The failure code, or the reason for waiting."""
    charged: str = "no"
    circuit: str = ""
    """The code under which the circuit is open."""
    may_recheck: bool = False
    """True where the screen offers to ask the service once more."""
    live: bool = False

    @property
    def group(self) -> str:
        """Return the heading under which the screen shows it."""
        if self.live:
            return "Fine"
        needs_somebody = self.purchase == "failed" or self.reads is Reads.READY
        return "To decide" if needs_somebody else "Under way"


@dataclass(frozen=True)
class Row:
    step: Step
    fault: str
    inject: Injection
    at_first: Outcome
    over: Outcome | None = None
    """The outcome once the fault is over; None: as `at_first`."""
    lasting: Outcome | None = None
    """The outcome if the fault lasts; None: as `at_first`, or it can't last."""
    second: Outcome | None = None
    """The second shape's outcome, where it differs from the first's."""

    def __str__(self) -> str:
        return f"{self.step.name.lower()}: {self.fault}"


def _outcome(purchase: str, reads: Reads, **about: object) -> Outcome:
    return Outcome(purchase, reads, **about)  # type: ignore[arg-type]


NOT_NOTED = _outcome("", Reads.NOTHING, posts=0)
LIVE = _outcome("idle", Reads.LIVE, charged="yes", live=True)
SECOND_TRY_LIVE = replace(LIVE, posts=2)
READY = _outcome("idle", Reads.READY, charged="yes")
UNKNOWN = _outcome("failed", Reads.UNKNOWN, code="unknown", charged="unknown")
UNKNOWN_WITH_ID = replace(UNKNOWN, may_recheck=True)
SENDING = _outcome("requested", Reads.SENDING)
WORKING = _outcome("requested", Reads.WORKING, charged="yes")
FETCHING = _outcome("requested", Reads.FETCHING, charged="yes")
NOT_FETCHED = _outcome("requested", Reads.NOT_FETCHED, charged="yes")
NOT_STORED = _outcome("requested", Reads.NOT_STORED, charged="yes")
PUBLISHING = _outcome("idle", Reads.PUBLISHING, charged="yes")
HELD = _outcome("requested", Reads.OURS, posts=0)
LATE = _outcome("failed", Reads.LATE, code="deadline", charged="unknown", may_recheck=True)


def queued(posts: int | None) -> Outcome:
    return _outcome("wanted", Reads.QUEUED, posts=posts)


def waiting(reads: Reads, posts: int | None = 0, code: str = "") -> Outcome:
    """Return the outcome of a shape that is wanted and tried again automatically."""
    return _outcome("wanted", reads, posts=posts, code=code)


def stopped(circuit: str, reads: Reads, posts: int | None = 0) -> Outcome:
    """Return the outcome with an open circuit: nothing is sent but a try from time to time."""
    return _outcome("wanted", reads, posts=posts, code="circuit_open", circuit=circuit)


def failed(code: str, reads: Reads, posts: int = 1, circuit: str = "") -> Outcome:
    """Return the outcome of a failure that was not charged."""
    return _outcome("failed", reads, posts=posts, code=code, circuit=circuit)


def paid(code: str, reads: Reads, charged: str = "yes") -> Outcome:
    """Return the outcome of a failure after the purchase; the service can be asked again."""
    return _outcome("failed", reads, code=code, charged=charged, may_recheck=code != "failed")


def _submit() -> Iterable[Row]:
    def row(fault: str, injection: Injection, *outcomes: Outcome | None) -> Row:
        return Row(Step.SUBMIT, fault, injection, *outcomes)  # type: ignore[arg-type]

    def word(name: str) -> Injection:
        return fault_injection.answer(name, "submit")

    for fault, injection, circuit in (
        ("connection refused", fault_injection.away("submit"), "refused"),
        ("no secure connection", fault_injection.no_tls, "tls"),
    ):
        lasting = stopped(circuit, Reads.STOPPED_AWAY)
        yield row(fault, injection, waiting(Reads.AWAY), LIVE, lasting)
    for code in (400, 408, 409, 414, 422):
        yield row(f"HTTP {code}", word(f"{code}"), failed(f"http_{code}", Reads.REFUSED))
    yield row("HTTP 413", word("413"), failed("http_413", Reads.TOO_LARGE))
    for code, reads in (
        (401, Reads.STOPPED_KEY),
        (402, Reads.STOPPED_BALANCE),
        (403, Reads.STOPPED_FORBIDDEN),
        (404, Reads.STOPPED_ADDRESS),
        (405, Reads.STOPPED_ADDRESS),
        (410, Reads.STOPPED_ADDRESS),
    ):
        circuit = f"http_{code}"
        yield row(
            f"HTTP {code}",
            word(f"{code}"),
            stopped(circuit, reads, posts=1),
            SECOND_TRY_LIVE,
            stopped(circuit, reads, posts=None),
        )
    for fault, name in (
        ("HTTP 429", "429"),
        ("HTTP 429 with Retry-After in seconds", "429-seconds"),
        ("HTTP 429 with Retry-After as a date", "429-date"),
    ):
        pause, lasting = waiting(Reads.PAUSE, 1), waiting(Reads.PAUSE, None)
        yield row(fault, word(name), pause, SECOND_TRY_LIVE, lasting)
    for code in (500, 503):
        lasting = failed(f"http_{code}", Reads.TROUBLE, posts=8, circuit=f"http_{code}")
        at_first = waiting(Reads.IN_TROUBLE, 1)
        yield row(f"HTTP {code}", word(f"{code}"), at_first, SECOND_TRY_LIVE, lasting)
    for fault, injection in (
        ("HTTP 500 with a page of HTML", word("500-html")),
        ("HTTP 502", word("502")),
        ("HTTP 503 with a page of HTML", word("503-html")),
        ("HTTP 504", word("504")),
        ("connection reset", word("reset")),
        ("no answer", fault_injection.with_short_timeouts(word("hang"))),
        ("an answer byte by byte", fault_injection.with_short_timeouts(word("trickle"))),
        ("headers byte by byte", fault_injection.with_short_timeouts(word("trickle-head"))),
        ("a page of HTML with status 200", word("html")),
        ("wrong types", word("wrong-types")),
        ("an answer of 200 MB", word("huge")),
        ("a redirect", word("redirect")),
        ("a redirect to a private address", word("redirect-private")),
    ):
        yield row(fault, injection, UNKNOWN)
    for fault, name in (
        ("half of the JSON", "half-json"),
        ("the connection ends in the answer", "broken-off"),
        ("an unknown status", "unknown-status"),
    ):
        yield row(fault, word(name), UNKNOWN_WITH_ID)
    yield row("a late answer", word("slow"), WORKING, LIVE)


def _status() -> Iterable[Row]:
    def word(name: str) -> Injection:
        return fault_injection.answer(name, "status")

    codes = (400, 401, 402, 403, 404, 405, 410, 413, 414, 422, 429, 500, 502, 503, 504)
    for fault, injection in (
        ("connection refused", fault_injection.away("status")),
        *((f"HTTP {code}", word(f"{code}")) for code in codes),
        ("HTTP 429 with Retry-After in seconds", word("429-seconds")),
        ("HTTP 429 with Retry-After as a date", word("429-date")),
        ("connection reset", word("reset")),
        ("no answer", fault_injection.with_short_timeouts(word("hang"))),
        ("an answer byte by byte", fault_injection.with_short_timeouts(word("trickle"))),
        ("headers byte by byte", fault_injection.with_short_timeouts(word("trickle-head"))),
        ("the connection ends in the answer", word("broken-off")),
        ("a page of HTML with status 200", word("html")),
        ("half of the JSON", word("half-json")),
        ("wrong types", word("wrong-types")),
        ("an unknown status", word("unknown-status")),
        ("an answer of 200 MB", word("huge")),
        ("a redirect", word("redirect")),
        ("a redirect to a private address", word("redirect-private")),
    ):
        yield Row(Step.STATUS, fault, injection, WORKING, LIVE, LATE)


def _job() -> Iterable[Row]:
    def row(
        fault: str,
        name: str,
        at_first: Outcome,
        over: Outcome | None = None,
        lasting: Outcome | None = None,
        second: Outcome | None = None,
    ) -> Row:
        return Row(Step.JOB, fault, fault_injection.job(name), at_first, over, lasting, second)

    missing = paid("missing", Reads.MISSING)
    yield row("it never ends", "never", WORKING, LATE)
    yield row("FAILED", "FAILED", paid("failed", Reads.GAVE_UP, charged="unknown"))
    given_up = failed("error", Reads.TROUBLE, posts=8)
    yield row("ERROR", "ERROR", waiting(Reads.IN_TROUBLE, 1), SECOND_TRY_LIVE, given_up)
    yield row("no picture", "empty", paid("empty", Reads.EMPTY, charged="unknown"))
    yield row("a picture too few", "fewer", LIVE, second=missing)
    yield row("one address instead of a list", "string-media-url", LIVE, second=missing)
    yield row("a picture too many", "more", LIVE)
    yield row("the pictures in another order", "reversed", LIVE)
    yield row("pictures without sizes in their names", "unnamed", LIVE)
    yield row("the pictures in the first answer", "immediate", LIVE)
    yield row("pictures of another shape", "off-size", READY)
    yield row("pictures of the engine's shape, uncut", "preset", LIVE)
    yield row("pictures with too few pixels", "small", READY)
    forbidden = paid("forbidden_address", Reads.LOST)
    yield row("results at a private address", "private-url", forbidden)


def _download() -> Iterable[Row]:
    def word(name: str) -> Injection:
        return fault_injection.answer(name, "download")

    codes = (400, 401, 402, 403, 404, 410, 413, 414, 422, 429, 500, 502, 503, 504)
    for fault, injection, code, reads in (
        ("connection refused", fault_injection.away("download"), "connection", Reads.LOST),
        *((f"HTTP {code}", word(f"{code}"), f"result_{code}", Reads.LOST) for code in codes),
        (
            "HTTP 429 with Retry-After in seconds",
            word("429-seconds"),
            "result_429",
            Reads.LOST,
        ),
        ("HTTP 429 with Retry-After as a date", word("429-date"), "result_429", Reads.LOST),
        ("the address has expired", word("expired"), "result_404", Reads.LOST),
        ("connection reset", word("reset"), "connection", Reads.LOST),
        ("no answer", fault_injection.with_short_timeouts(word("hang")), "timeout", Reads.LOST),
        (
            "a file byte by byte",
            fault_injection.with_short_timeouts(word("trickle")),
            "timeout",
            Reads.LOST,
        ),
        (
            "headers byte by byte",
            fault_injection.with_short_timeouts(word("trickle-head")),
            "timeout",
            Reads.LOST,
        ),
        ("the connection ends in the file", word("broken-off"), "connection", Reads.LOST),
        ("a redirect to nothing", word("redirect"), "result_404", Reads.LOST),
        ("a page of HTML with status 200", word("html"), "not_a_picture", Reads.UNUSABLE),
        ("half of the file", word("truncated"), "truncated", Reads.UNUSABLE),
    ):
        yield Row(Step.DOWNLOAD, fault, injection, NOT_FETCHED, LIVE, paid(code, reads))
    for fault, name, code, reads in (
        ("a redirect to a private address", "redirect-private", "forbidden_address", Reads.LOST),
        ("no picture but text", "not-an-image", "not_a_picture", Reads.UNUSABLE),
        ("an SVG", "svg", "not_a_picture", Reads.UNUSABLE),
        ("a small file of 400 million pixels", "bomb", "too_many_pixels", Reads.UNUSABLE),
        ("a file of 200 MB", "huge", "too_large", Reads.UNUSABLE),
    ):
        yield Row(Step.DOWNLOAD, fault, word(name), paid(code, reads))


def _source() -> Iterable[Row]:
    for fault, injection, circuit in (
        ("HTTP 401", fault_injection.closed_site(401), "source_401"),
        ("HTTP 403", fault_injection.closed_site(403), "source_403"),
        ("HTTP 404", fault_injection.closed_site(404), "source_404"),
        ("HTTP 503", fault_injection.closed_site(503), "source_503"),
        ("a page of HTML with status 200", fault_injection.closed_site(200), "source_html"),
        ("a redirect without end", fault_injection.closed_site(302), "source_redirects"),
    ):
        closed = stopped(circuit, Reads.STOPPED_CLOSED)
        yield Row(Step.SOURCE, fault, injection, closed, LIVE, closed)
    # The site may be unable to reach itself by its public name; so that proves nothing, and it is
    # sent.
    gave_up = paid("failed", Reads.GAVE_UP, charged="unknown")
    yield Row(Step.SOURCE, "connection refused", fault_injection.site_away, gave_up)
    yield Row(Step.SOURCE, "no answer", fault_injection.silent_site, gave_up)


def _storage() -> Iterable[Row]:
    def row(fault: str, injection: Injection, *outcomes: Outcome) -> Row:
        return Row(Step.STORAGE, fault, injection, *outcomes)

    for fault, injection in (
        ("a result can't be saved", fault_injection.no_save),
        ("the disk is full when a result is saved", fault_injection.disk_full),
    ):
        yield row(fault, injection, NOT_STORED, LIVE, NOT_STORED)
    yield row("files can't be deleted", fault_injection.no_delete, LIVE)
    full = fault_injection.disk_full_for_renditions
    yield row("the disk is full when renditions are made", full, PUBLISHING, LIVE, PUBLISHING)
    yield row(
        "a result can't be read any more", fault_injection.no_read, PUBLISHING, LIVE, PUBLISHING
    )
    down = waiting(Reads.NO_STORAGE, code="storage")
    yield row("the image's file can't be read", fault_injection.no_source, down, LIVE, down)
    for fault, injection, code in (
        ("the image's file is missing", fault_injection.source_missing, "file_missing"),
        ("the image's file is damaged", fault_injection.source_damaged, "unreadable"),
    ):
        lasting = failed(code, Reads.NO_FILE, posts=0)
        yield row(fault, injection, waiting(Reads.BAD_FILE, code=code), LIVE, lasting)


def _database() -> Iterable[Row]:
    """Yield the rows in which the database fails for a while, for all statements or some."""

    def gone(kind: str, since: str = "wanted", times: int | None = None) -> Injection:
        return fault_injection.database(kind.replace("OUR_", "wagtail_smart_resize_"), since, times)

    to_request = "UPDATE.*OUR_gatewayrequest"
    marking = "OUR_gatewayrequest. SET .status. = \\S+ .sent_at"
    going_live = "UPDATE.*OUR_recomposition.*live"
    ours = waiting(Reads.OURS)
    for fault, injection, at_first, over in (
        ("every table of this app, from the first view on", gone("OUR_", "view"), NOT_NOTED, LIVE),
        ("what is live", gone("SELECT.*OUR_imageversion"), queued(0), LIVE),
        ("what is wanted", gone("INSERT.*OUR_recomposition", "view"), NOT_NOTED, LIVE),
        ("the state of the pipeline", gone("OUR_pipelinestate"), queued(0), LIVE),
        ("the budget", gone("UPDATE.*OUR_budgetperiod"), ours, LIVE),
        ("writing the request", gone("INSERT.*OUR_gatewayrequest"), ours, LIVE),
        ("taking a request on", gone("OUR_gatewayrequest. SET .lease"), WORKING, LIVE),
        ("that a request is being sent", gone(marking), HELD, LIVE),
        ("the answer, for a moment", gone(to_request, "sent", times=3), WORKING, LIVE),
        ("the answer, for a minute", gone(to_request, "sent"), SENDING, UNKNOWN),
        ("every table, once it is sent", gone("OUR_", "sent"), SENDING, UNKNOWN),
        ("the answer about its status", gone(to_request, "asked"), WORKING, LIVE),
        ("the row of a result", gone("INSERT.*OUR_candidate"), NOT_STORED, LIVE),
        ("that a result is stored", gone("UPDATE.*OUR_candidate"), NOT_STORED, LIVE),
        ("that a result goes live", gone(going_live, "asked"), NOT_STORED, LIVE),
        ("publishing it", gone("UPDATE.*OUR_publicationcounter"), PUBLISHING, LIVE),
        ("every table, while results are fetched", gone("OUR_", "fetched"), FETCHING, LIVE),
    ):
        yield Row(Step.DATABASE, fault, injection, at_first, over)


MATRIX: tuple[Row, ...] = (
    *_submit(),
    *_status(),
    *_job(),
    *_download(),
    *_source(),
    *_storage(),
    *_database(),
)
