"""Forms of an image's screen."""

import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from wagtail.admin.widgets import AdminAutoHeightTextInput

from wagtail_smart_resize.actions import GenerationOptions, ResizeTarget
from wagtail_smart_resize.core.keys import parse_key
from wagtail_smart_resize.core.sizes import RESOLUTIONS, size_of_ratio
from wagtail_smart_resize.models import Candidate, Recomposition
from wagtail_smart_resize.settings import settings

MAX_CANDIDATES = 4
MAX_SEED = 2**31 - 1


class WhatField(forms.MultipleChoiceField):
    """The places that are meant, by their `what`: the view finds them among those of the image."""

    hidden_widget = forms.MultipleHiddenInput
    widget = forms.MultipleHiddenInput

    def valid_value(self, value: Any) -> bool:
        return True


class MakeForm(forms.Form):
    """Form to ask for AI versions for one or several places of an image."""

    prompt = forms.CharField(
        label=_("Prompt"),
        required=False,
        max_length=2000,
        widget=AdminAutoHeightTextInput(attrs={"rows": 2}),
    )
    candidates = forms.TypedChoiceField(
        label=_("Versions"),
        coerce=int,
        choices=[(number, number) for number in range(1, MAX_CANDIDATES + 1)],
        widget=forms.RadioSelect,
    )
    resolution = forms.ChoiceField(
        label=_("Sharpness"),
        choices=[(tier, tier) for tier in RESOLUTIONS],
        help_text=_("What the service draws: 1K for small places, 4K for very large ones."),
    )
    seed = forms.IntegerField(
        label=_("Seed"),
        required=False,
        min_value=0,
        max_value=MAX_SEED,
        help_text=_(
            "With the same number the service makes the same version again; without one, another "
            "each time."
        ),
    )
    use_at_once = forms.BooleanField(
        label=_("Use it at once"),
        required=False,
        help_text=_("Otherwise visitors keep seeing what they see now until somebody chooses."),
    )
    #: Idempotency key: submitting the same form twice buys once.
    key = forms.UUIDField(widget=forms.HiddenInput(attrs={"autocomplete": "off"}))
    #: Hash of the file that the editor saw.
    source = forms.CharField(required=False, widget=forms.HiddenInput)
    what = WhatField()
    override_rules = forms.BooleanField(required=False, widget=forms.HiddenInput)
    #: Whether the places have several recipes, each with a prompt of its own.
    has_several_recipes = forms.BooleanField(required=False, widget=forms.HiddenInput)

    #: Fields that most people never need.
    MORE = ("resolution", "seed")

    @classmethod
    def blank(cls, **initial: Any) -> "MakeForm":
        """Return an unbound form."""
        count = min(settings.CANDIDATES, MAX_CANDIDATES)
        return cls(initial={"candidates": count, "key": uuid.uuid4(), **initial})

    @property
    def options(self) -> GenerationOptions:
        given = self.cleaned_data
        keeps_prompts = given["has_several_recipes"] and not given["prompt"]
        return GenerationOptions(
            None if keeps_prompts else given["prompt"],
            given["resolution"],
            given["candidates"],
            given["seed"],
            use_at_once=given["use_at_once"],
            replaces_unsent=True,
        )

    @property
    def count(self) -> int:
        """Return the number of versions chosen, even if the form is unbound or invalid."""
        try:
            return min(max(int(self["candidates"].value()), 1), MAX_CANDIDATES)
        except (TypeError, ValueError):
            return 1

    @property
    def has_more_errors(self) -> bool:
        return any(name in self.errors for name in self.MORE)


class SizeForm(forms.Form):
    """Form for a size, or a ratio, that no template has asked for yet."""

    size = forms.CharField(
        label=_("Look at another size"),
        required=False,
        max_length=32,
        widget=forms.TextInput(attrs={"placeholder": "16:9, 1080x1350", "dir": "ltr"}),
    )

    def clean_size(self) -> ResizeTarget | None:
        text = self.cleaned_data["size"].lower().replace("×", "x").replace(" ", "")
        if not text:
            return None
        try:
            size = size_of_ratio(text)
            return ResizeTarget.parse(str(size) if size else text)
        except ValueError as error:
            raise forms.ValidationError(
                _("Write a ratio such as 16:9, or width x height in pixels, such as 1080x1350."),
                code="invalid",
            ) from error

    @property
    def typed(self) -> ResizeTarget | None:
        """Return what was typed; None if that is nothing, or no size."""
        return self.cleaned_data["size"] if self.is_valid() else None


class RowForm(forms.Form):
    """Form that names one of the image's recompositions."""

    row = forms.ModelChoiceField(Recomposition.objects.none())

    def __init__(self, *args: Any, rows: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["row"].queryset = rows  # type: ignore[attr-defined]


class ChooseForm(RowForm):
    """Form for what visitors see: the crop or one of the row's versions."""

    CROP = "crop"

    choice = forms.CharField()

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        row, choice = data.get("row"), data.get("choice")
        if row and choice and choice != self.CROP:
            ours = row.candidates.filter(stored=True)
            data["candidate"] = ours.filter(pk=parse_key(Candidate, choice)).first()
            if data["candidate"] is None:
                raise forms.ValidationError(_("This version is not there any more."))
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
    use_crop = forms.BooleanField(required=False)

    def __init__(self, *args: Any, live: int = 0, **kwargs: Any) -> None:
        """`live`: the number of places that could go back to the crop."""
        super().__init__(*args, **kwargs)
        self.fields["use_crop"].label = ngettext(
            "And go back to the crop in %(count)d place",
            "And go back to the crop in %(count)d places",
            live,
        ) % {"count": live}


class FocalAreaForm(forms.Form):
    """Form for an image's focal area, in pixels of the image; all empty for none."""

    left = forms.IntegerField(min_value=0, required=False)
    top = forms.IntegerField(min_value=0, required=False)
    width = forms.IntegerField(min_value=1, required=False)
    height = forms.IntegerField(min_value=1, required=False)

    def __init__(self, *args: Any, within: Any, **kwargs: Any) -> None:
        """`within`: the image's size."""
        super().__init__(*args, **kwargs)
        self._within = within

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        values: list[Any] = [data.get(name) for name in ("left", "top", "width", "height")]
        if any(value is not None for value in values):
            if None in values:
                raise forms.ValidationError(_("The focal area is not complete."))
            left, top, width, height = values
            if left + width > self._within.width or top + height > self._within.height:
                raise forms.ValidationError(_("The focal area lies outside the image."))
        return data

    @property
    def area(self) -> tuple[int, int, int, int] | None:
        """Return left, top, width and height, or None."""
        data = self.cleaned_data
        if data["left"] is None:
            return None
        return data["left"], data["top"], data["width"], data["height"]
