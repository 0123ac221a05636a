"""The bulk action's page: estimate and purchase for the images selected in Wagtail's listing."""

import contextlib
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from wagtail.admin import messages
from wagtail.images.views.bulk_actions.image_bulk_action import ImageBulkAction
from wagtail.models import Collection

from wagtail_smart_resize import actions
from wagtail_smart_resize.actions import Refused
from wagtail_smart_resize.core.formatting import price_text
from wagtail_smart_resize.core.keys import parse_key
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.storage_errors import StorageError
from wagtail_smart_resize.editorial import estimates, lost_files, permissions
from wagtail_smart_resize.models import GatewayRequest, ImageVersion
from wagtail_smart_resize.purchasing import plan
from wagtail_smart_resize.rules import usage
from wagtail_smart_resize.settings import settings

from .base import SmartResizeAction
from .forms import BulkForm

#: Maximum number of images per action: all are handled within one HTTP request.
MAX_IMAGES = 500
#: What may be done with pictures whose files are lost.
LOST_ACTS = {"want", "crop"}
#: Maximum number of refused images named in a message.
MAX_NAMED = 5


class OutOfBudget(Exception):
    """The remaining budget was used by somebody else meanwhile. Nothing is requested."""


@dataclass
class Outcome:
    """Result of submitting the bulk action."""

    asked: list[GatewayRequest] = field(default_factory=list)
    refused: list[tuple[Any, str]] = field(default_factory=list)
    """Images for which nothing could be requested, each with the reason."""

    @property
    def pictures(self) -> int:
        """Return the number of outputs requested."""
        return sum(request.outputs_asked for request in self.asked)

    @property
    def images(self) -> int:
        """Return the number of distinct images requested."""
        return len({request.image_id for request in self.asked})


def request_all(
    estimate: estimates.Estimate,
    *,
    user: Any,
    override_rules: bool,
    use_at_once: bool,
    key: uuid.UUID,
) -> Outcome:
    """Request everything in the estimate; an image that is refused doesn't stop the others.

    Call it within a transaction, and roll that back if it raises OutOfBudget. All images are
    locked before anything is read or spent, always in the same order, so that concurrent calls
    wait for one another rather than deadlock. Their `ImageVersion` rows must exist for that.
    """
    outcome, options = Outcome(), actions.GenerationOptions(use_at_once=use_at_once)
    for image, _targets in estimate.by_image:
        ImageVersion.lock(image.pk)
    for image, targets in estimate.by_image:
        try:
            requests = actions.request_recomposition(
                image,
                targets,
                user=user,
                options=options,
                override_rules=override_rules,
                key=key,
            )
        except Refused as error:
            if error.code == "budget":
                raise OutOfBudget(str(error)) from error
            outcome.refused.append((image, str(error)))
        else:
            outcome.asked += requests
    return outcome


