"""The endpoint that an open image screen polls for the progress of its shapes."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from wagtail_smart_resize.admin.base import ImageMixin

from .screen import Screen
from .shape import Shape


class ProgressView(ImageMixin):
    """GET: JSON with the cards that differ from what the browser has (`?have=key:etag,...`).

    With `?source=` the hash of a file that the image no longer has, `replaced` is true.
    """

    http_method_names = ["get"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        known = request.GET.get("source", "")
        if known and known != self.image.file_hash:
            return JsonResponse({"active": 0, "replaced": True, "cards": []})
        screen = Screen(self.image, request.user)
        have = set(request.GET.get("have", "").split(","))
        cards = [
            self._card(shape) for shape in screen.shapes if f"{shape.key}:{shape.etag}" not in have
        ]
        answer = {"active": screen.under_way, "summary": summary(screen), "cards": cards}
        return JsonResponse(answer)

    def _card(self, shape: Shape) -> dict[str, Any]:
        html = render_to_string(
            "wagtail_smart_resize/image/card.html",
            {"shape": shape, "screen": shape.context, "image": self.image},
            self.request,
        )
        return {
            "key": shape.key,
            "etag": shape.etag,
            "busy": shape.is_under_way,
            "html": html,
        }


def summary(screen: Screen) -> str:
    """Return one sentence about all shapes: those under way, or else those that failed."""
    busy = screen.under_way
    if busy:
        text = ngettext("%(count)d shape is under way.", "%(count)d shapes are under way.", busy)
        return text % {"count": busy}
    failed = sum(shape.state.is_failed for shape in screen.shapes)
    if failed:
        text = ngettext(
            "%(count)d shape needs your attention.",
            "%(count)d shapes need your attention.",
            failed,
        )
        return text % {"count": failed}
    return _("Nothing is under way.")
