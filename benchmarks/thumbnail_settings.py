"""The benchmarks' settings for a site that also has other apps for thumbnails, where installed.

All share one cache and one storage, and use Wagtail's default JPEG quality. Their files are in
separate directories, so that they can be removed.
"""

from importlib.util import find_spec

from .settings import *  # noqa: F403
from .settings import INSTALLED_APPS, TEMPLATES

OTHERS = {"imagekit": "imagekit", "easy_thumbnails": "easy_thumbnails", "sorl": "sorl.thumbnail"}
INSTALLED_APPS = [*INSTALLED_APPS, *(OTHERS[name] for name in OTHERS if find_spec(name))]

# Two of them have tag libraries of the same name.
_engine, *_others = TEMPLATES
_tags = {
    "easy_tags": "easy_thumbnails.templatetags.thumbnail",
    "sorl_tags": "sorl.thumbnail.templatetags.thumbnail",
}
_tags = {name: module for name, module in _tags.items() if find_spec(module.split(".")[0])}
TEMPLATES = [{**_engine, "OPTIONS": {**_engine["OPTIONS"], "libraries": _tags}}, *_others]

# django-imagekit
IMAGEKIT_DEFAULT_CACHEFILE_BACKEND = "benchmarks.imagekit_backend.Threaded"
IMAGEKIT_CACHEFILE_DIR = "imagekit"
# Where django-rq is installed, importing the app needs a named queue, which is not used here.
RQ_QUEUES = {"default": {"URL": "redis://127.0.0.1:6379"}}

# easy-thumbnails, which shares some names of settings with sorl-thumbnail
THUMBNAIL_BASEDIR = "easy"

# sorl-thumbnail
THUMBNAIL_KVSTORE = "sorl.thumbnail.kvstores.cached_db_kvstore.KVStore"

# easy-thumbnails and sorl-thumbnail
THUMBNAIL_QUALITY = 76
THUMBNAIL_DEBUG = True
