"""The review queue: pictures stay here until a person with permission approves or declines."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet, prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views import View
from wagtail.admin import messages
from wagtail.admin.utils import get_user_display_name
from wagtail.admin.views.generic import BaseListingView

from wagtail_smart_resize.core.keys import parse_key
from wagtail_smart_resize.core.sizes import share_kept_by_crop
from wagtail_smart_resize.editorial import actions, listings, permissions
from wagtail_smart_resize.editorial.actions import Refused
from wagtail_smart_resize.models import Candidate, Recomposition
from wagtail_smart_resize.settings import settings

Decision = Recomposition.Decision

#: Maximum number of entries in the queue.
MAX_ENTRIES = 500
#: Width to height ratios above which pictures are stacked, and below which more of them are put
#: side by side.
WIDE, TALL = 2, 0.9


class ReviewRequired(View):
    """Base view that requires review mode and a user who may approve something.

    Raises Http404 outside review mode, and PermissionDenied for other users.
    """

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.REVIEW:
            raise Http404
        if not permissions.may_approve_any(request.user):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)


class ReviewView(ReviewRequired, BaseListingView):
    """List what awaits review, the oldest first.

    Only the first `MAX_ENTRIES` of a long queue are shown: decisions make room for others, and
    counting them all would take time in proportion to the queue's length.
    """

    page_title = gettext_lazy("Review pictures")
    header_icon = "glasses"
    template_name = "wagtail_smart_resize/review/review.html"
    index_url_name = "smart_resize_admin:review"
    paginate_by = 10
    columns: list[Any] = []

    def get_queryset(self) -> QuerySet[Recomposition]:
        return listings.waiting_for(self.request.user, MAX_ENTRIES)

    def paginate_queryset(self, queryset: QuerySet[Recomposition], page_size: int) -> Any:
        paginator, page, found, has_others = super().paginate_queryset(queryset, page_size)
        page.object_list = listings.load_page(found)
        stored = Candidate.objects.filter(stored=True)
        prefetch_related_objects(page.object_list, Prefetch("candidates", stored))
        return paginator, page, page.object_list, has_others

    def get_context_data(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(*args, **kwargs)
        entries = _entries(context["object_list"])
        profile = getattr(self.request.user, "wagtail_userprofile", None)
        return {
            **context,
            "entries": entries,
            "total": f"{MAX_ENTRIES}+"
            if context["items_count"] == MAX_ENTRIES
            else context["items_count"],
            "shortcuts": getattr(profile, "keyboard_shortcuts", True),
        }


@dataclass(frozen=True)
class ReviewEntry(listings.ListedRecomposition):
    """An entry of the queue."""

    crop: Any
    """What visitors see now, as a rendition; None for an image that was deleted meanwhile."""
    following: Recomposition | None
    """The recomposition of the next entry."""

    @property
    def format(self) -> str:
        """Return how its pictures are laid out."""
        return "wide" if self.row.shape >= WIDE else "tall" if self.row.shape < TALL else ""

    @property
    def kept_percent(self) -> int:
        """Return how much of the image the crop keeps."""
        image = self.row.image
        return int(share_kept_by_crop(image.width, image.height, self.row.shape) * 100)

    @property
    def asked_by_name(self) -> str:
        return get_user_display_name(self.state.by) if self.state.by else ""


def _entries(rows: list[Recomposition]) -> list[ReviewEntry]:
    crops = listings.renditions((row.image_id, _crop_spec(row)) for row in rows)
    return [
        ReviewEntry(each.row, each.state, crops.get((each.row.image_id, _crop_spec(each.row))), row)
        for each, row in zip_longest(listings.listed(rows), rows[1:])
    ]


def _crop_spec(row: Recomposition) -> str:
    """Return the spec of what visitors see now, at the largest size that was asked for."""
    return f"fill-{listings.largest_slot(row)}"


# Deciding


class DecisionView(ReviewRequired):
    http_method_names = ["post"]

    def back(self, request: HttpRequest, following: str = "") -> HttpResponse:
        """Redirect to the queue: to the entry `following`, else to its top, where messages are."""
        url = reverse("smart_resize_admin:review")
        page = request.POST.get("p", "")
        query = f"?p={page}" if page.isdecimal() else ""
        return redirect(url + query + (f"#review-{following}" if following.isdecimal() else ""))


class DecideView(DecisionView):
    """Decide on one entry: POST `approve` with a candidate's id, or `decline` for the crop."""

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        try:
            row, text = self._decide(request, pk)
        except Refused as refusal:
            messages.error(request, str(refusal))
            return self.back(request)
        url = reverse("smart_resize_admin:image", args=[row.image_id])
        button = messages.button(url, _("Open"))
        messages.success(request, text % {"title": row.image.title}, buttons=[button])
        return self.back(request, request.POST.get("following", ""))

    def _decide(self, request: HttpRequest, pk: int) -> tuple[Recomposition, str]:
        row = Recomposition.objects.filter(pk=pk).select_related("image").first()
        if row is None:
            raise Refused("gone", _gone_text())
        if "decline" in request.POST:
            return decline(row, request.user), _("The standard crop stays for “%(title)s”.")
        key = request.POST.get("approve", "")
        candidate = row.candidates.filter(pk=parse_key(Candidate, key)).first()
        if candidate is None:
            raise Refused("gone", _gone_text())
        return approve(candidate, request.user), _("Approved a picture for “%(title)s”.")