class BulkView(SmartResizeAction, ImageBulkAction):
    """Show an estimate, and request it on confirmation, once it has been computed again."""

    template_name = "wagtail_smart_resize/bulk/confirm.html"
    estimate_template_name = "wagtail_smart_resize/bulk/estimate.html"
    form_class = BulkForm

    outcome: Outcome | None = None

    # Selection

    def get_all_objects_in_listing_query(self, parent_id: Any) -> list[Any]:
        """Return the ids of all images that the filtered listing shows.

        Wagtail's own implementation respects the search term but not the listing's filters.
        """
        from wagtail.images.views.images import IndexView

        view = IndexView()
        view.setup(self.request)
        images = view.get_base_queryset()
        if parent_id is not None:
            parent_id = parse_key(Collection, parent_id)
            if parent_id is None:
                raise Http404
            images = images.filter(collection_id=parent_id)
        images = view.filter_queryset(view.order_queryset(images))
        return [image.pk for image in view.search_queryset(images)]

    @cached_property
    def chosen(self) -> list[Any]:
        """Return the ids of the selected images, including any deleted since.

        Raises Http404 for an id that no image can have.
        """
        texts = self.request.GET.getlist("id")
        if "all" in texts:
            return self.get_all_objects_in_listing_query(self.request.GET.get("childOf"))
        keys = [parse_key(self.model, text) for text in texts]
        if None in keys:
            raise Http404
        return list(dict.fromkeys(keys))

    @cached_property
    def selection(self) -> tuple[list[Any], dict[str, list[Any]]]:
        """Compute the return value of `get_actionable_objects`; empty if too many are selected."""
        images = [] if self.too_many else self.get_queryset(self.model, self.chosen)
        mine = permissions.images_for(self.request.user)
        keys = set(mine.filter(pk__in=[each.pk for each in images]).values_list("pk", flat=True))
        others = [image for image in images if image.pk not in keys]
        return [image for image in images if image.pk in keys], {"items_with_no_access": others}

    @classmethod
    def get_queryset(cls, model: Any, object_ids: Any) -> list[Any]:
        images = model._default_manager.select_related("collection").order_by("pk")
        return list(images.prefetch_renditions("max-165x165").filter(pk__in=object_ids))

    def check_perm(self, image: SiteImage) -> bool:
        return permissions.may_smart_resize(self.request.user, image)

    def get_actionable_objects(self) -> tuple[list[Any], dict[str, list[Any]]]:
        images, others = self.selection
        return images, dict(others)

    @property
    def images(self) -> list[Any]:
        return self.selection[0]

    @property
    def too_many(self) -> str:
        """Return an error message if more than `MAX_IMAGES` are selected, else ""."""
        count = len(self.chosen)
        if count <= MAX_IMAGES:
            return ""
        text = ngettext(
            "You have selected %(count)d image. No more than %(most)d are done at once: narrow "
            "the listing down, by a collection or a tag, and select again.",
            "You have selected %(count)d images. No more than %(most)d are done at once: narrow "
            "the listing down, by a collection or a tag, and select again.",
            count,
        )
        return text % {"count": count, "most": MAX_IMAGES}

    # The form

    def get_initial(self) -> dict[str, Any]:
        return {"key": uuid.uuid4()}

    def get_form_kwargs(self) -> dict[str, Any]:
        mine = permissions.images_for(self.request.user, (permissions.right_to_choose(),))
        keys = [image.pk for image in self.images]
        return {
            **super().get_form_kwargs(),
            "found": Counter(usage.usages_of(self.images).values()),
            "may_choose": mine.filter(pk__in=keys).count() == len(keys),
        }

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
            # The estimate alone doesn't show them, and the storage is asked for each.
            "losses": [] if self.is_fragment else self.losses,
            "is_fragment": self.is_fragment,
        }

    @property
    def is_fragment(self) -> bool:
        """Return whether a script requests the estimate alone, to insert it into the page."""
        return self.request.headers.get("X-Requested-With") == "XMLHttpRequest"

    def get_template_names(self) -> list[str]:
        return [self.estimate_template_name if self.is_fragment else self.template_name]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show the estimate; buy only if the form was sent with `confirm`."""
        if request.POST.get("lost") in LOST_ACTS:
            return self._settle_lost(again=request.POST["lost"] == "want")
        if "confirm" not in request.POST:
            return self.render_to_response(self.get_context_data())
        return super().post(request, *args, **kwargs)

    # Pictures without files

    @cached_property
    def losses(self) -> list[lost_files.Loss]:
        """Return the selected images' live pictures whose files were found to be missing."""
        return lost_files.losses_of_images(image.pk for image in self.images)

    def _settle_lost(self, *, again: bool) -> HttpResponseBase:
        for loss in self.losses:
            lost_files.settle(loss, again=again)
        count = len(self.losses)
        text = (
            ngettext(
                "The lost version for %(count)d place is made again.",
                "The lost versions for %(count)d places are made again.",
                count,
            )
            if again
            else ngettext(
                "%(count)d place has its crop again.",
                "%(count)d places have their crops again.",
                count,
            )
        )
        messages.success(self.request, text % {"count": count})
        return redirect(self.next_url)

    def estimate(self, form: BulkForm) -> estimates.Estimate:
        return estimates.estimate_for(
            self.images,
            form.targets,
            override_rules=form.cleaned_data["override_rules"],
            uses=form.uses_chosen,
        )

    # Requesting

    def form_valid(self, form: BulkForm) -> HttpResponseBase:
        self.key = form.cleaned_data["key"]
        mine = GatewayRequest.objects.filter(batch=self.key, asked_by=self.request.user.pk)
        if mine.exists():
            text = _("This had been asked for already: nothing was bought twice.")
            messages.warning(self.request, text)
            return redirect(self.report_url)
        self.agreed = self.estimate(form)
        problem = self.too_many or self._problem()
        if problem:
            return self._reject(form, problem)
        try:
            response = super().form_valid(form)
        except OutOfBudget as error:
            return self._reject(form, str(error))
        # Without an outcome, a `before_bulk_action` hook of the site has answered instead.
        return response if self.outcome is None else self._respond(self.outcome)

    def _problem(self) -> str:
        """Return why what the user agreed to can't be done, or ""."""
        if not self.agreed.asked:
            return _("Nothing was bought: there is nothing to ask for.")
        if self.request.POST.get("agreed") != self.agreed.digest:
            return _("Nothing was bought: what this takes has changed. Have another look.")
        return "" if self.agreed.is_affordable else estimates.over_budget(self.agreed)

    def _reject(self, form: BulkForm, problem: str) -> HttpResponseBase:
        """Show the page again with the problem and the current estimate."""
        form.add_error(None, problem)
        estimate = self.estimate(form) if self.images else None
        return self.render_to_response(self.get_context_data(form=form, estimate=estimate))

    def prepare_action(self, objects: Any, objects_without_access: Any) -> None:
        """Do what is slow, or must exist to be locked, before Wagtail opens its transaction.

        Create the rows by which `request_all` locks the images, and hash files that have no hash
        yet: reading them from a storage may be slow.
        """
        keys = [image.pk for image, _targets in self.agreed.by_image]
        there = self.model._default_manager.filter(pk__in=keys)
        rows = [ImageVersion(pk=key) for key in there.values_list("pk", flat=True)]
        ImageVersion.objects.bulk_create(rows, ignore_conflicts=True)
        for image, _targets in self.agreed.by_image:
            # `request_all` reports files that can't be read.
            with contextlib.suppress(StorageError):
                plan.identify(image)

    def get_execution_context(self) -> dict[str, Any]:
        return {"action": self}

    @classmethod
    def execute_action(cls, images: Any, action: Any = None, **kwargs: Any) -> tuple[int, int]:
        given = action.cleaned_form.cleaned_data
        action.outcome = request_all(
            action.agreed,
            user=action.request.user,
            override_rules=given["override_rules"],
            use_at_once=given.get("use_at_once", False),
            key=action.key,
        )
        return action.outcome.images, 0

    # Response

    @property
    def report_url(self) -> str:
        return f"{reverse('smart_resize_admin:report')}?batch={self.key}"

    def _respond(self, outcome: Outcome) -> HttpResponseBase:
        if outcome.refused:
            messages.warning(self.request, refused_text(outcome.refused))
        if not outcome.asked:
            return redirect(self.next_url)
        back = messages.button(self.next_url, _("Back to images"))
        messages.success(self.request, asked_text(outcome), buttons=[back])
        return redirect(self.report_url)


# Messages


def asked_text(outcome: Outcome) -> str:
    """Return how many pictures were requested, with their price if the site has set one."""
    pictures = ngettext(
        "%(count)d AI version is being made.",
        "%(count)d AI versions are being made.",
        outcome.pictures,
    ) % {"count": outcome.pictures}
    price = actions.price_of(outcome.pictures)
    if price is None:
        return pictures
    cost = _("Price: %(price)s.") % {"price": price_text(price)}
    return f"{pictures} {cost}"


def refused_text(refused: list[tuple[Any, str]]) -> str:
    """Return how many images were refused, naming the first `MAX_NAMED` with their reasons."""
    text = ngettext(
        "Nothing could be asked for %(count)d image.",
        "Nothing could be asked for %(count)d images.",
        len(refused),
    ) % {"count": len(refused)}
    named = [
        _("“%(title)s”: %(reason)s") % {"title": image.title, "reason": reason}
        for image, reason in refused[:MAX_NAMED]
    ]
    return " ".join([text, *named])
