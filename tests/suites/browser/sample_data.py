"""Images, and requests for them, that the screens show."""

from typing import Any

from support.factories import photo
from testapp.models import PicturePage

from wagtail_smart_resize import actions
from wagtail_smart_resize.actions import GenerationOptions, ResizeTarget
from wagtail_smart_resize.models import Recomposition


def page_with(image: Any, slug: str = "launch") -> PicturePage:
    from wagtail.models import Site

    root = Site.objects.get(is_default_site=True).root_page
    return root.add_child(instance=PicturePage(title="Launch day", slug=slug, photo=image))


def photos(collection: Any) -> list[Any]:
    """Create three photographs that pages show."""
    titles = {
        "rocket.jpg": "Rocket on the pad",
        "astronaut.png": "Astronaut",
        "chelsea.png": "Chelsea the cat",
    }
    images = [photo(name, title=title, collection=collection) for name, title in titles.items()]
    for image in images:
        page_with(image, f"page-{image.pk}")
    return images


#: The rocket's focal area.
ROCKET = {
    "focal_point_x": 320,
    "focal_point_y": 263,
    "focal_point_width": 90,
    "focal_point_height": 311,
}
#: Has the sandbox garble the middle of what it makes, which a check finds.
GARBLED = "sandbox:garbled"


def rocket(collection: Any) -> Any:
    return photo(title="Rocket on the pad", collection=collection, **ROCKET)


def ask(image: Any, user: Any, target: str = "teaser", count: int = 2, prompt: str = "") -> Any:
    """Ask for pictures as an editor does; return the row."""
    options = GenerationOptions(prompt, "1K", count, None)
    actions.request_recomposition(
        image, [ResizeTarget.parse(target)], user=user, options=options, override_rules=True
    )
    return Recomposition.objects.filter(image=image).latest("pk")


def review_mode(settings: Any) -> None:
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "REVIEW": True}
