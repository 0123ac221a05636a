"""The benchmarks' settings for a site that has other apps for thumbnails, too, each where it is
installed.

All have the one cache and the one storage, and the JPEG quality that is Wagtail's default. Files
lie apart, so that they can be removed.
"""

from importlib.util import find_spec

from .settings import *  # noqa: F403
from .settings import INSTALLED_APPS, TEMPLATES

OTHERS = {"imagekit": "imagekit", "easy_thumbnails": "easy_thumbnails", "sorl": "sorl.thumbnail"}
INSTALLED_APPS = [*INSTALLED_APPS, *(OTHERS[name] for name in OTHERS if find_spec(name))]

# Two of them call their tags alike.
_engine, *_others = TEMPLATES
_tags = {
    "easy_tags": "easy_thumbnails.templatetags.thumbnail",
    "sorl_tags": "sorl.thumbnail.templatetags.thumbnail",
}
_tags = {name: module for name, module in _tags.items() if find_spec(module.split(".")[0])}
TEMPLATES = [{**_engine, "OPTIONS": {**_engine["OPTIONS"], "libraries": _tags}}, *_others]

# django-imagekit
IMAGEKIT_DEFAULT_CACHEFILE_BACKEND = "benchmarks.other_backend.Threaded"
IMAGEKIT_CACHEFILE_DIR = "imagekit"
# Where django-rq is installed, importing the app names a queue, which nobody uses here.
RQ_QUEUES = {"default": {"URL": "redis://127.0.0.1:6379"}}

# easy-thumbnails, which shares some names with the next
THUMBNAIL_BASEDIR = "easy"

# sorl-thumbnail
THUMBNAIL_KVSTORE = "sorl.thumbnail.kvstores.cached_db_kvstore.KVStore"

# Both of them
THUMBNAIL_QUALITY = 76
THUMBNAIL_DEBUG = True
