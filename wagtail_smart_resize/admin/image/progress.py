"""The endpoint that an open image screen polls for its contact sheet."""

import hashlib
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from wagtail_smart_resize.admin.base import ImageMixin

from .forms import SizeForm
from .screen import Screen


class ProgressView(ImageMixin):
    """GET: JSON with the sheet, if it differs from what the browser has (`?have=etag`).

    With `?source=` the hash of a file that the image no longer has, `replaced` is true.
    """

    http_method_names = ["get"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        known = request.GET.get("source", "")
        if known and known != self.image.file_hash:
            return JsonResponse({"active": 0, "replaced": True})
        screen = Screen(self.image, request.user, SizeForm(request.GET).typed)
        told, etag = summary(screen), etag_of(screen)
        answer = {
            "active": screen.changing,
            "headline": told.headline,
            "summary": told.sentence,
            "etag": etag,
            "focal": screen.focal_area_text,
        }
        if request.GET.get("have") != etag:
            context = {"screen": screen, "image": self.image}
            answer["html"] = render_to_string(
                "wagtail_smart_resize/image/sheet.html", context, request
            )
        return JsonResponse(answer)


def etag_of(screen: Screen) -> str:
    """Return a digest that changes when what the sheet shows does, and only then."""
    tiles = " ".join(f"{place.group}:{place.etag}" for place in screen.places)
    return hashlib.sha256(f"{screen.preview.url} {tiles}".encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Summary:
    """What an image's places are up to, all together."""

    headline: str
    """A word or two for the title of the browser's tab."""
    sentence: str


def summary(screen: Screen) -> Summary:
    """Return what comes first of: under way, waiting, failed, to be decided."""
    states = [place.state for place in screen.places]
    if busy := sum(state.is_busy for state in states):
        text = ngettext("%(count)d place is under way.", "%(count)d places are under way.", busy)
        return Summary(_("Under way"), text % {"count": busy})
    if waiting := sum(state.is_waiting for state in states):
        text = ngettext(
            "%(count)d place waits. It goes on by itself.",
            "%(count)d places wait. They go on by themselves.",
            waiting,
        )
        return Summary(_("Waiting"), text % {"count": waiting})
    if failed := sum(state.is_failed for state in states):
        text = ngettext(
            "%(count)d place needs your attention.",
            "%(count)d places need your attention.",
            failed,
        )
        return Summary(_("Failed"), text % {"count": failed})
    if undecided := sum(state.awaits_decision for state in states):
        text = ngettext(
            "%(count)d place is to be decided.", "%(count)d places are to be decided.", undecided
        )
        return Summary(_("To decide"), text % {"count": undecided})
    return Summary(_("Done"), _("All is up to date."))
