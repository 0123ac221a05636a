"""The places of one page: a strip below each image in Wagtail's page editor."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.views import View
from wagtail.admin.staticfiles import versioned_static
from wagtail.images import get_image_model

from wagtail_smart_resize.admin.base import may_see
from wagtail_smart_resize.admin.image.place import Place
from wagtail_smart_resize.admin.image.screen import Screen
from wagtail_smart_resize.compat import get_page_model
from wagtail_smart_resize.core.keys import parse_key
from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.sizes import same_shape
from wagtail_smart_resize.editorial import places, tried_versions
from wagtail_smart_resize.models import Candidate
from wagtail_smart_resize.renditions import request_tracking

logger = get_logger(__name__)

#: Shapes with their recipes, by the image's key.
Asked = dict[Any, set[tuple[Decimal, str]]]

#: What the editor's page loads once there is something to show.
ASSETS = {
    "css": ["smart-resize", "sheet", "room"],
    "js": ["requests", "dialog", "room", "make"],
}


class PageView(View):
    """Base view for what concerns a page that the user may edit."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not self.page.permissions_for_user(request.user).can_edit():
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    @cached_property
    def page(self) -> Any:
        page: Any = get_object_or_404(get_page_model(), pk=self.kwargs["page_id"])
        return page.get_latest_revision_as_object()


class PagePlacesView(PageView):
    """GET: JSON with the strip of each image that the page's latest draft shows, by its key.

    The draft is rendered as for Wagtail's preview, to learn which images it shows in which shapes.
    """

    http_method_names = ["get"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        asked = self._asked()
        images = get_image_model()._default_manager.select_related("collection")
        tried = set(tried_versions.ids_tried(request))
        strips = {}
        for image in images.filter(pk__in=list(asked)):
            if not may_see(request.user, image):
                continue
            screen = Screen(image, request.user)
            found = _places_of(screen, asked[image.pk])
            if self.page.live:
                places.note_page(self.page, [place.row for place in found if place.row])
            strips[str(image.pk)] = self._strip(screen, found, tried)
        return JsonResponse(
            {
                "strips": strips,
                "tried": self._tried(),
                "other": _("Its places on this page are shown here once the draft is saved."),
                **(_frame(request) if strips else {}),
            }
        )

    def _asked(self) -> Asked:
        """Return what the draft shows; nothing if it can't be rendered."""
        asked: Asked = defaultdict(set)

        def note(image_id: Any, shape: Decimal, recipe: str) -> None:
            asked[image_id].add((shape, recipe))

        try:
            with request_tracking.recorded(note):
                shown = self.page.make_preview_request(self.request, self.page.default_preview_mode)
        except Exception:
            # A page may not be made for previews. Its editor is shown without strips.
            logger.warning("Can't tell which images page %s shows", self.page.pk, exc_info=True)
            return {}
        # An error in the page's own view has become its response, and Django has logged it.
        return asked if shown.status_code < 400 else {}

    def _strip(self, screen: Screen, found: list[Place], tried: set[Any]) -> str:
        context = {
            "places": found,
            "screen": screen,
            "image": screen.image,
            "page": self.page,
            "tried": tried,
        }
        return render_to_string("wagtail_smart_resize/pages/strip.html", context, self.request)

    def _tried(self) -> str:
        keys = tried_versions.ids_tried(self.request)
        if not keys:
            return ""
        return render_to_string(
            "wagtail_smart_resize/pages/tried.html", {"count": len(keys)}, self.request
        )


def _places_of(screen: Screen, asked: set[tuple[Decimal, str]]) -> list[Place]:
    """Return the places that serve what was asked for, the wide ones first."""
    found = [
        place
        for place in screen.places
        if any(
            place.target.recipe == recipe and same_shape(place.shape, shape)
            for shape, recipe in asked
        )
    ]
    return sorted(found, key=lambda place: place.shape, reverse=True)


def _frame(request: HttpRequest) -> dict[str, Any]:
    """Return the dialog and the addresses of what it needs."""
    return {
        "dialog": render_to_string("wagtail_smart_resize/dialog.html", {}, request),
        **{
            kind: [versioned_static(f"wagtail_smart_resize/{kind}/{name}.{kind}") for name in names]
            for kind, names in ASSETS.items()
        },
    }


class PreviewView(PageView):
    """POST `candidate`: show this version in the user's previews; without it, none any more."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        text = request.POST.get("candidate", "")
        if not text:
            tried_versions.stop_trying(request)
            return JsonResponse({"text": _("Your preview shows what visitors see.")})
        stored = Candidate.objects.filter(stored=True).select_related("recomposition__image")
        candidate = get_object_or_404(stored, pk=parse_key(Candidate, text))
        if not may_see(request.user, candidate.recomposition.image):
            raise PermissionDenied
        tried_versions.try_version(request, candidate)
        return JsonResponse({"text": _("The version is in your preview. Only you see it.")})