class ApproveSelectedView(DecisionView):
    """Approve several candidates, one per shape. Those refused don't stop the others."""

    def post(self, request: HttpRequest) -> HttpResponse:
        selected = _selected(request)
        if not selected:
            messages.warning(request, _("No picture is selected: nothing has been approved."))
        done, refusals = 0, dict[str, None]()
        for pictures in selected.values():
            try:
                _approve_one(pictures, request.user)
                done += 1
            except Refused as refusal:
                refusals[str(refusal)] = None
        if done:
            text = ngettext("%(count)d picture approved.", "%(count)d pictures approved.", done)
            messages.success(request, text % {"count": done})
        for text in refusals:
            messages.error(request, text)
        return self.back(request)


def _selected(request: HttpRequest) -> dict[str, list[Candidate | None]]:
    """Return the selected candidates by recomposition; one that no longer exists is its own group.

    Raises PermissionDenied if the user may not approve one of them.
    """
    texts = request.POST.getlist("candidates")
    keys = [key for text in texts if (key := parse_key(Candidate, text)) is not None]
    candidates = Candidate.objects.filter(pk__in=keys).select_related("recomposition__image")
    allowed = permissions.images_for(request.user, (permissions.APPROVE,))
    if candidates.exclude(recomposition__image__in=allowed.values("pk")).exists():
        raise PermissionDenied
    found = {candidate.pk: candidate for candidate in candidates}
    groups: dict[str, list[Candidate | None]] = {}
    for key in dict.fromkeys(keys):
        candidate = found.get(key)
        group = str(candidate.recomposition_id) if candidate else f"gone-{key}"
        groups.setdefault(group, []).append(candidate)
    return groups


def _approve_one(pictures: list[Candidate | None], user: Any) -> None:
    candidate, *others = pictures
    if candidate is None:
        raise Refused("gone", _gone_text())
    if others:
        text = _("Select one picture of each shape: more than one was selected for “%(title)s”.")
        raise Refused("several", text % {"title": candidate.recomposition.image.title})
    approve(candidate, user)


def approve(candidate: Candidate, user: Any) -> Recomposition:
    """Choose the candidate and return its row.

    Raises Refused, also if somebody else has decided first ("decided"), and PermissionDenied.
    """
    return _decide(candidate.recomposition, user, lambda: actions.choose(candidate, user=user))


def decline(row: Recomposition, user: Any) -> Recomposition:
    """Decide for the standard crop and return the row. Raises as `approve` does."""
    return _decide(row, user, lambda: actions.use_crop(row, user=user))


def _decide(row: Recomposition, user: Any, act: Callable[[], None]) -> Recomposition:
    """Call `act` if the row still awaits a decision.

    The image's lock keeps two people from deciding at once.
    """
    if not permissions.may_approve(user, row.image):
        raise PermissionDenied
    with actions.locked_image(row.image_id):
        current = Recomposition.objects.select_related("decided_by", "image").filter(pk=row.pk)
        _refuse_if_decided(current.first())
        act()
    return row


def _refuse_if_decided(row: Recomposition | None) -> None:
    if row is None:
        raise Refused("gone", _gone_text())
    if row.is_open:
        return
    names = {
        "title": row.image.title,
        "user": get_user_display_name(row.decided_by) if row.decided_by else _("Somebody"),
    }
    if row.decision == Decision.CROP:
        text = _("%(user)s has already decided for the standard crop of “%(title)s”.")
    elif row.decision == Decision.CANDIDATE:
        text = _("%(user)s has already approved a picture for “%(title)s”.")
    else:
        text = _("A picture for “%(title)s” is live already.")
    raise Refused("decided", text % names)


def _gone_text() -> str:
    return _("This picture is not there any more: its image may have been deleted.")
