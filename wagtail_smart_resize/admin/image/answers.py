"""How the buttons of an image's screen answer: with JSON to scripts, with a redirect to others."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from wagtail.admin import messages

from wagtail_smart_resize import actions
from wagtail_smart_resize.actions import Refused
from wagtail_smart_resize.admin.base import ImageMixin
from wagtail_smart_resize.core.keys import parse_key
from wagtail_smart_resize.editorial.deciding import UNDO_TIME
from wagtail_smart_resize.models import GatewayRequest, Recomposition


def is_fetched(request: HttpRequest) -> bool:
    """Return whether a script of the screen has sent the request, and shows the answer itself."""
    return request.headers.get("X-Requested-With") == "XMLHttpRequest"


class ActionMixin(ImageMixin):
    """Base view for a button. It acts on POST; GET, such as a reload, redirects to the screen."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return self.back()

    def back(self) -> HttpResponseBase:
        return redirect(reverse("smart_resize_admin:image", args=[self.image.pk]))

    @property
    def rows(self) -> Any:
        return Recomposition.objects.filter(image_id=self.image.pk).select_related("image")

    def told_if_asked_before(self, key: Any) -> str:
        """Return what to say if the same form was sent before, "" if not: it buys once."""
        if GatewayRequest.objects.filter(image_id=self.image.pk, batch=key).exists():
            return _("This had been asked for already: nothing was bought twice.")
        return ""

    def answer(self, text: str, **facts: Any) -> HttpResponseBase:
        """Say what was done; `facts` are for scripts."""
        if is_fetched(self.request):
            return JsonResponse({"text": text, **facts})
        messages.success(self.request, text)
        return self.back()

    def answer_undoable(self, text: str, rows: list[Recomposition]) -> HttpResponseBase:
        """Say what was decided on these rows, and how it can be undone."""
        url = reverse("smart_resize_admin:undo", args=[self.image.pk])
        return self.answer(text, **undo_facts(url, rows))

    def refuse(self, text: str) -> HttpResponseBase:
        """Say what could not be done.

        If the image has been deleted, that is reported instead, as the cause of any other error.
        """
        if self.is_deleted:
            return self.gone()
        if is_fetched(self.request):
            return JsonResponse({"text": text}, status=409)
        messages.error(self.request, text)
        return self.back()

    def gone(self) -> HttpResponseBase:
        if is_fetched(self.request):
            return JsonResponse(
                {"text": _("The image has been deleted: nothing was done.")}, status=404
            )
        return super().gone()


# An undo names decisions, not rows: one that arrives late must not take back a newer decision.

#: Name of the field that holds the decisions to undo.
DECISIONS = "decisions"


def undo_facts(url: str, rows: list[Recomposition]) -> dict[str, Any]:
    """Return what a script needs to offer Undo: an address, what to post there, and for how long.

    The `rows` that were decided on are for the script itself.
    """
    if not rows:
        return {}
    decisions = [f"{row.pk} {row.decided_at.isoformat()}" for row in rows if row.decided_at]
    return {
        "undo": {
            "url": url,
            "fields": {DECISIONS: decisions},
            "rows": [row.pk for row in rows],
            "seconds": round(UNDO_TIME.total_seconds()),
        }
    }


def decisions_to_undo(request: HttpRequest) -> dict[Any, dt.datetime]:
    """Return when the decisions were made that a request to undo names, by their rows' keys.

    What names none is left out.
    """
    found = {}
    for text in request.POST.getlist(DECISIONS):
        key, _space, moment = text.partition(" ")
        row, decided_at = parse_key(Recomposition, key), _parse_moment(moment)
        if row is not None and decided_at is not None:
            found[row] = decided_at
    return found


def _parse_moment(text: str) -> dt.datetime | None:
    """Return the aware time that the text stands for, or None."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


def undo(rows: Iterable[Recomposition], decisions: dict[Any, dt.datetime], user: Any) -> str:
    """Undo these decisions on the rows; return why one could not be undone, or ""."""
    refused = ""
    for row in rows:
        try:
            actions.undo(row, user=user, decided_at=decisions[row.pk])
        except Refused as error:
            refused = str(error)
    return refused
