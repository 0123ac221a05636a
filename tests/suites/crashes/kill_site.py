"""Steps of the kill run that need the site's Django: `fill`, and `facts`, which prints JSON."""

import json
import sys

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from support.factories import plain_image  # noqa: E402
from testapp.models import PicturePage, StoryPage  # noqa: E402
from wagtail.images import get_image_model  # noqa: E402
from wagtail.models import Site  # noqa: E402

from wagtail_smart_resize.models import Candidate, GatewayRequest, Recomposition  # noqa: E402
from wagtail_smart_resize.reasons import is_recomposed  # noqa: E402


def fill(photos: str) -> None:
    """Every third photograph is shown by a published page, the next by one that the API tells."""
    call_command("migrate", verbosity=0)
    home = Site.objects.get().root_page
    for number in range(int(photos)):
        image = plain_image(800, 600, f"hsl({number * 17}, 60%, 50%)")
        if number % 3 == 0:
            home.add_child(instance=PicturePage(title=f"Picture {number}", photo=image))
        elif number % 3 == 1:
            home.add_child(instance=StoryPage(title=f"Story {number}", photo=image))


def facts() -> None:
    """Print what became of all: rows, requests, and files that don't fit the rows."""
    Rendition = get_image_model().get_rendition_model()
    candidates = set(Candidate.objects.values_list("file", flat=True))
    renditions = set(Rendition.objects.values_list("file", flat=True))
    media = settings.MEDIA_ROOT
    on_disk = {str(path.relative_to(media)) for path in media.rglob("*") if path.is_file()}
    shown = (each for each in Rendition.objects.select_related("image") if is_recomposed(each))
    print(
        json.dumps(
            {
                "rows": list(
                    Recomposition.objects.values(
                        "id", "image_id", "slots", "purchase", "failure_code", "live_id"
                    )
                ),
                "requests": list(GatewayRequest.objects.values("id", "status", "charged", "sizes")),
                "orphans": sorted(
                    name for name in on_disk - candidates if name.startswith("smart_resize/")
                ),
                "missing": sorted((candidates | renditions) - on_disk),
                "recomposed": sorted((each.image_id, each.filter_spec) for each in shown),
            }
        )
    )


globals()[sys.argv[1]](*sys.argv[2:])
