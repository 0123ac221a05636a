"""An image's screen, and Generate, which shows it again if it is turned down."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from wagtail.admin import messages
from wagtail.admin.views.generic import WagtailAdminTemplateMixin
from wagtail.admin.widgets import Button, HeaderButton

from wagtail_smart_resize.admin.base import ImageMixin
from wagtail_smart_resize.editorial import actions
from wagtail_smart_resize.editorial.actions import Refused, Wish
from wagtail_smart_resize.models import GatewayRequest, OptOut

from . import price_preview, progress
from .decide import ActionMixin
from .forms import GenerateForm, OptOutForm, SizeForm
from .screen import Screen
from .shape import Shape


class ScreenMixin(ImageMixin, WagtailAdminTemplateMixin):
    """Renders an image's screen; a form that was turned down is shown as it was filled in."""

    page_title = gettext_lazy("Smart resize")
    header_icon = "smart-resize"
    template_name = "wagtail_smart_resize/image/screen.html"

    #: What was sent and could not be done: the form, and the `what` of its shape.
    turned_down: GenerateForm | None = None

    @cached_property
    def size_form(self) -> SizeForm:
        sent = self.request.GET if "size" in self.request.GET else None
        return SizeForm(sent)

    @cached_property
    def screen(self) -> Screen:
        return Screen(self.image, self.request.user, self.typed)

    @property
    def typed(self) -> Wish | None:
        """The size that the editor has typed, if it is one."""
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
            {"url": self.edit_url, "label": self.image.title},
            {"url": "", "label": self.page_title, "sublabel": self.image.title},
        ]

    @property
    def edit_url(self) -> str:
        return reverse("wagtailimages:edit", args=[self.image.pk])

    @property
    def header_buttons(self) -> list[Button]:
        return [HeaderButton(_("Edit"), url=self.edit_url, icon_name="edit")]

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
            offer=price_preview.Offer.now(),
            **kwargs,
        )

    @property
    def history_url(self) -> str:
        return reverse("smart_resize_admin:history", args=[self.image.pk])

    def generate_form(self, shape: Shape) -> GenerateForm | None:
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
            overrule=not shape.verdict.allowed,
        )


class ImageView(ScreenMixin):
    """GET: the screen. `?size=1080x1350` adds a shape to it, and changes nothing."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return self.render_to_response(self.get_context_data())


class AskView(ActionMixin, ScreenMixin):
    """Generate: asks for pictures of one shape."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.require(self.may_smart_resize)
        form, shape = GenerateForm(request.POST), self.shape
        if shape is None:
            gone = _("This shape is not there any more: nothing was bought.")
            return self.refuse(str(actions.replaced()) if self.is_replaced else gone)
        if not form.is_valid():
            return self._again(form)
        try:
            repeated = self._ask(form, shape)
        except Refused as error:
            form.add_error(None, str(error))
            return self._again(form)
        self._tell(shape, form.cleaned_data["candidates"], repeated)
        return self.back(shape.key)

    @property
    def typed(self) -> Wish | None:
        """A size that has no row yet comes back in the form."""
        try:
            return Wish.parse(self.request.POST.get("what", ""))
        except ValueError:
            return None

    @property
    def shape(self) -> Shape | None:
        what = self.request.POST.get("what", "")
        return self.screen.find(what) or self.screen.typed_shape

    @property
    def is_replaced(self) -> bool:
        """Whether the image has another file than the editor saw. Its shapes go with the old."""
        seen = self.request.POST.get("source")
        return bool(seen) and seen != self.image.file_hash

    def _ask(self, form: GenerateForm, shape: Shape) -> bool:
        """Ask, and tell whether this very press of the button had been answered before."""
        given = form.cleaned_data
        if self.is_replaced:
            raise actions.replaced()
        before = GatewayRequest.objects.filter(image_id=self.image.pk, batch=given["key"])
        repeated = before.exists()
        actions.ask(
            self.image,
            [shape.wish],
            user=self.request.user,
            wording=form.wording,
            overrule=given["overrule"],
            key=given["key"],
        )
        return repeated

    def _again(self, form: GenerateForm) -> HttpResponseBase:
        """The screen once more, with all that was typed. A replaced file is seen from now on."""
        if self.is_deleted:
            return self.gone()
        del self.image, self.screen
        messages.validation_error(self.request, _("Nothing was bought: see below."), form)
        data = self.request.POST.copy()
        data["source"] = self.image.file_hash
        form.data = data
        self.turned_down = form
        return self.render_to_response(self.get_context_data())

    def _tell(self, shape: Shape, count: int, repeated: bool) -> None:
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
