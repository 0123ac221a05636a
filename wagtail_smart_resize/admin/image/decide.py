"""Views behind the buttons of an image's screen, except those that ask for versions."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from wagtail_smart_resize import actions
from wagtail_smart_resize.actions import Refused
from wagtail_smart_resize.core.keys import parse_key
from wagtail_smart_resize.models import Candidate, Recomposition

from .answers import ActionMixin, decisions_to_undo, undo
from .forms import ChooseForm, FailedForm, OptOutForm, RowForm
from .screen import Screen


class ChooseView(ActionMixin):
    """Choose a version or the crop: recorded at once, published once it can't be undone."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        form = ChooseForm(request.POST, rows=self.rows)
        if not form.is_valid():
            return self.refuse(_("This version is not there any more: nothing was changed."))
        row, candidate = form.cleaned_data["row"], form.cleaned_data.get("candidate")
        screen = Screen(self.image, request.user)
        self.require(screen.may_choose if candidate else screen.may_decline)
        try:
            if candidate:
                actions.choose(candidate, user=request.user, undoable=True)
                text = _("The AI version is chosen.")
            else:
                actions.use_crop(row, user=request.user, undoable=True)
                text = _("The crop is chosen.")
        except Refused as error:
            return self.refuse(str(error))
        return self.answer_undoable(text, [row])


class OwnPixelsView(ActionMixin):
    """Make a version with the photograph's own pixels of the one whose id is posted."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.require(self.may_smart_resize)
        key = parse_key(Candidate, request.POST.get("version", ""))
        stored = Candidate.objects.filter(stored=True, recomposition__in=self.rows)
        version = stored.select_related("recomposition__image").filter(pk=key).first()
        if version is None:
            return self.refuse(_("This version is not there any more: nothing was changed."))
        try:
            derived = actions.keep_pixels(version, user=request.user)
        except Refused as error:
            return self.refuse(str(error))
        text = _("The photograph's own pixels are back, in a version beside this one.")
        return self.answer(text, open=self._room_of(derived))

    def _room_of(self, version: Candidate) -> str:
        """Return the address of the room in which the version is seen first."""
        screen = Screen(self.image, self.request.user)
        place = screen.find(str(version.recomposition_id))
        if place is None:
            return ""
        url = reverse("smart_resize_admin:room", args=[self.image.pk, place.key])
        return f"{url}?version={version.pk}"


class UndoView(ActionMixin):
    """Undo decisions before they take effect."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        decisions = decisions_to_undo(request)
        rows = list(self.rows.filter(pk__in=decisions))
        self.require(Screen(self.image, request.user).may_decline)
        if not rows:
            return self.refuse(_("There is nothing here to undo any more."))
        refused = undo(rows, decisions, request.user)
        return self.refuse(refused) if refused else self.answer(_("Undone: all is as it was."))


class FailedView(ActionMixin):
    """Retry a failed purchase, check its status again, or dismiss it."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.require(self.may_smart_resize)
        form = FailedForm(request.POST, rows=self.rows)
        if not form.is_valid():
            return self.refuse(_("This place is not there any more: nothing was done."))
        given = form.cleaned_data
        try:
            return self.answer(self._perform(given["row"], given["action"], given["key"]))
        except Refused as error:
            return self.refuse(str(error))

    def _perform(self, row: Recomposition, action: str, key: Any) -> str:
        user = self.request.user
        if action == FailedForm.RECHECK:
            actions.recheck_status(row, user=user)
            return _("The service is being asked what became of it. Nothing is bought.")
        if action == FailedForm.DISMISS:
            actions.dismiss_failure(row, user=user)
            return _("Left as it is. Nothing is bought.")
        if told := self.told_if_asked_before(key):
            return told
        actions.retry(row, user=user, key=key)
        return _("It is being tried again.")


class RowActionView(ActionMixin):
    """Base view for a button that does something to one row."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.require(self.may_smart_resize)
        form = RowForm(request.POST, rows=self.rows)
        if not form.is_valid():
            return self.refuse(_("This place is not there any more: nothing was done."))
        try:
            return self.answer(self.perform(form.cleaned_data["row"]))
        except Refused as error:
            return self.refuse(str(error))

    def perform(self, row: Recomposition) -> str:
        """Do it and return what to say. Raises Refused."""
        raise NotImplementedError


class CallOffView(RowActionView):
    """Call off a purchase that has not been sent yet."""

    def perform(self, row: Recomposition) -> str:
        count = actions.call_off(row, user=self.request.user)
        text = ngettext(
            "Cancelled: nothing is bought.",
            "Cancelled, for all %(count)d places that were asked for together.",
            count,
        )
        return text % {"count": count}


class TryNowView(RowActionView):
    """Try at once what waits to be sent."""

    def perform(self, row: Recomposition) -> str:
        actions.try_now(row, user=self.request.user)
        return _("It is being tried now.")


class CropEverywhereView(ActionMixin):
    """Go back to the crop in all places of the image."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.require(Screen(self.image, request.user).may_decline)
        try:
            rows = actions.use_crop_everywhere(self.image, user=request.user, undoable=True)
        except Refused as error:
            return self.refuse(str(error))
        text = ngettext(
            "The crop is chosen in %(count)d place.",
            "The crop is chosen in %(count)d places.",
            len(rows),
        )
        return self.answer_undoable(text % {"count": len(rows)}, rows)


class OptOutView(ActionMixin):
    """Opt the image out of recomposition, or in again if `allow` is posted."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.require(self.may_smart_resize)
        form = OptOutForm(request.POST)
        allow = bool(request.POST.get("allow"))
        if not allow and not form.is_valid():
            return self.refuse(" ".join(map(str, form.errors["reason"])))
        try:
            if allow:
                actions.opt_in(self.image, user=request.user)
                return self.answer(_("The image may be sent to the service again."))
            actions.opt_out(self.image, user=request.user, **form.cleaned_data)
            return self.answer(_("The image is never sent to the service from now on."))
        except Refused as error:
            return self.refuse(str(error))
