"""The view of an image's screen."""

from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponseBase
from django.urls import NoReverseMatch, reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from wagtail.admin.views.generic import WagtailAdminTemplateMixin
from wagtail.admin.widgets import Button, HeaderButton

from wagtail_smart_resize.admin.base import ImageMixin, edit_url
from wagtail_smart_resize.integrity import extra
from wagtail_smart_resize.models import OptOut

from . import focal, progress
from .forms import OptOutForm, SizeForm
from .room import has_shortcuts
from .screen import Screen


class ImageView(ImageMixin, WagtailAdminTemplateMixin):
    """GET: the screen. `?size=1080x1350` or `?size=16:9` shows another place in it, and
    `?place=` the key of a place opens its room. Nothing is stored.
    """

    page_title = gettext_lazy("Smart resize")
    header_icon = "smart-resize"
    template_name = "wagtail_smart_resize/image/screen.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return self.render_to_response(self.get_context_data())

    @cached_property
    def size_form(self) -> SizeForm:
        sent = self.request.GET if "size" in self.request.GET else None
        return SizeForm(sent)

    @cached_property
    def screen(self) -> Screen:
        return Screen(self.image, self.request.user, self.size_form.typed)

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
        return super().get_context_data(
            screen=screen,
            image=self.image,
            history_url=reverse("smart_resize_admin:history", args=[self.image.pk]),
            optout=OptOut.objects.select_related("user").filter(image_id=self.image.pk).first(),
            opt_out_form=OptOutForm(live=screen.live),
            size_form=self.size_form,
            summary=progress.summary(screen),
            sheet_etag=progress.etag_of(screen),
            opened_url=self._opened_url(screen),
            usage_url=self._usage_url,
            may_move_focal_area=focal.may_move(self.request.user, self.image),
            finds_faces=extra.finds_faces(),
            shortcuts=has_shortcuts(self.request.user),
            **kwargs,
        )

    @property
    def _usage_url(self) -> str:
        """Return the address of Wagtail's list of what refers to the image; "" if it has none."""
        try:
            return reverse("wagtailimages:image_usage", args=[self.image.pk])
        except NoReverseMatch:
            return ""

    def _opened_url(self, screen: Screen) -> str:
        """Return the address of the room that opens by itself, or ""."""
        typed = screen.typed_place
        place = screen.find_by_key(self.request.GET.get("place", "")) or typed
        if place is None:
            return ""
        url = reverse("smart_resize_admin:room", args=[self.image.pk, place.key])
        return f"{url}?size={quote(str(place.slot))}" if place is typed else url
