"""Our rights by collection, in the editor of Wagtail's groups."""

from functools import cache
from typing import Any

from django.utils.translation import gettext_lazy as _
from wagtail.admin.forms.collections import collection_member_permission_formset_factory

from wagtail_smart_resize.models import Recomposition

TEMPLATE = "wagtail_smart_resize/group_permissions/formset.html"

#: Codename, heading of its column, label of its tick box.
RIGHTS = [
    ("smart_resize_recomposition", _("Smart resize"), _("Smart resize images")),
    ("approve_recomposition", _("Approve"), _("Approve recomposed pictures in review")),
]


@cache
def permission_panel() -> Any:
    """The formset: a row for each collection in which the group has any of our rights."""
    return collection_member_permission_formset_factory(
        Recomposition, RIGHTS, TEMPLATE, default_prefix="smart_resize_permissions"
    )
