"""The filters of the review queue, by collection, batch, asker and check, and its order."""

from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _
from wagtail.admin.utils import get_user_display_name
from wagtail.models import Collection

from wagtail_smart_resize.admin.report import filters as report_filters
from wagtail_smart_resize.editorial import integrity, listings
from wagtail_smart_resize.settings import settings

LEAST_TRUE = "least_true"
#: The rows of which any version was checked.
CHECKED = integrity.with_verdict("differs") | integrity.with_verdict("passed")


class ReviewFilters(forms.Form):
    """Only values that occur in what the user may see are offered."""

    collection = forms.ModelChoiceField(
        Collection.objects.none(), label=_("Collection"), required=False, empty_label=_("all")
    )
    batch = forms.ChoiceField(label=_("Batch"), required=False)
    asked_by = forms.ModelChoiceField(
        get_user_model()._default_manager.none(),
        label=_("Asked by"),
        required=False,
        empty_label=_("anyone"),
    )
    check = forms.ChoiceField(
        label=_("Check"), required=False, choices=[("", _("all")), *integrity.CHOICES]
    )
    order = forms.ChoiceField(
        label=_("Order"),
        required=False,
        choices=[("", _("the oldest first")), (LEAST_TRUE, _("what differs most first"))],
    )

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = listings.visible_to(user)
        waiting = mine.awaiting_review()
        here = waiting.filter(collection_id=OuterRef("pk"))
        asked = waiting.filter(asked_by=OuterRef("pk"))
        users = get_user_model()
        fields: dict[str, Any] = self.fields
        fields["collection"].queryset = Collection.objects.filter(Exists(here)).order_by("path")
        fields["asked_by"].queryset = users._default_manager.filter(Exists(asked)).order_by(
            users.USERNAME_FIELD
        )
        fields["asked_by"].label_from_instance = get_user_display_name
        if settings.integrity == "off" and not waiting.filter(CHECKED).exists():
            del fields["check"], fields["order"]
        known = report_filters.batch_choices(mine, self.data.get("batch"))
        fields["batch"].choices = [("", _("all")), *known]

    @property
    def condition(self) -> Q:
        """Return the condition on rows of the queue; an unusable value counts as none."""
        if not self.is_bound:
            return Q()
        self.is_valid()
        given, condition = self.cleaned_data, Q()
        if given.get("collection"):
            condition &= Q(collection_id=given["collection"].pk)
        if given.get("asked_by"):
            condition &= Q(asked_by=given["asked_by"])
        if given.get("batch"):
            condition &= Q(pk__in=report_filters.in_batch(given["batch"]))
        if given.get("check"):
            condition &= integrity.with_verdict(given["check"])
        return condition

    @property
    def ordered_by(self) -> Any:
        """Return an expression for the queue's order; None for its own, the oldest first."""
        if self.is_bound and self.is_valid() and self.cleaned_data.get("order") == LEAST_TRUE:
            return integrity.least_score()
        return None
