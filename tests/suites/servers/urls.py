import os
import time
from pathlib import Path

from django.conf import settings
from django.http import HttpResponse
from django.template import Context, Template
from django.urls import include, path
from wagtail.images import get_image_model

TEMPLATE = """{% load wagtailimages_tags %}
{% for photo in photos %}
    {% image photo smartresize-1200x630 %}
    {% picture photo format-{webp,jpeg} smartresize-{300x300,200x200} %}
{% endfor %}"""


def pictures(request):
    """Show all photos in two shapes, or the given ones in the given specs."""
    _wait_for_others(int(request.GET.get("together", 0)))
    photos = get_image_model().objects.order_by("pk")
    if "photo" in request.GET:
        photos = photos.filter(pk__in=request.GET.getlist("photo"))
    specs = request.GET.getlist("spec")
    tags = "".join("{% image photo " + spec + " %}" for spec in specs)
    one_each = "{% load wagtailimages_tags %}{% for photo in photos %}" + tags + "{% endfor %}"
    html = Template(one_each if specs else TEMPLATE).render(Context({"photos": photos}))
    return HttpResponse(html, headers={"X-Process": str(os.getpid())})


def _wait_for_others(count: int) -> None:
    """Wait until `count` processes have reached this point."""
    here = Path(settings.WORK_DIR) / "together"
    here.mkdir(exist_ok=True)
    (here / str(os.getpid())).touch()
    ends = time.monotonic() + 20
    while len(list(here.iterdir())) < count and time.monotonic() < ends:
        time.sleep(0.005)


urlpatterns = [path("pictures/", pictures), path("", include("testapp.urls"))]
