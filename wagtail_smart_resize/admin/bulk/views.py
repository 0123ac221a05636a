"""Smart resize for the images that are selected in Wagtail's listing."""

import contextlib
import uuid
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from wagtail.admin import messages
from wagtail.images.views.bulk_actions.image_bulk_action import ImageBulkAction

from wagtail_smart_resize.core.formatting import price_text
from wagtail_smart_resize.core.storage_errors import StorageTrouble
from wagtail_smart_resize.editorial import actions, estimates, permissions
from wagtail_smart_resize.editorial.actions import Refused
from wagtail_smart_resize.models import GatewayRequest, ImageVersion
from wagtail_smart_resize.purchasing import plan
from wagtail_smart_resize.settings import settings

from .base import SmartResizeAction
from .forms import BulkForm

#: So many images at once: they are asked for in one request of the browser's.
MOST_IMAGES = 500
#: So many images that could not be asked for are named.
MOST_NAMED = 5


class OutOfBudget(Exception):
    """Somebody else took what was left in the meantime: nothing at all is asked for."""


@dataclass
class Outcome:
    """What became of a press of the button."""

    asked: list[GatewayRequest] = field(default_factory=list)
    refused: list[tuple[Any, str]] = field(default_factory=list)
    """Images for which nothing could be asked, and why."""

    @property
    def pictures(self) -> int:
        return sum(request.outputs_asked for request in self.asked)

    @property
    def images(self) -> int:
        return len({request.image_id for request in self.asked})


def ask(estimate: estimates.Estimate, *, user: Any, overrule: bool, key: uuid.UUID) -> Outcome:
    """Ask for all of it; what one image is refused stops no other. In a transaction.

    Raises OutOfBudget: then roll back. All images are locked before anything is read or spent,
    always in the same order, so that two who do this at once wait for one another and don't
    deadlock. For that their `ImageVersion` rows must be there.
    """
    outcome = Outcome()
    for image, _wishes in estimate.by_image:
        ImageVersion.lock(image.pk)
    for image, wishes in estimate.by_image:
        try:
            requests = actions.ask(image, wishes, user=user, overrule=overrule, key=key)
        except Refused as error:
            if error.code == "budget":
                raise OutOfBudget(str(error)) from error
            outcome.refused.append((image, str(error)))
        else:
            outcome.asked += requests
    return outcome


