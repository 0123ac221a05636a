"""The review of versions: they stay here until a person with permission decides."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views import View
from wagtail.admin import messages
from wagtail.admin.utils import get_user_display_name
from wagtail.admin.views.generic import WagtailAdminTemplateMixin

from wagtail_smart_resize import actions
from wagtail_smart_resize.actions import Refused
from wagtail_smart_resize.admin.image.answers import decisions_to_undo, is_fetched, undo, undo_facts
from wagtail_smart_resize.admin.image.room import has_shortcuts
from wagtail_smart_resize.core.keys import parse_key
from wagtail_smart_resize.editorial import listings, permissions
from wagtail_smart_resize.editorial.deciding import UNDO_TIME
from wagtail_smart_resize.editorial.refusals import locked_image
from wagtail_smart_resize.models import Candidate, Recomposition
from wagtail_smart_resize.settings import settings

from .entries import Entry, entries_of
from .filters import ReviewFilters

Decision = Recomposition.Decision

#: Maximum number of entries in the queue.
MAX_ENTRIES = 500
#: Number of entries that are shown at once in the strip below.
STRIP_LENGTH = 50


class ReviewRequired(View):
    """Base view that requires a user who may choose something. Raises PermissionDenied."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not permissions.may_choose_any(request.user):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)


class ReviewView(ReviewRequired, WagtailAdminTemplateMixin):
    """Show what awaits a decision, the oldest first: one place at a time.

    Only the first `MAX_ENTRIES` of a long queue are counted: decisions make room for others, and
    counting them all would take time in proportion to the queue's length.
    """

    page_title = gettext_lazy("Review versions")
    header_icon = "glasses"
    template_name = "wagtail_smart_resize/review/review.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return self.render_to_response(self.get_context_data())

    @cached_property
    def filters(self) -> ReviewFilters:
        return ReviewFilters(self.request.GET or None, user=self.request.user)

    def get_breadcrumbs_items(self) -> list[dict[str, Any]]:
        return [*super().get_breadcrumbs_items(), {"url": "", "label": self.page_title}]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        waiting = listings.waiting_for(
            self.request.user, MAX_ENTRIES, self.filters.condition, self.filters.ordered_by
        )
        count = waiting.count()
        rows = listings.load_page(waiting[:STRIP_LENGTH])
        entries = entries_of(rows, self.request.user)
        return super().get_context_data(
            entries=entries,
            entry=entries[0] if entries else None,
            total=f"{MAX_ENTRIES}+" if count == MAX_ENTRIES else count,
            count=count,
            filters=self.filters,
            is_review=settings.REVIEW,
            shortcuts=has_shortcuts(self.request.user),
            **kwargs,
        )


