"""The bulk action's form."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from wagtail_smart_resize.admin.image.shape import written
from wagtail_smart_resize.core.sizes import Slot
from wagtail_smart_resize.editorial.actions import ResizeTarget
from wagtail_smart_resize.settings import settings

#: Maximum number of sizes that can be typed, in addition to presets.
MAX_SIZES = 10


def preset_choices() -> list[tuple[str, Any]]:
    return [
        (name, format_html("{} ({})", preset.label, written(preset.slot.size)))
        for name, preset in settings.PRESETS.items()
    ]


class BulkForm(forms.Form):
    """Form for the shapes to recompose the selected images into."""

    presets = forms.MultipleChoiceField(
        label=gettext_lazy("Presets"),
        required=False,
        choices=preset_choices,
        widget=forms.CheckboxSelectMultiple,
    )
    sizes = forms.CharField(
        label=gettext_lazy("Other sizes, in pixels"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("Several are separated by commas."),
        widget=forms.TextInput(attrs={"placeholder": "1080x1350, 600x600", "dir": "ltr"}),
    )
    override_rules = forms.BooleanField(
        label=gettext_lazy("Even where the crop would do"),
        required=False,
        help_text=gettext_lazy(
            "Where the crop keeps enough of the picture, where it is shown small, and where no "
            "published page uses it."
        ),
    )
    #: Idempotency key: submitting the same form twice buys once.
    key = forms.UUIDField(widget=forms.HiddenInput(attrs={"autocomplete": "off"}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not settings.PRESETS:
            del self.fields["presets"]

    def clean_sizes(self) -> list[Slot]:
        text = re.sub(r"(\d)\s*[x×]\s*(\d)", r"\1x\2", self.cleaned_data["sizes"].lower())
        sizes = [_slot(word) for word in re.split(r"[\s,;]+", text) if word]
        if len(sizes) > MAX_SIZES:
            raise ValidationError(
                _("Write no more than %(most)d sizes."), "too_many", {"most": MAX_SIZES}
            )
        return sizes

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not self.errors and not self.targets:
            raise ValidationError(_("Choose a preset, or write a size."), "nothing")
        return data

    @property
    def targets(self) -> list[ResizeTarget]:
        """Return the targets chosen: presets first, then typed sizes."""
        given = self.cleaned_data
        presets = [ResizeTarget.parse(name) for name in given.get("presets", ())]
        return [*presets, *(ResizeTarget(slot) for slot in given.get("sizes", ()))]


def _slot(text: str) -> Slot:
    try:
        return Slot.parse(text)
    except ValueError as error:
        raise ValidationError(
            _("“%(text)s” is no size. Write width x height in pixels, such as 1080x1350."),
            "invalid",
            {"text": text},
        ) from error
