"""Mixins for a site's own admin views. See docs/reference/python.md."""

from typing import Any

from django.utils.functional import cached_property

__all__ = ["SmartResizeEditViewMixin"]


class SmartResizeEditViewMixin:
    """Add the header menu entry and the side panel to a site's own image edit view.

        class ImageEditView(SmartResizeEditViewMixin, wagtail.images.views.images.EditView):
            ...

        @hooks.register("register_admin_urls", order=-10)
        def image_edit_url():
            return [path("images/<int:image_id>/", ImageEditView.as_view())]

    It is for sites that replace Wagtail's edit view or have `EXTEND_IMAGE_VIEWS` off: the mixin
    works whatever that setting says.
    """

    @cached_property
    def header_more_buttons(self) -> list[Any]:
        from .wagtail_screens import additions

        return additions.add_edit_button(self, super().header_more_buttons)  # type: ignore[misc]

    def get_side_panels(self) -> Any:
        from .wagtail_screens import additions

        return additions.add_side_panel(self, super().get_side_panels())  # type: ignore[misc]
