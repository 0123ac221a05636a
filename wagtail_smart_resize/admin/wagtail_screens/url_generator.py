"""Wagtail's URL generator: this app's filter among its choices, and in its preview."""

import json
from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _
from wagtail.images.forms import URLGeneratorForm
from wagtail.images.models import Filter

from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.renditions import accessor
from wagtail_smart_resize.renditions.published import PublishedState

from . import attach

METHOD = "smartresize"
LABEL = _("Smart resize")


class SmartResizeURLForm(URLGeneratorForm):
    """Wagtail's form with one more filter, which takes what `fill` takes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not attach.is_on():
            return
        choice: Any = self.fields["filter_method"]
        choice.choices = [*choice.choices, (METHOD, LABEL)]
        for field in self.fields.values():
            rules = json.loads(field.widget.attrs.get("data-w-rules", "{}"))
            if "fill" in rules.get("filter_method", ()):
                rules["filter_method"].append(METHOD)
                field.widget.attrs["data-w-rules"] = json.dumps(rules)


# Since Wagtail 8.0 its preview refuses what is not among these.
if of_wagtail := getattr(URLGeneratorForm, "FilterChoices", None):
    members = {each.name: (each.value, each.label) for each in of_wagtail}
    members[METHOD.upper()] = (METHOD, LABEL)
    make_choices: Any = TextChoices
    SmartResizeURLForm.FilterChoices = make_choices("FilterChoices", members.items())


class TriedFilter(Filter):
    """A filter in the preview: an editor tries sizes there, and nothing is wanted for them."""

    def run(self, image: SiteImage, output: Any, source: Any = None) -> Any:
        shown = image.smart_resize
        accessor.pin(image, _TriedState(shown.entries, shown.source_hash))
        return super().run(image, output, source)


class _TriedState(PublishedState):
    __slots__ = ()

    def want(self, image: SiteImage, slot: str, recipe: str) -> None:
        pass


def filter_spec(view: Any, spec: str) -> str:
    """Return the spec for the values in the view's query, where Wagtail knows only the filter."""
    if spec != METHOD:
        return spec
    values = view.request.GET
    size = (values.get(side, getattr(view.object, side)) for side in ("width", "height"))
    closeness = values.get("closeness", "0")
    end = "" if closeness == "0" else f"-c{closeness}"
    return f"{METHOD}-{'x'.join(map(str, size))}{end}"
