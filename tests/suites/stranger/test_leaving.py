"""A site that uses everything of this package, and leaves it: it answers at each step."""

import json
import shutil

import pytest
from support.code_blocks import blocks_in
from support.paths import PAGES

from .everything import Site

pytestmark = pytest.mark.stranger

PAGE = PAGES["upgrades"].read_text()

FILL = """
from django.core.management import call_command
from django.contrib.auth import get_user_model
from wagtail.images.models import Image
from wagtail_smart_resize import actions
from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.testing import recomposed

call_command("migrate", verbosity=0)
call_command("create_demo_content", verbosity=0)
user = get_user_model().objects.get()
for photo in Image.objects.all():
    for spec in ("300x300", "600x315", "portrait"):
        recomposed(photo, spec)
for row in Recomposition.objects.all()[:3]:
    actions.use_crop(row, user=user)
    actions.choose(row.candidates.first(), user=user)
actions.opt_out(Image.objects.last(), user=user, reason="Try it")
"""

WALK = """
import asyncio
import json
import subprocess
import sys
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth import get_user_model
from django.core.files.images import ImageFile
from django.test import Client
from wagtail.images.models import Image
from wagtail.images.views.serve import generate_image_url
from wagtail.models import Page
from demo.asgi import application

image, page = Image.objects.first(), Page.objects.filter(depth=3).first()
visitor, editor = (Client(raise_request_exception=False, headers={"host": "127.0.0.1"})
                   for _ in range(2))
editor.force_login(get_user_model().objects.get())
pages = [each.get_url() for each in Page.objects.live().filter(depth__gt=1)]
api = ["/api/v2/pages/", "/api/v2/pages/?type=demo.ArticlePage&fields=*"]
served = [generate_image_url(image, "smartresize-300x300")]
admin = [
    "/admin/", "/admin/images/", f"/admin/images/{image.pk}/", f"/admin/images/usage/{image.pk}/",
    f"/admin/images/{image.pk}/generate_url/", "/admin/images/chooser/", "/admin/groups/",
    "/admin/groups/edit/1/", "/admin/reports/site-history/", "/admin/pages/",
    f"/admin/pages/{page.pk}/edit/", f"/admin/pages/{page.pk}/history/", "/admin/users/",
    f"/admin/images/{image.pk}/delete/",
]


def walk():
    answers = {path: visitor.get(path).status_code for path in (*pages, *api, *served)}
    answers |= {path: editor.get(path).status_code for path in admin}
    edited = {"title": image.title, "description": "", "collection": 1, "tags": ""}
    spare = Image.objects.create(title="Spare", file=ImageFile(image.file.open(), "spare.png"))
    deleted = editor.post(f"/admin/images/{spare.pk}/delete/")
    answers["deleted"] = 200 if deleted.status_code == 302 else deleted.status_code
    saved = editor.post(f"/admin/images/{image.pk}/", edited)
    answers["saved"] = 200 if saved.status_code == 302 else saved.status_code
    answers["asgi"] = asyncio.run(by_asgi())
    return answers


async def by_asgi():
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers":
             [(b"host", b"127.0.0.1")], "http_version": "1.1"}
    talk = ApplicationCommunicator(application, scope)
    await talk.send_input({"type": "http.request"})
    return (await talk.receive_output(10))["status"]


print(json.dumps(walk()))
"""

#: Goes on in the same process, as web processes do that run meanwhile.
THEN_MIGRATE_ZERO = """
done = subprocess.run([sys.executable, "-m", "django", "migrate", "wagtail_smart_resize", "zero"])
assert done.returncode == 0
print()
print(json.dumps(walk()))
"""

RECOMPOSED = """
import io
from PIL import Image as Pillow
from wagtail.images.models import Image

photo = Image.objects.first()
ours, wagtails = (photo.get_rendition(f"{name}-300x300") for name in ("smartresize", "fill"))
print(ours.file.read() != wagtails.file.read())
"""

PURGE = """
import io
import sys
from django.core.management import call_command

call_command("wagtail_update_image_renditions", purge_only=True, stdout=io.StringIO())
call_command("remove_stale_contenttypes", interactive=False, stdout=io.StringIO())
call_command("check")
assert not [name for name in sys.modules if name.startswith("wagtail_smart_resize.")]
"""

STOP = """
from django.core.management import call_command

call_command("smart_resize_buying", "stop", verbosity=0)
try:
    call_command("smart_resize_sync", "--wait", "--timeout=20", verbosity=0)
except SystemExit as end:
    assert end.code == 1, "what was wanted waits for ever now"
"""


def alias():
    return next(code for code in blocks_in("python", PAGE) if "hooks" in code)


def refused(site, then="", **how):
    """Walk through pages, admin and API; return what does not answer with 200."""
    answers = json.loads(site.run(WALK + then, **how).splitlines()[-1])
    assert len(answers) > 25
    return {path: status for path, status in answers.items() if status != 200}


def shows_recomposed(site, **how):
    return site.run(RECOMPOSED, **how).split() == ["True"]


def test_each_step_leaves_the_site_alive(tmp_path):
    site = Site(tmp_path)
    site.run(FILL)
    assert refused(site) == {}
    assert shows_recomposed(site)

    site.run(STOP)
    assert refused(site) == {}

    site.stop_asking()
    assert refused(site, THEN_MIGRATE_ZERO) == {}, "in a process that was running before"
    assert refused(site) == {}
    assert not shows_recomposed(site)

    site.leave(alias())
    assert site.mentions() == []
    gone = {"without_package": True}
    assert refused(site, **gone) == {}
    assert not shows_recomposed(site, **gone)

    site.run(PURGE, **gone)
    shutil.rmtree(site.media / "smart_resize")
    assert refused(site, **gone) == {}
    assert not shows_recomposed(site, **gone)
