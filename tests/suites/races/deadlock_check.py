"""Runs each conditional UPDATE while another transaction holds its row and changes an index.

Runs as a process of its own, on MariaDB. Writes {update: errors of the database} to the file that
its argument names: an empty list where both statements were accepted.
"""

import datetime as dt
import json
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
from django.db import Error

django.setup()
warnings.filterwarnings("ignore", "unclosed", ResourceWarning)

from django.core.management import call_command  # noqa: E402
from django.db import connection, connections, models, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402
from support.factories import plain_image  # noqa: E402
from support.waiting import join, until  # noqa: E402
from wagtail.models import Collection  # noqa: E402

from wagtail_smart_resize.models import GatewayRequest, ImageVersion, Recomposition  # noqa: E402
from wagtail_smart_resize.rules.verdict import Reason  # noqa: E402

MANY = 200


def main() -> dict[str, list[str]]:
    call_command("migrate", verbosity=0, run_syncdb=True)
    Collection.add_root(name="Root")
    image_ids = [plain_image(8, 6).pk for _ in range(MANY)]
    now = timezone.now()
    # One of each is due and the others are idle: the optimiser prefers an index that matches few
    # rows.
    versions = [ImageVersion(image_id=pk) for pk in image_ids]
    versions[0].publish_due_at = versions[0].purge_due_at = now
    requests = [GatewayRequest(image_id=pk, status="done", next_step_at=None) for pk in image_ids]
    requests[0].status, requests[0].next_step_at = "sent", now
    rows = [
        Recomposition(image_id=pk, source_hash="file", shape="1.5", purchase="idle")
        for pk in image_ids
    ]
    rows[0].purchase, rows[0].next_attempt_at = "wanted", now
    rows[0].waiting_reason = Reason.NOT_PUBLISHED
    for made in (versions, requests, rows):
        type(made[0]).objects.bulk_create(made)
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE TABLE {made[0]._meta.db_table}")
    version, request, row = versions[0], requests[0], rows[0]
    its = Recomposition.objects.filter(image_id=row.image_id)
    later = now + dt.timedelta(minutes=1)
    return {
        "lease": _cross(
            request, {"next_step_at": later}, lambda: request.take(now, dt.timedelta(1))
        ),
        "flip": _cross(
            version,
            {"publish_due_at": later},
            lambda: version.update_if(
                where={"publish_due_at": version.publish_due_at}, publish_due_at=None
            ),
        ),
        "purge": _cross(
            version,
            {"purge_due_at": later},
            lambda: version.update_if(
                where={"purge_due_at": version.purge_due_at}, purge_due_at=None
            ),
        ),
        "wake": _cross(
            row,
            {"waiting_reason": "", "next_attempt_at": later},
            lambda: its.wake(Reason.NOT_PUBLISHED, now),
        ),
        "postpone": _cross(row, {"next_attempt_at": later}, lambda: its.postpone_due(now, later)),
        "review": _cross(row, {"awaiting_review_since": now}, its.note_review),
        "fail": _cross(row, {"purchase": "idle"}, lambda: row.fail("no_file", "None was named.")),
    }


def _cross(held: models.Model, changes: dict[str, Any], move: Callable[[], Any]) -> list[str]:
    """Hold the row; once `move` waits for it, change an indexed column."""
    result: list[str] = []
    same = type(held)._base_manager.filter(pk=held.pk)
    mover = threading.Thread(target=_collect_error, args=(move, result))

    def hold() -> None:
        with transaction.atomic():
            same.update(**{_plain(held): models.F(_plain(held))})
            mover.start()
            _await_waiter()
            same.update(**changes)

    _collect_error(hold, result)
    join(mover)
    return result


def _collect_error(function: Callable[[], Any], result: list[str]) -> None:
    try:
        function()
    except Error as error:
        result.append(str(error))
    finally:
        if threading.current_thread() is not threading.main_thread():
            connections.close_all()


def _plain(row: models.Model) -> str:
    """Return a column without an index."""
    return {"GatewayRequest": "consecutive_errors", "ImageVersion": "revision"}.get(
        type(row).__name__, "attempts"
    )


def _await_waiter() -> None:
    # InnoDB refreshes this table every 0.1 s at most.
    until(_has_waiter, "the other statement waits for the row", pause=0.2)


def _has_waiter() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM information_schema.INNODB_LOCK_WAITS")
        return bool(cursor.fetchone()[0])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(main()))
