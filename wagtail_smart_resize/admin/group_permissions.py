"""The app's collection permissions in Wagtail's group editor."""

from functools import cache
from typing import Any

from django.utils.translation import gettext_lazy as _
from wagtail.admin.forms.collections import collection_member_permission_formset_factory

from wagtail_smart_resize.models import Recomposition

TEMPLATE = "wagtail_smart_resize/group_permissions/formset.html"

#: Codename, column heading and checkbox label of each permission.
RIGHTS = [
    ("smart_resize_recomposition", _("Smart resize"), _("Smart resize images")),
    ("approve_recomposition", _("Approve"), _("Approve AI versions in review")),
]


@cache
def permission_panel() -> Any:
    """Return the formset class: a row for each collection in which the group has a permission."""
    formset: Any = collection_member_permission_formset_factory(
        Recomposition, RIGHTS, TEMPLATE, default_prefix="smart_resize_permissions"
    )

    class PermissionFormSet(formset):
        """Leaves the permissions as they are if a form of the site's own comes without them."""

        @property
        def is_left_out(self) -> bool:
            return self.is_bound and f"{self.prefix}-TOTAL_FORMS" not in self.data

        def is_valid(self) -> bool:
            return self.is_left_out or bool(super().is_valid())

        def save(self) -> None:
            if not self.is_left_out:
                super().save()

    return PermissionFormSet
