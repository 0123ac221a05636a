"""The bulk action's form."""

import re
from collections import Counter
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from wagtail_smart_resize.actions import ResizeTarget
from wagtail_smart_resize.admin.image.place import written
from wagtail_smart_resize.core.sizes import Slot, size_of_ratio
from wagtail_smart_resize.rules.verdict import Usage
from wagtail_smart_resize.settings import settings

#: Maximum number of sizes that can be typed, in addition to presets.
MAX_SIZES = 10


#: Images by what Wagtail's reference index knows of the pages that show them.
USES: dict[str, tuple[Any, tuple[Usage, ...]]] = {
    "published": (gettext_lazy("Shown on published pages"), (Usage.PUBLISHED,)),
    "unknown": (gettext_lazy("Used in snippets or settings"), (Usage.UNKNOWN,)),
    "none": (
        gettext_lazy("On no published page that is known"),
        (Usage.UNPUBLISHED, Usage.NONE),
    ),
}


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
        label=gettext_lazy("Other sizes or ratios"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("Several are separated by commas."),
        widget=forms.TextInput(attrs={"placeholder": "1080x1350, 16:9", "dir": "ltr"}),
    )
    uses = forms.MultipleChoiceField(
        label=gettext_lazy("Which of them"),
        choices=[(each, USES[each][0]) for each in USES],
        initial=["published", "unknown"],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": gettext_lazy("Choose at least one kind of image.")},
    )
    override_rules = forms.BooleanField(
        label=gettext_lazy("Include images that crop well"),
        required=False,
        help_text=gettext_lazy(
            "Where the crop keeps enough of the picture, and where it is shown small."
        ),
    )
    use_at_once = forms.BooleanField(
        label=gettext_lazy("Use them at once"),
        required=False,
        help_text=gettext_lazy(
            "Otherwise visitors keep seeing what they see now until somebody chooses."
        ),
    )
    #: Idempotency key: submitting the same form twice buys once.
    key = forms.UUIDField(widget=forms.HiddenInput(attrs={"autocomplete": "off"}))

    def __init__(self, *args: Any, found: Counter[Usage], may_choose: bool, **kwargs: Any) -> None:
        """`found`: the number of images of each use. `may_choose`: what is live for all of them."""
        super().__init__(*args, **kwargs)
        if not settings.PRESETS:
            del self.fields["presets"]
        if not may_choose:
            del self.fields["use_at_once"]
        uses: Any = self.fields["uses"]
        uses.choices = [
            (name, f"{label} ({sum(found[use] for use in kinds)})")
            for name, (label, kinds) in USES.items()
        ]

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
    def uses_chosen(self) -> list[Usage]:
        return [use for name in self.cleaned_data["uses"] for use in USES[name][1]]

    @property
    def targets(self) -> list[ResizeTarget]:
        """Return the targets chosen: presets first, then typed sizes."""
        given = self.cleaned_data
        presets = [ResizeTarget.parse(name) for name in given.get("presets", ())]
        return [*presets, *(ResizeTarget(slot) for slot in given.get("sizes", ()))]


def _slot(text: str) -> Slot:
    try:
        size = size_of_ratio(text)
        return Slot(size) if size else Slot.parse(text)
    except ValueError as error:
        raise ValidationError(
            _(
                "“%(text)s” is not a size. Write width x height in pixels, such as 1080x1350, or a "
                "ratio such as 16:9."
            ),
            "invalid",
            {"text": text},
        ) from error
