"""Calls of the app's commands."""

import io

from django.core.management import call_command


def status() -> tuple[int, str]:
    """Return the exit status of `smart_resize_status`, and what it says."""
    out = io.StringIO()
    try:
        call_command("smart_resize_status", stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()
