"""Forms of an image's screen."""

import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from wagtail.admin.widgets import AdminAutoHeightTextInput

from wagtail_smart_resize.core.keys import parse_key
from wagtail_smart_resize.core.sizes import RESOLUTIONS
from wagtail_smart_resize.editorial.actions import GenerationOptions, ResizeTarget
from wagtail_smart_resize.models import Candidate, Recomposition
from wagtail_smart_resize.settings import Recipe, settings

MAX_CANDIDATES = 4
MAX_SEED = 2**31 - 1


class GenerateForm(forms.Form):
    """Form to request another picture of one shape."""

    prompt = forms.CharField(
        label=_("Instruction"),
        required=False,
        max_length=2000,
        widget=AdminAutoHeightTextInput(attrs={"rows": 1}),
        help_text=_("What matters in this picture. Empty: the service decides by itself."),
    )
    candidates = forms.TypedChoiceField(
        label=_("Number of pictures"),
        coerce=int,
        choices=[(number, number) for number in range(1, MAX_CANDIDATES + 1)],
    )
    resolution = forms.ChoiceField(
        label=_("Resolution"), choices=[(tier, tier) for tier in RESOLUTIONS]
    )
    seed = forms.IntegerField(
        label=_("Seed"),
        required=False,
        min_value=0,
        max_value=MAX_SEED,
    )
    #: Idempotency key: submitting the same form twice buys once.
    key = forms.UUIDField(widget=forms.HiddenInput(attrs={"autocomplete": "off"}))
    #: Hash of the file that the editor saw.
    source = forms.CharField(required=False, widget=forms.HiddenInput)
    what = forms.CharField(widget=forms.HiddenInput)
    override_rules = forms.BooleanField(required=False, widget=forms.HiddenInput)

    @classmethod
    def blank(cls, prefix: str, recipe: Recipe, **initial: Any) -> "GenerateForm":
        """Return an unbound form with the recipe's values; `prefix` prefixes its HTML ids."""
        return cls(
            auto_id=f"id_{prefix}_%s",
            initial={
                "prompt": recipe.prompt,
                "resolution": recipe.resolution,
                "candidates": min(settings.CANDIDATES, MAX_CANDIDATES),
                "key": uuid.uuid4(),
                **initial,
            },
        )

    @property
    def options(self) -> GenerationOptions:
        given = self.cleaned_data
        return GenerationOptions(
            given["prompt"], given["resolution"], given["candidates"], given["seed"]
        )

    @property
    def count(self) -> int:
        """Return the number of pictures chosen, even if the form is unbound or invalid."""
        try:
            return min(max(int(self["candidates"].value()), 1), MAX_CANDIDATES)
        except (TypeError, ValueError):
            return 1


class SizeForm(forms.Form):
    """Form for a size that no template has asked for yet."""

    size = forms.CharField(
        label=_("Another size, in pixels"),
        required=False,
        max_length=32,
        widget=forms.TextInput(attrs={"placeholder": "1080x1350", "dir": "ltr"}),
    )

    def clean_size(self) -> ResizeTarget | None:
        text = self.cleaned_data["size"].lower().replace("×", "x").replace(" ", "")
        if not text:
            return None
        try:
            return ResizeTarget.parse(text)
        except ValueError as error:
            raise forms.ValidationError(
                _("Write width x height in pixels, such as 1080x1350."), code="invalid"
            ) from error


class RowForm(forms.Form):
    """Form that names one of the image's recompositions."""

    row = forms.ModelChoiceField(Recomposition.objects.none())

    def __init__(self, *args: Any, rows: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["row"].queryset = rows  # type: ignore[attr-defined]


class ChooseForm(RowForm):
    """Form for the picture that visitors see: the crop or one of the row's candidates."""

    CROP = "crop"

    choice = forms.CharField()

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        row, choice = data.get("row"), data.get("choice")
        if row and choice and choice != self.CROP:
            ours = row.candidates.filter(stored=True)
            data["candidate"] = ours.filter(pk=parse_key(Candidate, choice)).first()
            if data["candidate"] is None:
                raise forms.ValidationError(_("This picture is not there any more."))
        return data


class FailedForm(RowForm):
    """Form for what to do about a failed purchase."""

    RETRY, RECHECK, DISMISS = "retry", "recheck", "dismiss"

    action = forms.ChoiceField(choices=[(RETRY, RETRY), (RECHECK, RECHECK), (DISMISS, DISMISS)])
    key = forms.UUIDField()


class OptOutForm(forms.Form):
    """Form for the reason why an image is never sent to the service."""

    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=1000,
        help_text=_("For your colleagues, such as: we may not change this person's portrait."),
    )
