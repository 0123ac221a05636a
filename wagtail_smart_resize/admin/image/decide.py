"""Views behind the buttons of an image's screen, except Generate."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from wagtail.admin import messages

from wagtail_smart_resize.admin.base import ImageMixin
from wagtail_smart_resize.editorial import actions
from wagtail_smart_resize.editorial.actions import Refused, ResizeTarget
from wagtail_smart_resize.models import GatewayRequest, Recomposition

from .forms import ChooseForm, FailedForm, OptOutForm, RowForm
from .screen import Screen
from .shape import Shape


class ActionMixin(ImageMixin):
    """Base view for a button. It acts on POST; GET, such as a reload, redirects to the screen."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return self.back()

    def back(self, shape: str = "") -> HttpResponseBase:
        """Redirect to the image's screen, at the section of the shape with this key if given."""
        url = reverse("smart_resize_admin:image", args=[self.image.pk])
        return redirect(f"{url}#shape-{shape}-section" if shape else url)

    def row_back(self, row: Recomposition) -> HttpResponseBase:
        """Redirect to the section of the row's shape."""
        return self.back(Shape(ResizeTarget.parse(row.slots[0]), [], row).key if row.slots else "")

    @property
    def rows(self) -> Any:
        return Recomposition.objects.filter(image_id=self.image.pk).select_related("image")

    def refuse(self, text: str) -> HttpResponseBase:
        """Redirect to the screen with an error message.

        If the image has been deleted, that is reported instead, as the cause of any other error.
        """
        if self.is_deleted:
            return self.gone()
        messages.error(self.request, text)
        return self.back()


class ChooseView(ActionMixin):
    """Choose a candidate or the standard crop: recorded at once, published seconds later."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        form = ChooseForm(request.POST, rows=self.rows)
        if not form.is_valid():
            return self.refuse(_("This picture is not there any more: nothing was changed."))
        row, candidate = form.cleaned_data["row"], form.cleaned_data.get("candidate")
        screen = Screen(self.image, request.user)
        self.require(screen.may_choose if candidate else screen.may_decline)
        try:
            self._record(row, candidate)
        except Refused as error:
            return self.refuse(str(error))
        return self.row_back(row)

    def _record(self, row: Recomposition, candidate: Any) -> None:
        if candidate:
            actions.choose(candidate, user=self.request.user)
            text = _("Your choice is recorded. Visitors see it in a few seconds.")
        else:
            actions.use_crop(row, user=self.request.user)
            text = _("Recorded: visitors see the standard crop. No picture is lost.")
        messages.success(self.request, text)


class FailedView(ActionMixin):
    """Retry a failed purchase, check its status again, or dismiss it."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.require(self.may_smart_resize)
        form = FailedForm(request.POST, rows=self.rows)
        if not form.is_valid():
            return self.refuse(_("This shape is not there any more: nothing was done."))
        row = form.cleaned_data["row"]
        try:
            text = self._perform(row, form.cleaned_data["action"], form.cleaned_data["key"])
        except Refused as error:
            return self.refuse(str(error))
        messages.success(request, text)
        return self.row_back(row)

    def _perform(self, row: Recomposition, action: str, key: Any) -> str:
        user = self.request.user
        if action == FailedForm.RECHECK:
            actions.recheck_status(row, user=user)
            return _("The service is being asked what became of it. Nothing is bought.")
        if action == FailedForm.DISMISS:
            actions.dismiss_failure(row, user=user)
            return _("Left as it is. Nothing is bought.")
        if GatewayRequest.objects.filter(image_id=self.image.pk, batch=key).exists():
            return _("This had been asked for already: nothing was bought twice.")
        actions.retry(row, user=user, key=key)
        return _("It is being tried again.")


class CallOffView(ActionMixin):
    """Call off a purchase that has not been sent yet."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.require(self.may_smart_resize)
        form = RowForm(request.POST, rows=self.rows)
        if not form.is_valid():
            return self.refuse(_("This shape is not there any more: nothing was done."))
        row = form.cleaned_data["row"]
        try:
            count = actions.call_off(row, user=request.user)
        except Refused as error:
            return self.refuse(str(error))
        messages.success(
            request,
            ngettext(
                "Called off: nothing is bought.",
                "Called off, for all %(count)d shapes that were asked for together.",
                count,
            )
            % {"count": count},
        )
        return self.row_back(row)


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
                text = _("The image may be sent to the service again.")
            else:
                reason = form.cleaned_data["reason"]
                actions.opt_out(self.image, user=request.user, reason=reason)
                text = _("The image is never sent to the service from now on.")
        except Refused as error:
            return self.refuse(str(error))
        messages.success(request, text)
        return self.back()