class EntryView(ReviewRequired):
    """GET: one entry, as a part of the screen."""

    http_method_names = ["get"]

    def get(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        if not is_fetched(request):
            return redirect("smart_resize_admin:review")
        entry = _entry(pk, request.user)
        if entry is None:
            return JsonResponse({"text": _gone_text()}, status=404)
        context = {"entry": entry, "shortcuts": has_shortcuts(request.user)}
        return render(request, "wagtail_smart_resize/review/entry.html", context)


def _entry(pk: int, user: Any) -> Entry | None:
    rows = listings.load_page(Recomposition.objects.filter(pk=pk))
    if not rows or not permissions.may_choose(user, rows[0].image):
        return None
    return entries_of(rows, user)[0]


# Deciding


class DecisionView(ReviewRequired):
    """Base view for decisions: answers scripts with JSON, others with the queue."""

    http_method_names = ["post"]

    def answer(self, text: str, rows: list[Recomposition] | None = None) -> HttpResponseBase:
        if not is_fetched(self.request):
            messages.success(self.request, text)
            return redirect("smart_resize_admin:review")
        undoing = undo_facts(reverse("smart_resize_admin:review_undo"), rows or [])
        return JsonResponse({"text": text, **undoing})

    def refuse(self, text: str) -> HttpResponseBase:
        if not is_fetched(self.request):
            messages.error(self.request, text)
            return redirect("smart_resize_admin:review")
        return JsonResponse({"text": text}, status=409)


class DecideView(DecisionView):
    """Decide on one entry: POST `approve` with a version's id, or `decline` for the crop.

    With `decline` may come a `reason`: one of `DECLINE_REASONS`, or text.
    """

    def post(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        try:
            row, text = self._decide(request, pk)
        except Refused as refusal:
            return self.refuse(str(refusal))
        return self.answer(text % {"title": row.image.title}, [row])

    def _decide(self, request: HttpRequest, pk: int) -> tuple[Recomposition, str]:
        row = Recomposition.objects.filter(pk=pk).select_related("image").first()
        if row is None:
            raise Refused("gone", _gone_text())
        if "decline" in request.POST:
            # Not every database keeps a NUL.
            reason = request.POST.get("reason", "").replace("\0", "")[:200]
            return decline(row, request.user, reason), _("The crop stays: “%(title)s”.")
        key = request.POST.get("approve", "")
        candidate = row.candidates.filter(pk=parse_key(Candidate, key)).first()
        if candidate is None:
            raise Refused("gone", _gone_text())
        return approve(candidate, request.user), _("Approved: “%(title)s”.")


class ApproveSelectedView(DecisionView):
    """Approve several versions, one for each place. Those refused don't stop the others.

    Without `confirm`, show what would go live: with `seen`, the ids of the versions that were shown
    to the user, only these.
    """

    def post(self, request: HttpRequest) -> HttpResponseBase:
        selected = _selected(request)
        if "confirm" not in request.POST:
            return self._ask(selected)
        done: list[Recomposition] = []
        refusals = dict[str, None]()
        for pictures in selected.values():
            try:
                done.append(_approve_one(pictures, request.user))
            except Refused as refusal:
                refusals[str(refusal)] = None
        if not done:
            nothing = _("No version is selected: nothing has been approved.")
            return self.refuse(" ".join(refusals) or nothing)
        text = ngettext(
            "%(count)d version approved.", "%(count)d versions approved.", len(done)
        ) % {"count": len(done)}
        return self.answer(" ".join([text, *refusals]), done)

    def _ask(self, selected: dict[str, list[Candidate | None]]) -> HttpResponseBase:
        seen = set(self.request.POST.getlist("seen"))
        chosen = [pictures[0] for pictures in selected.values() if pictures[0]]
        places = Recomposition.objects.filter(pk__in=[each.recomposition_id for each in chosen])
        rows = listings.load_page(places.order_by("awaiting_review_since", "pk"))
        entries = entries_of(rows, self.request.user)
        keys = {each.pk for each in chosen if str(each.pk) in seen}
        offered = [entry.with_version(keys) for entry in entries]
        shown = [entry for entry in offered if entry.selected]
        context = {
            "entries": shown,
            "unseen": [entry for entry in offered if not entry.selected],
            "pages": len({page.pk for entry in shown for page in entry.pages}),
            "seconds": round(UNDO_TIME.total_seconds()),
        }
        return render(self.request, "wagtail_smart_resize/review/approve.html", context)


class UndoView(DecisionView):
    """Undo decisions before they take effect."""

    def post(self, request: HttpRequest) -> HttpResponseBase:
        decisions = decisions_to_undo(request)
        rows = list(Recomposition.objects.filter(pk__in=decisions).select_related("image"))
        if not all(permissions.may_choose(request.user, row.image) for row in rows):
            raise PermissionDenied
        if not rows:
            return self.refuse(_("There is nothing here to undo any more."))
        refused = undo(rows, decisions, request.user)
        return self.refuse(refused) if refused else self.answer(_("Undone: all is as it was."))


def _selected(request: HttpRequest) -> dict[str, list[Candidate | None]]:
    """Return the selected candidates by recomposition; one that no longer exists is its own group.

    Raises PermissionDenied if the user may not choose one of them.
    """
    texts = request.POST.getlist("candidates")
    keys = [key for text in texts if (key := parse_key(Candidate, text)) is not None]
    candidates = Candidate.objects.filter(pk__in=keys).select_related("recomposition__image")
    allowed = permissions.images_for(request.user, (permissions.right_to_choose(),))
    if candidates.exclude(recomposition__image__in=allowed.values("pk")).exists():
        raise PermissionDenied
    found = {candidate.pk: candidate for candidate in candidates}
    groups: dict[str, list[Candidate | None]] = {}
    for key in dict.fromkeys(keys):
        candidate = found.get(key)
        group = str(candidate.recomposition_id) if candidate else f"gone-{key}"
        groups.setdefault(group, []).append(candidate)
    return groups


def _approve_one(pictures: list[Candidate | None], user: Any) -> Recomposition:
    candidate, *others = pictures
    if candidate is None:
        raise Refused("gone", _gone_text())
    if others:
        text = _("Select one version of each place: more than one was selected for “%(title)s”.")
        raise Refused("several", text % {"title": candidate.recomposition.image.title})
    return approve(candidate, user)


def approve(candidate: Candidate, user: Any) -> Recomposition:
    """Choose the candidate and return its row.

    Raises Refused, also if somebody else has decided first ("decided"), and PermissionDenied.
    """
    row = candidate.recomposition
    return _decide(row, user, lambda: actions.choose(candidate, user=user, undoable=True))


def decline(row: Recomposition, user: Any, reason: str = "") -> Recomposition:
    """Decide for the crop and return the row. Raises as `approve` does."""
    return _decide(
        row, user, lambda: actions.use_crop(row, user=user, undoable=True, reason=reason)
    )


def _decide(row: Recomposition, user: Any, act: Callable[[], None]) -> Recomposition:
    """Call `act` if the row still awaits a decision.

    The image's lock keeps two people from deciding at once.
    """
    if not permissions.may_choose(user, row.image):
        raise PermissionDenied
    with locked_image(row.image_id):
        current = Recomposition.objects.select_related("decided_by", "image").filter(pk=row.pk)
        _refuse_if_decided(current.first())
        act()
    return row


def _refuse_if_decided(row: Recomposition | None) -> None:
    if row is None:
        raise Refused("gone", _gone_text())
    if row.is_open or row.awaiting_review_since or row.decision == Decision.CHECK:
        return
    names = {
        "title": row.image.title,
        "user": get_user_display_name(row.decided_by) if row.decided_by else _("Somebody"),
    }
    if row.decision == Decision.CROP:
        text = _("%(user)s has already decided for the crop of “%(title)s”.")
    elif row.decision == Decision.CANDIDATE:
        text = _("%(user)s has already approved a version of “%(title)s”.")
    else:
        text = _("A version of “%(title)s” is live already.")
    raise Refused("decided", text % names)


def _gone_text() -> str:
    return _("This version is not there any more: its image may have been deleted.")
