"""Command that reports the pipeline's state, for a person at a terminal and for monitoring."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from wagtail_smart_resize.core.money import rounded
from wagtail_smart_resize.editorial import monthly_figures, pipeline_health
from wagtail_smart_resize.editorial.lost_files import damaged_versions
from wagtail_smart_resize.models import PipelineState, Recomposition, ownership
from wagtail_smart_resize.runners import modes

#: Exit status for each level, as monitoring plugins define it.
LEVELS = {"ok": 0, "warning": 1, "critical": 2}

#: Exit status for "unknown", as monitoring plugins define it.
CANT_TELL = 3


class Command(BaseCommand):
    help = (
        "Says what waits, what failed, what was spent, whether something does the work, and "
        "whether the service takes what is sent. Changes nothing. The exit status is 0 if all is "
        "well, 1 if somebody should look, 2 if nothing is recomposed until somebody does, 3 if the "
        "database can't tell."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = status()
        except DatabaseError as error:
            text = f"The database can't tell how the work is going: {str(error).strip()}"
            raise CommandError(text, returncode=CANT_TELL) from error
        text = json.dumps(report, indent=2) if options["json"] else "\n".join(lines(report))
        self.stdout.write(text)
        if report["level"] != "ok":
            sys.exit(LEVELS[report["level"]])


def status() -> dict[str, Any]:
    """Return the whole report in JSON's types: times in ISO 8601, amounts as decimal strings."""
    found = monthly_figures.figures_for(Recomposition.objects.all())
    checked = pipeline_health.check()
    state = PipelineState.peek()
    is_paused = state.paused_until is not None and state.paused_until > timezone.now()
    failed = {reason.code: reason.count for reason in found.failed}
    notices = [pipeline_health.as_json(notice) for notice in checked.notices]
    unreadable = damaged_versions().count()
    return {
        "level": _level(notices, bool(failed.get("unknown") or unreadable)),
        "database": ownership.database_name(),
        "runner": {
            "mode": modes.mode(),
            "activity": str(checked.label),
            "last_at_work": _iso(checked.last_pass_at),
        },
        "service": {
            "circuit": "open" if state.circuit_open else "closed",
            "circuit_code": state.circuit_code,
            "circuit_since": _iso(state.circuit_opened_at),
            "next_try": _iso(pipeline_health.next_try(state) if state.circuit_open else None),
            "paused_until": _iso(state.paused_until if is_paused else None),
        },
        "outputs": {
            "today": found.today._asdict(),
            "month": found.month._asdict(),
        },
        "spent_this_month": {price.currency: str(rounded(price.amount)) for price in found.spent},
        "waiting": {
            "count": found.waiting_count,
            "oldest_since": _iso(found.oldest and found.oldest.row.wanted_at),
        },
        "awaiting_review": Recomposition.objects.awaiting_review().count(),
        "unreadable": unreadable,
        "failed": failed,
        "notices": notices,
    }


def _level(notices: list[dict[str, Any]], needs_a_person: bool) -> str:
    levels = {notice["level"] for notice in notices}
    if "critical" in levels:
        return "critical"
    # A purchase of unknown outcome, or a lost file, waits until a person decides.
    return "warning" if "warning" in levels or needs_a_person else "ok"


def _iso(moment: Any) -> str | None:
    return moment.isoformat() if moment else None


def lines(report: dict[str, Any]) -> list[str]:
    """Return the report as text, one line for each figure and notice."""
    today, month = report["outputs"]["today"], report["outputs"]["month"]
    runner, service, waiting = report["runner"], report["service"], report["waiting"]
    oldest = waiting["oldest_since"]
    spent = [f"{amount} {currency}" for currency, amount in report["spent_this_month"].items()]
    failed = [f"{code} ({count})" for code, count in report["failed"].items()]
    figures = [
        ("Level", report["level"]),
        ("Database", report["database"]),
        ("Runner", f"{runner['mode']}: {runner['activity']}"),
        ("Last at work", runner["last_at_work"] or "never"),
        ("Service", _service_text(service)),
        ("AI versions today", f"{today['used']} of {today['limit']}"),
        ("AI versions this month", f"{month['used']} of {month['limit']}"),
        ("Spent this month", ", ".join(spent) or "no price is set"),
        ("Waiting", f"{waiting['count']}" + (f", the oldest since {oldest}" if oldest else "")),
        ("To decide", str(report["awaiting_review"])),
        ("Failed", ", ".join(failed) or "0"),
        ("Unreadable", f"live pictures of {report['unreadable']} images"),
    ]
    rows = [f"{name + ':':<20}{text}" for name, text in figures]
    return rows + [_notice_text(each) for each in report["notices"]]


def _notice_text(notice: dict[str, Any]) -> str:
    said = f"({notice['detail']})" if notice["detail"] else ""
    text = f"{notice['level']}: {notice['message']} {notice['remedy']} {said}"
    return " ".join(text.split())


def _service_text(service: dict[str, Any]) -> str:
    if service["circuit"] == "open":
        since, code = service["circuit_since"], service["circuit_code"]
        next_try = f"at {service['next_try']}" if service["next_try"] else "with the next request"
        return f"nothing is sent since {since} ({code}), tries again {next_try}"
    if service["paused_until"]:
        return f"pauses until {service['paused_until']}"
    return "takes requests"