class BulkView(SmartResizeAction, ImageBulkAction):
    """Shows what it takes before it is asked for; that is worked out anew when it is."""

    template_name = "wagtail_smart_resize/bulk/confirm.html"
    estimate_template_name = "wagtail_smart_resize/bulk/estimate.html"
    form_class = BulkForm

    outcome: Outcome | None = None

    # Which images

    def get_all_objects_in_listing_query(self, parent_id: Any) -> list[Any]:
        """What the listing shows with its filters: Wagtail's own look at its search alone."""
        from wagtail.images.views.images import IndexView

        view = IndexView()
        view.setup(self.request)
        images = view.get_base_queryset()
        if parent_id is not None:
            images = images.filter(collection_id=parent_id)
        images = view.filter_queryset(view.order_queryset(images))
        return [image.pk for image in view.search_queryset(images)]

    @cached_property
    def chosen(self) -> list[Any]:
        """The keys of the images that are selected, whether they are still there or not."""
        keys = self.request.GET.getlist("id")
        try:
            if "all" in keys:
                return self.get_all_objects_in_listing_query(self.request.GET.get("childOf"))
            return list(dict.fromkeys(map(self.model._meta.pk.to_python, keys)))
        except (ValueError, ValidationError) as error:
            raise Http404 from error

    @cached_property
    def selection(self) -> tuple[list[Any], dict[str, list[Any]]]:
        """What Wagtail asks for by `get_actionable_objects`; nothing where it is too much."""
        images = [] if self.too_many else self.get_queryset(self.model, self.chosen)
        mine = permissions.images_for(self.request.user)
        keys = set(mine.filter(pk__in=[each.pk for each in images]).values_list("pk", flat=True))
        others = [image for image in images if image.pk not in keys]
        return [image for image in images if image.pk in keys], {"items_with_no_access": others}

    @classmethod
    def get_queryset(cls, model: Any, object_ids: Any) -> list[Any]:
        images = model._default_manager.select_related("collection").order_by("pk")
        return list(images.prefetch_renditions("max-165x165").filter(pk__in=object_ids))

    def check_perm(self, image: Any) -> bool:
        return permissions.may_smart_resize(self.request.user, image)

    def get_actionable_objects(self) -> tuple[list[Any], dict[str, list[Any]]]:
        images, others = self.selection
        return images, dict(others)

    @property
    def images(self) -> list[Any]:
        return self.selection[0]

    @property
    def too_many(self) -> str:
        count = len(self.chosen)
        if count <= MOST_IMAGES:
            return ""
        text = ngettext(
            "You have selected %(count)d image. No more than %(most)d are done at once: narrow "
            "the listing down, by a collection or a tag, and select again.",
            "You have selected %(count)d images. No more than %(most)d are done at once: narrow "
            "the listing down, by a collection or a tag, and select again.",
            count,
        )
        return text % {"count": count, "most": MOST_IMAGES}

    # The form

    def get_initial(self) -> dict[str, Any]:
        return {"key": uuid.uuid4()}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        form = context["form"]
        if "estimate" not in context:
            usable = form.is_bound and form.is_valid() and self.images
            context["estimate"] = self.estimate(form) if usable else None
        return {
            **context,
            "too_many": self.too_many,
            "gone": not (self.too_many or any(self.selection[1].values()) or self.images),
            "candidates": settings.CANDIDATES,
            "is_fragment": self.is_fragment,
        }

    @property
    def is_fragment(self) -> bool:
        """Whether a script asks for what it takes, to put it into the page."""
        return self.request.headers.get("X-Requested-With") == "XMLHttpRequest"

    def get_template_names(self) -> list[str]:
        return [self.estimate_template_name if self.is_fragment else self.template_name]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Without `confirm`: only what it takes is wanted, and nothing is asked for."""
        if "confirm" not in request.POST:
            return self.render_to_response(self.get_context_data())
        return super().post(request, *args, **kwargs)

    def estimate(self, form: BulkForm) -> estimates.Estimate:
        overrule = form.cleaned_data["overrule"]
        return estimates.of(self.images, form.wishes, overrule=overrule)

    # Asking

    def form_valid(self, form: BulkForm) -> HttpResponseBase:
        self.key = form.cleaned_data["key"]
        if self._asked_before():
            text = _("This had been asked for already: nothing was bought twice.")
            messages.warning(self.request, text)
            return redirect(self.report_url)
        self.agreed = self.estimate(form)
        problem = self.too_many or self._problem()
        if problem:
            return self._turn_down(form, problem)
        try:
            response = super().form_valid(form)
        except OutOfBudget as error:
            return self._turn_down(form, str(error))
        # Without an outcome a hook of the site's has answered instead.
        return response if self.outcome is None else self._tell(self.outcome)

    def _asked_before(self) -> bool:
        mine = GatewayRequest.objects.filter(batch=self.key, asked_by=self.request.user.pk)
        return mine.exists()

    def _problem(self) -> str:
        """Why what was agreed to can't be done; "" where it can."""
        if not self.agreed.asked:
            return _("Nothing was bought: there is nothing to ask for.")
        if self.request.POST.get("agreed") != self.agreed.digest:
            return _("Nothing was bought: what this takes has changed. Have another look.")
        return "" if self.agreed.is_affordable else estimates.over_budget(self.agreed)

    def _turn_down(self, form: BulkForm, problem: str) -> HttpResponseBase:
        """The page once more, with what it takes now."""
        form.add_error(None, problem)
        estimate = self.estimate(form) if self.images else None
        return self.render_to_response(self.get_context_data(form=form, estimate=estimate))

    def prepare_action(self, objects: Any, objects_without_access: Any) -> None:
        """Before Wagtail's transaction: the rows by which `ask` locks the images, and a look into
        the files that nobody has hashed, which a storage may take its time to give."""
        keys = [image.pk for image, _wishes in self.agreed.by_image]
        there = self.model._default_manager.filter(pk__in=keys)
        rows = [ImageVersion(pk=key) for key in there.values_list("pk", flat=True)]
        ImageVersion.objects.bulk_create(rows, ignore_conflicts=True)
        for image, _wishes in self.agreed.by_image:
            # What can't be read now is told by `ask`.
            with contextlib.suppress(StorageTrouble):
                plan.identify(image)

    def get_execution_context(self) -> dict[str, Any]:
        return {"action": self}

    @classmethod
    def execute_action(cls, images: Any, action: Any = None, **kwargs: Any) -> tuple[int, int]:
        action.outcome = ask(
            action.agreed,
            user=action.request.user,
            overrule=action.cleaned_form.cleaned_data["overrule"],
            key=action.key,
        )
        return action.outcome.images, 0

    # Afterwards

    @property
    def report_url(self) -> str:
        return f"{reverse('smart_resize_admin:report')}?batch={self.key}"

    def _tell(self, outcome: Outcome) -> HttpResponseBase:
        if outcome.refused:
            messages.warning(self.request, refused_text(outcome.refused))
        if not outcome.asked:
            return redirect(self.next_url)
        back = messages.button(self.next_url, _("Back to images"))
        messages.success(self.request, asked_text(outcome), buttons=[back])
        return redirect(self.report_url)


# Words


def asked_text(outcome: Outcome) -> str:
    pictures = ngettext(
        "%(count)d picture is being made.",
        "%(count)d pictures are being made.",
        outcome.pictures,
    ) % {"count": outcome.pictures}
    price = actions.price_of(outcome.pictures)
    if price is None:
        return pictures
    cost = _("Price: %(price)s.") % {"price": price_text(price)}
    return f"{pictures} {cost}"


def refused_text(refused: list[tuple[Any, str]]) -> str:
    """Each image with its reason, the first few by name."""
    text = ngettext(
        "Nothing could be asked for %(count)d image.",
        "Nothing could be asked for %(count)d images.",
        len(refused),
    ) % {"count": len(refused)}
    named = [
        _("“%(title)s”: %(reason)s") % {"title": image.title, "reason": reason}
        for image, reason in refused[:MOST_NAMED]
    ]
    return " ".join([text, *named])
