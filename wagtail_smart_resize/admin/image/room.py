"""The room in which an editor compares what can be shown in a place, and decides."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.functional import cached_property

from wagtail_smart_resize.admin.base import ImageMixin, edit_url
from wagtail_smart_resize.editorial import matching
from wagtail_smart_resize.models import Candidate

from .answers import ActionMixin, is_fetched
from .forms import SizeForm
from .price_preview import with_price
from .screen import Screen


class RoomView(ActionMixin):
    """GET: the room of the place with this key, as a part of the image's screen.

    Loaded by itself, it leads to the screen, which opens the room.
    """

    http_method_names = ["get"]
    template_name = "wagtail_smart_resize/image/room.html"

    @cached_property
    def screen(self) -> Screen:
        return Screen(self.image, self.request.user, SizeForm(self.request.GET).typed)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        place = self.screen.find_by_key(self.kwargs["key"])
        if not is_fetched(request):
            url = reverse("smart_resize_admin:image", args=[self.image.pk])
            query = request.GET.copy()
            query["place"] = self.kwargs["key"]
            return redirect(f"{url}?{query.urlencode()}")
        if place is None:
            return JsonResponse({}, status=404)
        place.opened = request.GET.get("version", "")
        following = self.screen.next_to_decide(place)
        context = {
            "place": place,
            "screen": self.screen,
            "image": self.image,
            "edit_url": edit_url(self.image),
            "following": following,
            "price_of_another": with_price("", 1).removeprefix(" · "),
            "shortcuts": has_shortcuts(request.user),
            # A page's editor may look at a version in its preview.
            "page": request.GET.get("page", ""),
        }
        return render(request, self.template_name, context)


def has_shortcuts(user: Any) -> bool:
    """Return whether the user's account allows keyboard shortcuts."""
    profile = getattr(user, "wagtail_userprofile", None)
    return bool(getattr(profile, "keyboard_shortcuts", True))


class MatchView(ImageMixin):
    """GET: JSON with the box in which the original lies in a version, as shares of its size.

    `box` is left, top, width and height, which may reach beyond the version; null if the original
    was not found in it.
    """

    http_method_names = ["get"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        stored = Candidate.objects.filter(stored=True).select_related("recomposition")
        mine = {"pk": self.kwargs["pk"], "recomposition__image_id": self.image.pk}
        candidate = get_object_or_404(stored, **mine)
        return JsonResponse({"box": matching.box_of(self.image, candidate)})
