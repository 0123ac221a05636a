"""A site that leaves us as docs/operations/upgrades.md says: its pages go on, without our app."""

import os
import subprocess
import sys

import pytest
from support.code_blocks import blocks_in
from support.paths import PAGES, PHOTOS

PAGE = PAGES["upgrades"].read_text()

SETTINGS = """
SECRET_KEY = "only here"
INSTALLED_APPS = [
    "mysite", "wagtail.users", "wagtail.images", "wagtail.documents", "wagtail.admin",
    "wagtail.search", "wagtail", "modelcluster", "taggit",
    "django.contrib.auth", "django.contrib.contenttypes",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
MEDIA_ROOT = "media"
STATIC_URL = "/static/"


class OnlyOurs:
    # A fifth of the time: the tables of the others are made from their models.
    def __contains__(self, app):
        return app != "wagtail_smart_resize"

    def __getitem__(self, app):
        return None


MIGRATION_MODULES = OnlyOurs()
"""

WITH_US = """
from after import *

INSTALLED_APPS = ["wagtail_smart_resize", *INSTALLED_APPS]
"""

#: What both scripts render, and what they say of it: the size, and whether it is Wagtail's crop.
SHOW = """
import django

django.setup()

from django.core.management import call_command
from django.template import Context, Template
from wagtail.images.models import Image

TEMPLATE = "{% load wagtailimages_tags %}{% image photo smartresize-120x63-c50 as ours %}"
TEMPLATE += "{% image photo fill-120x63-c50 as wagtails %}{{ ours.url }}"


def show():
    photo = Image.objects.get()
    print(Template(TEMPLATE).render(Context({"photo": photo})))
    ours, wagtails = (photo.get_rendition(f"{n}-120x63-c50") for n in ("smartresize", "fill"))
    print((ours.width, ours.height), ours.file.read() == wagtails.file.read())
"""

BEFORE = f"""{SHOW}
from django.core.files.images import ImageFile
from wagtail.models import Collection
from wagtail_smart_resize.testing import recomposed

call_command("migrate", run_syncdb=True, verbosity=0)
Collection.add_root(name="Root")
with open("rocket.jpg", "rb") as file:
    photo = Image.objects.create(title="Rocket", file=ImageFile(file, "rocket.jpg"))
recomposed(photo, "120x63")
show()
call_command("migrate", "wagtail_smart_resize", "zero", verbosity=0)
"""

AFTER = f"""{SHOW}
import io
import sys

show()
call_command("wagtail_update_image_renditions", purge_only=True, stdout=io.StringIO())
show()
call_command("makemigrations", check=True, stdout=io.StringIO())
assert "wagtail_smart_resize" not in sys.modules
"""


def alias():
    return next(code for code in blocks_in("python", PAGE) if "hooks" in code)


@pytest.fixture
def site(tmp_path):
    (tmp_path / "mysite").mkdir()
    (tmp_path / "mysite" / "__init__.py").write_text("")
    (tmp_path / "after.py").write_text(SETTINGS)
    (tmp_path / "before.py").write_text(WITH_US)
    (tmp_path / "rocket.jpg").write_bytes((PHOTOS / "rocket.jpg").read_bytes())
    done = run(tmp_path, "before", BEFORE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == "(120, 63) False"
    return tmp_path


def run(folder, settings, script):
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": settings, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_pages_go_on_with_wagtails_crop(site):
    (site / "mysite" / "wagtail_hooks.py").write_text(alias())
    done = run(site, "after", AFTER)
    assert done.returncode == 0, done.stderr
    looks = done.stdout.splitlines()[1::2]
    assert looks == ["(120, 63) True"] * 2
    # The crop's, in both filters, and nothing that a rendition showed before.
    assert len(list((site / "media" / "images").iterdir())) == 2


def test_without_the_alias_they_would_not(site):
    done = run(site, "after", AFTER)
    assert "InvalidFilterSpecError" in done.stderr
