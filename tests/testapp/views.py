"""Pages of the tests that no page model stands for."""

from django.shortcuts import render
from wagtail.images import get_image_model


def labels(request):
    """Show pictures with their visible labels, `?dir=rtl` from right to left."""
    context = {
        "direction": request.GET.get("dir", "ltr"),
        "photo": get_image_model().objects.earliest("pk"),
        "corners": ["top-start", "top-end", "bottom-start", "bottom-end"],
    }
    return render(request, "testapp/labels.html", context)
