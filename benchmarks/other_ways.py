"""The ways to put cropped pictures on a page: ours, Wagtail's, and those of other apps.

Each with its own template tag, as its documentation shows it. The other apps know no width and
height without a look at the file, or a row for it: as their crops have exactly the size that was
asked for, the templates say it, which is the cheapest that a site could do.
"""

import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from django.apps import apps
from django.conf import settings
from django.core.cache import cache
from django.template import Template

from wagtail_smart_resize.models import Recomposition

PLACEHOLDER = "/static/placeholder.png"
_SIZES = 'width="WIDTH" height="HEIGHT" alt="{{ each.title }}"'
_SHOWN = f'<img src="{{{{ shown.url }}}}" {_SIZES}>'


class Way(NamedTuple):
    name: str
    library: str
    """Its template tags."""
    picture: str
    app: str = ""
    distribution: str = ""

    @property
    def missing(self) -> str:
        """What this machine lacks for it."""
        return f"{self.distribution} is not installed" if not self.installed else ""

    @property
    def installed(self) -> bool:
        return not self.app or apps.is_installed(self.app)

    @property
    def label(self) -> str:
        return f"{self.name} {version(self.distribution)}" if self.distribution else self.name

    def page(self, size: str) -> Template:
        width, height = size.split("x")
        picture = self.picture.replace("SIZE", size)
        picture = picture.replace("WIDTH", width).replace("HEIGHT", height)
        return Template(
            f"{{% load {self.library} %}}{{% for each in images %}}{picture}{{% endfor %}}"
        )


FILL = Way("`fill`", "wagtailimages_tags", "{% image each fill-SIZE %}")
OURS = Way("`smartresize`", "wagtailimages_tags", "{% image each smartresize-SIZE %}")
IMAGEKIT = Way(
    "django-imagekit",
    "imagekit",
    "{% thumbnail 'SIZE' each.file anchor='c' as shown %}"
    f'{{% if shown %}}{_SHOWN}{{% else %}}<img src="{PLACEHOLDER}" {_SIZES}>{{% endif %}}',
    "imagekit",
    "django-imagekit",
)
EASY = Way(
    "easy-thumbnails",
    "easy_tags",
    f"{{% thumbnail each.file SIZE crop as shown %}}{_SHOWN}",
    "easy_thumbnails",
    "easy-thumbnails",
)
SORL = Way(
    "sorl-thumbnail",
    "sorl_tags",
    f"{{% thumbnail each.file 'SIZE' crop='center' as shown %}}{_SHOWN}{{% endthumbnail %}}",
    "sorl.thumbnail",
    "sorl-thumbnail",
)
WAYS = (FILL, OURS, IMAGEKIT, EASY, SORL)


def settle() -> None:
    """Wait for what is made in a thread."""
    if IMAGEKIT.installed:
        from . import other_backend

        other_backend.settle()


def forget(images: list[Any]) -> None:
    """No picture is made, nothing is wanted, and nobody remembers any."""
    settle()
    for image in images:
        for rendition in image.renditions.all():
            rendition.delete()
    Recomposition.objects.all().delete()
    for label in ("easy_thumbnails.Source", "thumbnail.KVStore"):
        app, model = label.split(".")
        if app in apps.app_configs:
            apps.get_model(app, model).objects.all().delete()
    for directory in (settings.IMAGEKIT_CACHEFILE_DIR, settings.THUMBNAIL_BASEDIR, "cache"):
        shutil.rmtree(Path(settings.MEDIA_ROOT) / directory, ignore_errors=True)
    cache.clear()
