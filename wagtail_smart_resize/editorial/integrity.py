"""What a check of a result has found, in words and sentences for people."""

from enum import StrEnum
from typing import Any

from django.db.models import Exists, FloatField, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from wagtail_smart_resize.integrity.report import Measures, Reason, Report
from wagtail_smart_resize.models import Candidate


class Verdict(StrEnum):
    """What came of the check of a version."""

    DIFFERS = "differs"
    PASSED = "passed"
    UNCHECKED = "unchecked"

    @classmethod
    def of(cls, candidate: Candidate) -> "Verdict":
        return {True: cls.PASSED, False: cls.DIFFERS, None: cls.UNCHECKED}[candidate.passed]

    @property
    def passed(self) -> bool | None:
        """Return the value of `Candidate.passed` that it stands for."""
        return {self.PASSED: True, self.DIFFERS: False, self.UNCHECKED: None}[self]

    @property
    def label(self) -> Promise:
        return _LABELS[self]

    @property
    def tone(self) -> str:
        """Return its colour: `smart-resize-status--<tone>` in the stylesheet."""
        return _TONES[self]


_LABELS = {
    Verdict.DIFFERS: gettext_lazy("Differs from the original"),
    Verdict.PASSED: gettext_lazy("True to the original"),
    Verdict.UNCHECKED: gettext_lazy("Not checked"),
}
_TONES = {
    Verdict.DIFFERS: "warning",
    Verdict.PASSED: "positive",
    Verdict.UNCHECKED: "neutral",
}
CHOICES = [(verdict.value, verdict.label) for verdict in Verdict]


def with_verdict(verdict: str) -> Q:
    """Return the condition on recompositions that have a version with this verdict."""
    stored = Candidate.objects.filter(recomposition=OuterRef("pk"), stored=True)
    return Q(Exists(stored.filter(passed=Verdict(verdict).passed)))


def least_score() -> Any:
    """Return an expression for the least score of a recomposition's versions, 0 to 1.

    A recomposition of which nothing was checked comes last.
    """
    scored = Candidate.objects.filter(recomposition=OuterRef("pk"), stored=True)
    least = scored.filter(score__isnull=False).order_by("score").values("score")[:1]
    return Coalesce(Subquery(least), Value(2.0), output_field=FloatField())


def sentences(report: Report) -> list[str]:
    """Return what was found, in the reader's language: one sentence for each reason."""
    if report.passed:
        return [_passed(len(report.measures.changed))]
    return [_sentence(reason, report.measures) for reason in report.reasons]


def _passed(parts: int) -> str:
    if not parts:
        return _("Nothing that was compared looks different.")
    return ngettext("Only a small part looks different.", "Only small parts look different.", parts)


def _sentence(reason: Reason, measures: Measures) -> str:
    if reason == Reason.NOT_FOUND:
        return _(
            "The original was not found in it: it may be another picture, or one that was turned "
            "or moved."
        )
    if reason == Reason.MIRRORED:
        return _("It is mirrored.")
    if reason == Reason.STRETCHED:
        return _("It is stretched by %(percent)d %%.") % {"percent": _over(measures.stretch)}
    if reason == Reason.CUT_OFF:
        return _cut_off(measures)
    if reason == Reason.SUBJECT_CHANGED and measures.subject_mirrored:
        return _("The focal area is mirrored in its place.")
    if reason == Reason.SUBJECT_CHANGED:
        percent = round(100 * (measures.subject or 0))
        return _("%(percent)d %% of the focal area looks different.") % {"percent": percent}
    if reason == Reason.SUBJECT_RESIZED:
        return _resized(measures.resized)
    if reason == Reason.PART_CHANGED:
        return _("A part of it looks different.")
    return _("All of it looks a little different.")


def _cut_off(measures: Measures) -> str:
    inside = measures.focus_inside
    if inside is not None and inside < measures.inside:
        text = _("Only %(percent)d %% of the focal area lies within it.")
    else:
        inside, text = measures.inside, _("Only %(percent)d %% of the original lies within it.")
    return text % {"percent": int(100 * inside)}


def _resized(scale: float) -> str:
    if scale < 1:
        text = _("What the focal area shows is %(percent)d %% smaller beside what surrounds it.")
        return text % {"percent": round(100 * (1 - scale))}
    text = _("What the focal area shows is %(percent)d %% larger beside what surrounds it.")
    return text % {"percent": _over(scale)}


def _over(ratio: float) -> int:
    return round(100 * (ratio - 1))
