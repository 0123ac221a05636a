"""A view for uptime checks: whether pictures can be bought and made live now."""

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View

from wagtail_smart_resize.editorial.pipeline_health import STOPPED_AFTER
from wagtail_smart_resize.models import PipelineState
from wagtail_smart_resize.models.savepoints import savepoint_if_atomic


@method_decorator(login_not_required, name="dispatch")
class HealthView(View):
    """Answer 200 while all is well, and 503 while nothing is recomposed until somebody acts.

    It makes one query and tells nothing that is secret: who knows the address learns whether the
    service takes requests, and when the runner was last at work.
    """

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> JsonResponse:
        try:
            with savepoint_if_atomic():
                state = PipelineState.peek()
        except DatabaseError:
            return _answer({"level": "critical", "database": "can't tell"})
        is_overdue = (
            state.next_pass_at is not None and state.next_pass_at < timezone.now() - STOPPED_AFTER
        )
        is_critical = state.circuit_open or is_overdue
        return _answer(
            {
                "level": "critical" if is_critical else "warning" if state.is_stopped else "ok",
                "circuit": "open" if state.circuit_open else "closed",
                "buying": "stopped" if state.is_stopped else "on",
                "runner": "overdue" if is_overdue else "on time",
                "last_pass_at": state.last_pass_at.isoformat() if state.last_pass_at else None,
            }
        )


def _answer(told: dict[str, str | None]) -> JsonResponse:
    status = 503 if told["level"] == "critical" else 200
    return JsonResponse(told, status=status, headers={"Cache-Control": "no-store"})
