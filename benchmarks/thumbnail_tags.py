"""The template tags for cropped pictures: ours, Wagtail's, and those of other apps.

Each is used as its documentation shows. The other apps need the file, or a row for it, to know
width and height: as their crops have exactly the requested size, the templates state it, which is
the cheapest that a site could do.
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


class ImageTag(NamedTuple):
    name: str
    library: str
    """The template tag library."""
    picture: str
    app: str = ""
    distribution: str = ""

    @property
    def missing(self) -> str:
        """Return what this machine lacks for it, or ""."""
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


FILL = ImageTag("`fill`", "wagtailimages_tags", "{% image each fill-SIZE %}")
OURS = ImageTag("`smartresize`", "wagtailimages_tags", "{% image each smartresize-SIZE %}")
IMAGEKIT = ImageTag(
    "django-imagekit",
    "imagekit",
    "{% thumbnail 'SIZE' each.file anchor='c' as shown %}"
    f'{{% if shown %}}{_SHOWN}{{% else %}}<img src="{PLACEHOLDER}" {_SIZES}>{{% endif %}}',
    "imagekit",
    "django-imagekit",
)
EASY = ImageTag(
    "easy-thumbnails",
    "easy_tags",
    f"{{% thumbnail each.file SIZE crop as shown %}}{_SHOWN}",
    "easy_thumbnails",
    "easy-thumbnails",
)
SORL = ImageTag(
    "sorl-thumbnail",
    "sorl_tags",
    f"{{% thumbnail each.file 'SIZE' crop='center' as shown %}}{_SHOWN}{{% endthumbnail %}}",
    "sorl.thumbnail",
    "sorl-thumbnail",
)
TAGS = (FILL, OURS, IMAGEKIT, EASY, SORL)


def settle() -> None:
    """Wait for files that are made in a thread."""
    if IMAGEKIT.installed:
        from . import imagekit_backend

        imagekit_backend.settle()


def forget(images: list[Any]) -> None:
    """Delete all pictures, demand and caches."""
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
