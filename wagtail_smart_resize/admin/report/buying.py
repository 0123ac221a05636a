"""The switch that stops all buying."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.generic import View
from wagtail.admin import messages

from wagtail_smart_resize import actions
from wagtail_smart_resize.editorial import permissions


class BuyingView(View):
    """POST: stop all buying, or let it go on if `resume` is posted."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponseBase:
        if not permissions.may_approve_any(request.user):
            raise PermissionDenied
        if request.POST.get("resume"):
            actions.resume_buying(user=request.user)
            messages.success(request, _("Buying goes on. What waits is sent in a moment."))
        else:
            actions.stop_buying(user=request.user)
            messages.success(
                request, _("Nothing more is bought. What was sent is fetched all the same.")
            )
        return redirect("smart_resize_admin:report")
