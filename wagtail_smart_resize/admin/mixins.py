"""Mixins for a site's own admin views. See docs/reference/python.md."""

from typing import Any

from django.utils.functional import cached_property

from wagtail_smart_resize.core.schema import schema

from .wagtail_screens import attach

__all__ = ["SmartResizeEditViewMixin"]


class SmartResizeEditViewMixin:
    """Add the header menu entry and the side panel to a site's own image edit view.

        class ImageEditView(SmartResizeEditViewMixin, wagtail.images.views.images.EditView):
            ...

        @hooks.register("register_admin_urls", order=-10)
        def image_edit_url():
            return [path("images/<int:image_id>/", ImageEditView.as_view())]

    It is for sites that replace Wagtail's edit view or have `EXTEND_IMAGE_VIEWS` off: the mixin
    works whatever that setting says. Where the app is not migrated, or fails, the view is shown as
    it would be without it.
    """

    @cached_property
    def header_more_buttons(self) -> list[Any]:
        buttons = super().header_more_buttons  # type: ignore[misc]
        return self._extended(buttons, "add_edit_button")  # type: ignore[no-any-return]

    def get_side_panels(self) -> Any:
        return self._extended(super().get_side_panels(), "add_side_panel")  # type: ignore[misc]

    def _extended(self, value: Any, by: str) -> Any:
        return attach.extended(self, value, by, if_=schema.is_current)
