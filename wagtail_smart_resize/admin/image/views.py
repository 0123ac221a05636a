"""Views of an image's screen and of Generate, which shows the screen again on errors."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from wagtail.admin import messages
from wagtail.admin.views.generic import WagtailAdminTemplateMixin
from wagtail.admin.widgets import Button, HeaderButton

from wagtail_smart_resize.admin.base import ImageMixin, edit_url
from wagtail_smart_resize.editorial import actions
from wagtail_smart_resize.editorial.actions import Refused, ResizeTarget
from wagtail_smart_resize.models import GatewayRequest, OptOut

from . import price_preview, progress
from .decide import ActionMixin
from .forms import GenerateForm, OptOutForm, SizeForm
from .screen import Screen
from .shape import Shape


class ScreenMixin(ImageMixin, WagtailAdminTemplateMixin):
    """Render an image's screen, with a rejected form as it was filled in."""

    page_title = gettext_lazy("Smart resize")
    header_icon = "smart-resize"
    template_name = "wagtail_smart_resize/image/screen.html"

    #: Rejected form, which names its shape by `what`.
    turned_down: GenerateForm | None = None

    @cached_property
    def size_form(self) -> SizeForm:
        sent = self.request.GET if "size" in self.request.GET else None
        return SizeForm(sent)

    @cached_property
    def screen(self) -> Screen:
        return Screen(self.image, self.request.user, self.typed)

    @property
    def typed(self) -> ResizeTarget | None:
        """Return the size that the editor has typed, if valid."""
        form = self.size_form
        return form.cleaned_data["size"] if form.is_bound and form.is_valid() else None

    @property
    def url(self) -> str:
        return reverse("smart_resize_admin:image", args=[self.image.pk])

    def get_page_subtitle(self) -> str:
        return self.image.title

    def get_breadcrumbs_items(self) -> list[dict[str, Any]]:
        return [
            *super().get_breadcrumbs_items(),
            {"url": reverse("wagtailimages:index"), "label": _("Images")},
            *self._edit_item(),
            {"url": "", "label": self.page_title, "sublabel": self.image.title},
        ]

    def _edit_item(self) -> list[dict[str, Any]]:
        url = edit_url(self.image)
        return [{"url": url, "label": self.image.title}] if url else []

    @property
    def header_buttons(self) -> list[Button]:
        url = edit_url(self.image)
        return [HeaderButton(_("Edit"), url=url, icon_name="edit")] if url else []

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        screen = self.screen
        for shape in screen.shapes:
            shape.generate = self.generate_form(shape)
        return super().get_context_data(
            screen=screen,
            image=self.image,
            history_url=self.history_url,
            optout=OptOut.objects.select_related("user").filter(image_id=self.image.pk).first(),
            opt_out_form=OptOutForm(),
            size_form=self.size_form,
            summary=progress.summary(screen),
            offer=price_preview.PricePreview.now(),
            **kwargs,
        )

    @property
    def history_url(self) -> str:
        return reverse("smart_resize_admin:history", args=[self.image.pk])

    def generate_form(self, shape: Shape) -> GenerateForm | None:
        """Return the shape's form, bound if it was rejected; None if nothing can be requested."""
        if not shape.may_ask or shape.recipe is None:
            return None
        sent = self.turned_down
        if sent is not None and sent.data.get("what") == shape.what:
            sent.auto_id = f"id_{shape.key}_%s"
            return sent
        return GenerateForm.blank(
            shape.key,
            shape.recipe,
            what=shape.what,
            source=self.image.file_hash,
            override_rules=not shape.verdict.allowed,
        )


class ImageView(ScreenMixin):
    """GET: the screen. `?size=1080x1350` shows another shape in it, without storing anything."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return self.render_to_response(self.get_context_data())


class AskView(ActionMixin, ScreenMixin):
    """POST: request pictures of one shape (the Generate button)."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.require(self.may_smart_resize)
        form, shape = GenerateForm(request.POST), self.shape
        if shape is None:
            gone = _("This shape is not there any more: nothing was bought.")
            return self.refuse(str(actions.file_replaced_error()) if self.is_replaced else gone)
        if not form.is_valid():
            return self._show_again(form)
        try:
            repeated = self._ask(form, shape)
        except Refused as error:
            form.add_error(None, str(error))
            return self._show_again(form)
        self._add_message(shape, form.cleaned_data["candidates"], repeated)
        return self.back(shape.key)

    @property
    def typed(self) -> ResizeTarget | None:
        """Return the target that the form names, for a shape that has no row yet."""
        try:
            return ResizeTarget.parse(self.request.POST.get("what", ""))
        except ValueError:
            return None

    @property
    def shape(self) -> Shape | None:
        what = self.request.POST.get("what", "")
        return self.screen.find(what) or self.screen.typed_shape

    @property
    def is_replaced(self) -> bool:
        """Return whether the image's file has changed since the editor saw it.

        The old file's shapes have then gone.
        """
        seen = self.request.POST.get("source")
        return bool(seen) and seen != self.image.file_hash

    def _ask(self, form: GenerateForm, shape: Shape) -> bool:
        """Make the request; return whether the same form had been submitted before.

        Raises Refused, also if the image's file was replaced.
        """
        given = form.cleaned_data
        if self.is_replaced:
            raise actions.file_replaced_error()
        before = GatewayRequest.objects.filter(image_id=self.image.pk, batch=given["key"])
        repeated = before.exists()
        actions.request_recomposition(
            self.image,
            [shape.target],
            user=self.request.user,
            options=form.options,
            override_rules=given["override_rules"],
            key=given["key"],
        )
        return repeated

    def _show_again(self, form: GenerateForm) -> HttpResponseBase:
        """Show the screen again with the rejected form, and with the image's current file."""
        if self.is_deleted:
            return self.gone()
        del self.image, self.screen
        messages.validation_error(self.request, _("Nothing was bought: see below."), form)
        data = self.request.POST.copy()
        data["source"] = self.image.file_hash
        form.data = data
        self.turned_down = form
        return self.render_to_response(self.get_context_data())

    def _add_message(self, shape: Shape, count: int, repeated: bool) -> None:
        if repeated:
            text = _("This had been asked for already: nothing was bought twice.")
            messages.warning(self.request, text)
            return
        text = ngettext(
            "One picture is being made. It appears here when it is ready.",
            "%(count)d pictures are being made. They appear here when they are ready.",
            count,
        ) % {"count": count}
        messages.success(self.request, text)
