"""The dialog in which an editor asks for AI versions, for one place or several."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from wagtail_smart_resize import actions
from wagtail_smart_resize.actions import Refused, ResizeTarget
from wagtail_smart_resize.core.keys import parse_key
from wagtail_smart_resize.editorial.refusals import file_replaced_error
from wagtail_smart_resize.models import Candidate, GatewayRequest
from wagtail_smart_resize.settings import settings

from . import price_preview
from .answers import ActionMixin
from .forms import MakeForm
from .place import Place
from .screen import Screen


class MakeView(ActionMixin):
    """GET `?what=…`: the form for these places. POST: ask for the versions.

    `?from=` the id of a version fills in what it was asked for with. A form that is not accepted is
    shown again, with the status 422.
    """

    template_name = "wagtail_smart_resize/image/make.html"

    @cached_property
    def screen(self) -> Screen:
        return Screen(self.image, self.request.user)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.require(self.may_smart_resize)
        found = self._places(request.GET.getlist("what"))
        if not found or not all(place.may_ask for place in found):
            return self.refuse(self._why_not(found))
        return self._show(self._blank(found), found)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.require(self.may_smart_resize)
        form = MakeForm(request.POST)
        found = self._places(request.POST.getlist("what"))
        if self._is_replaced:
            return self.refuse(str(file_replaced_error()))
        if not found:
            return self.refuse(_("This place is not there any more: nothing was bought."))
        if not form.is_valid():
            return self._show_again(form, found)
        if form.cleaned_data["use_at_once"]:
            self.require(self.screen.may_choose)
        try:
            return self.answer(self._ask(form, found))
        except Refused as error:
            form.add_error(None, str(error))
            return self._show_again(form, found)

    def _places(self, whats: list[str]) -> list[Place]:
        """Return the places that are meant; one that no template has asked for is as good."""
        found = []
        for what in dict.fromkeys(whats):
            place = self.screen.find(what) or self._typed(what)
            if place is not None:
                found.append(place)
        return found

    def _typed(self, what: str) -> Place | None:
        try:
            target = ResizeTarget.parse(what)
        except ValueError:
            return None
        return Screen(self.image, self.request.user, target).typed_place

    @property
    def _is_replaced(self) -> bool:
        """Return whether the image's file has changed since the editor saw it."""
        seen = self.request.POST.get("source")
        return bool(seen) and seen != self.image.file_hash

    def _why_not(self, found: list[Place]) -> str:
        refusing = next((place for place in found if not place.may_ask), None)
        if refusing is None:
            return _("This place is not there any more.")
        if refusing.is_sent:
            return _("A version for this place is being made already.")
        return str(refusing.verdict_text)

    def _blank(self, found: list[Place]) -> MakeForm:
        recipes = {place.recipe for place in found if place.recipe}
        recipe = next(iter(recipes))
        before = self._version(found[0])
        return MakeForm.blank(
            prompt=before.prompt if before else recipe.prompt if len(recipes) == 1 else "",
            resolution=before.resolution if before else recipe.resolution,
            what=[place.what for place in found],
            source=self.image.file_hash,
            override_rules=not all(place.verdict.allowed for place in found),
            has_several_recipes=len(recipes) > 1,
        )

    def _version(self, place: Place) -> GatewayRequest | None:
        """Return the request of the version that is to be refined."""
        key = parse_key(Candidate, self.request.GET.get("from", ""))
        asked = (each.candidate for each in place.versions if each.candidate)
        return next((each.bought_with for each in asked if each.pk == key), None)

    def _show_again(self, form: MakeForm, found: list[Place]) -> HttpResponseBase:
        """Show the form with what is wrong in it; nothing of it if the image has been deleted."""
        return self.gone() if self.is_deleted else self._show(form, found, status=422)

    def _show(self, form: MakeForm, found: list[Place], status: int = 200) -> HttpResponseBase:
        context = {
            "form": form,
            "places": found,
            "image": self.image,
            "screen": self.screen,
            "offer": price_preview.PricePreview.now(len(found)),
            "wishes": settings.WISHES,
            "notes": [place for place in found if not place.verdict.allowed],
        }
        return render(self.request, self.template_name, context, status=status)

    def _ask(self, form: MakeForm, found: list[Place]) -> str:
        """Ask for the versions and return what to say. Raises Refused."""
        given = form.cleaned_data
        if told := self.told_if_asked_before(given["key"]):
            return told
        actions.request_recomposition(
            self.image,
            [place.target for place in found],
            user=self.request.user,
            options=form.options,
            override_rules=given["override_rules"],
            key=given["key"],
        )
        count = given["candidates"] * len(found)
        text = ngettext(
            "One AI version is being made.", "%(count)d AI versions are being made.", count
        )
        return text % {"count": count}
