"""The words for faults that can be requested, and the record of those that were.

A fault is requested in a prompt (``sandbox:WORD``), by a command option or by
``SandboxGateway.misbehave``, always in the form ``WORD[@STEP][:COUNT]``.
"""

import re
import threading
from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """Where a fault occurs: in an answer, or in the whole job from its acceptance on."""

    SUBMIT = "submit"
    STATUS = "status"
    DOWNLOAD = "download"
    JOB = "job"


@dataclass(frozen=True)
class Word:
    """One kind of fault. Its first step is the default."""

    name: str
    steps: tuple[Step, ...]
    meaning: str


ANSWERS = (Step.SUBMIT, Step.STATUS, Step.DOWNLOAD)
SPOKEN = (Step.SUBMIT, Step.STATUS)
STATUS = (Step.STATUS, Step.SUBMIT)
PICTURE = (Step.DOWNLOAD,)
JOB = (Step.JOB,)

# The gateway's own refusals have the documented body; those of proxies in front of it are HTML.
JSON_CODES = (400, 401, 402, 403, 404, 405, 408, 409, 410, 413, 414, 422, 429, 500, 503)
HTML_CODES = (502, 504)

_WORDS = (
    *(Word(str(c), ANSWERS, f"HTTP {c} with the documented body") for c in JSON_CODES),
    *(Word(str(c), ANSWERS, f"HTTP {c} with a page of HTML") for c in HTML_CODES),
    Word("429-seconds", ANSWERS, "HTTP 429 with `Retry-After: 2`"),
    Word("429-date", ANSWERS, "HTTP 429 with `Retry-After` as a date"),
    Word("500-html", ANSWERS, "HTTP 500 with a page of HTML"),
    Word("503-html", ANSWERS, "HTTP 503 with a page of HTML"),
    Word("slow", ANSWERS, "the right answer, late"),
    Word("hang", ANSWERS, "no answer"),
    Word("trickle", ANSWERS, "the right answer, body byte by byte"),
    Word("trickle-head", ANSWERS, "the right answer, all byte by byte"),
    Word("reset", ANSWERS, "a reset instead of an answer"),
    Word("broken-off", ANSWERS, "the connection ends within the body"),
    Word("huge", ANSWERS, "a body of 200 MB"),
    Word("html", ANSWERS, "HTTP 200 with a page of HTML"),
    Word("redirect", ANSWERS, "a redirect within the sandbox"),
    Word("redirect-private", ANSWERS, "a redirect to a link-local address"),
    Word("half-json", SPOKEN, "half an answer"),
    Word("wrong-types", STATUS, "values of wrong types"),
    Word("unknown-status", STATUS, "an undocumented status"),
    Word("immediate", JOB, "pictures in the first answer"),
    Word("never", JOB, "no end"),
    Word("FAILED", JOB, "the status FAILED"),
    Word("ERROR", JOB, "the status ERROR"),
    Word("empty", JOB, "no picture"),
    Word("fewer", JOB, "a picture too few"),
    Word("more", JOB, "a picture too many"),
    Word("reversed", JOB, "reverse order"),
    Word("unnamed", JOB, "no sizes in the file names"),
    Word("preset", JOB, "the engine's shape, uncut"),
    Word("off-size", JOB, "another shape"),
    Word("small", JOB, "half the size"),
    Word("mirrored", JOB, "mirrored"),
    Word("unfaithful", JOB, "something else in the middle"),
    Word("garbled", JOB, "garbled lettering and faces"),
    Word("string-media-url", JOB, "`media_url` as a text"),
    Word("private-url", JOB, "a link-local address"),
    Word("truncated", PICTURE, "half a file"),
    Word("not-an-image", PICTURE, "text"),
    Word("svg", PICTURE, "an SVG"),
    Word("bomb", PICTURE, "a small PNG of 400 million pixels"),
    Word("expired", PICTURE, "HTTP 404"),
)
WORDS = {word.name.lower(): word for word in _WORDS}

_FAULT_FORM = r"([A-Za-z0-9-]*[A-Za-z0-9])(?:@([a-z]+))?(?::(\d+))?"
_IN_PROMPT = re.compile(rf"\bsandbox:{_FAULT_FORM}", re.IGNORECASE)


@dataclass
class Fault:
    """A requested fault of one word at one step. ``times`` counts down; None means always."""

    word: str
    step: Step
    times: int | None = None


def make_fault(word: str, *, times: int | None = None, where: str | None = None) -> Fault:
    """Return a fault. Raises ValueError for an unknown word or step, and lists the known ones."""
    known = WORDS.get(word.lower())
    if known is None:
        raise ValueError(f'There is no "{word}": choose from {", ".join(w.name for w in _WORDS)}.')
    if where is not None and where not in known.steps:
        raise ValueError(f'"{known.name}" goes at {" or ".join(known.steps)}, not at "{where}".')
    return Fault(known.name, Step(where) if where else known.steps[0], times)


def read_fault(text: str) -> Fault:
    """Return the fault for ``WORD[@STEP][:COUNT]``. Raises ValueError."""
    match = re.fullmatch(_FAULT_FORM, text)
    if match is None:
        raise ValueError(
            f'"{text}" is not WORD[@STEP][:COUNT], such as 500, 500@status or reset:2.'
        )
    return _fault(match)


def _fault(match: re.Match[str]) -> Fault:
    word, where, times = match.groups()
    return make_fault(word, where=where, times=int(times) if times else None)


class Faults:
    """Requested faults that are not used up yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._standing: list[Fault] = []
        self._by_prompt: dict[str, list[Fault]] = {}

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._standing.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._standing.clear()
            self._by_prompt.clear()

    def take(self, step: Step, prompt: str) -> str:
        """Return the word for the next answer at this step, or "", and count it down."""
        with self._lock:
            return next((_use(fault) for fault in self._due(step, prompt)), "")

    def take_all(self, step: Step, prompt: str) -> frozenset[str]:
        """Return all words that apply, counted down: a job can go wrong in several ways at once."""
        with self._lock:
            return frozenset(_use(fault) for fault in self._due(step, prompt))

    def read_prompt(self, prompt: str) -> None:
        """Record the faults in a prompt. Requests with the same prompt share their counts.

        Raises ValueError for an unknown word.
        """
        if faults := [_fault(match) for match in _IN_PROMPT.finditer(prompt)]:
            with self._lock:
                self._by_prompt.setdefault(prompt, faults)

    def _due(self, step: Step, prompt: str) -> list[Fault]:
        asked_for = [*self._by_prompt.get(prompt, ()), *self._standing]
        return [fault for fault in asked_for if fault.step == step and fault.times != 0]


def _use(fault: Fault) -> str:
    if fault.times is not None:
        fault.times -= 1
    return fault.word
