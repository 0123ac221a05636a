"""The demo site with everything of this package that a site can use, and the way it leaves.

Both are edits of files, as the site's people make them: `USE` is what the docs offer beyond the
filter, `LEAVE` what docs/operations/upgrades.md says to do when the package goes.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from support.paths import PAGES

DEMO = PAGES["upgrades"].parents[2] / "testproject" / "demo"
#: Django has its tasks since 6.0; before it, Wagtail brings them along.
TASKS = "django.tasks" if importlib.util.find_spec("django.tasks") else "django_tasks"
SMART_RESIZE_TASKS = (
    f",\n         'smart_resize': {{'BACKEND': '{TASKS}.backends.dummy.DummyBackend'}}"
)


class Edit(NamedTuple):
    """A text that takes the place of another in a file; "" for the other appends it."""

    file: str
    old: str
    new: str


ASGI = """
import os

from django.core.asgi import get_asgi_application
from wagtail_smart_resize.asgi import finish_at_shutdown

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo.settings")

application = finish_at_shutdown(get_asgi_application())
"""

HOOKS = """
from django.urls import path
from wagtail import hooks
from wagtail.images.views.images import EditView
from wagtail_smart_resize.admin.mixins import SmartResizeEditViewMixin


class ImageEditView(SmartResizeEditViewMixin, EditView):
    pass


@hooks.register("register_admin_urls", order=-10)
def image_edit_url():
    return [path("images/<int:image_id>/", ImageEditView.as_view())]
"""

RULES = """
from wagtail_smart_resize.reasons import prefetch_reasons
from wagtail_smart_resize.signals import recomposition_published


def allow(image, *, shape, sizes, recipe):
    return True


def note(sender, **kwargs):
    pass


recomposition_published.connect(note)
"""

JINJA_LINE = '{{ smart_resize_labelled(image(photo, "smartresize-300x300"), loading="lazy") }}'
JINJA_FILTER = '<img src="{{ (photo|smart_resize("300x300")).url }}" alt="">'

USE = [
    Edit("asgi.py", "", ASGI),
    Edit("wagtail_hooks.py", "", HOOKS),
    Edit("rules.py", "", RULES),
    Edit("settings.py", '"REVIEW": False,', '"REVIEW": False, "ALLOW": "demo.rules.allow",'),
    Edit(
        "settings.py",
        "",
        "\nMIDDLEWARE.append('django.middleware.locale.LocaleMiddleware')\n"
        f"TASKS = {{'default': {{'BACKEND': '{TASKS}.backends.immediate.ImmediateBackend'}}"
        f"{SMART_RESIZE_TASKS}}}\n",
    ),
    Edit(
        "urls.py",
        "from wagtail.images.views.serve import ServeView",
        "from wagtail_smart_resize.delivery.serve import ServeView",
    ),
    Edit(
        "models.py",
        "from wagtail.models import Page",
        "from wagtail.models import Page\nfrom wagtail_smart_resize.api.fields import "
        "SmartRenditionField",
    ),
    Edit(
        "models.py",
        'ImageRenditionField("smartresize-300x300", source="photo")',
        'SmartRenditionField("smartresize-portrait", source="photo")',
    ),
    Edit("jinja2/demo/contact_sheet_page.jinja", JINJA_LINE, JINJA_LINE + JINJA_FILTER),
]

#: What the docs say where the package goes. The order of the steps is the docs'.
LEAVE = [
    Edit("asgi.py", "from wagtail_smart_resize.asgi import finish_at_shutdown\n", ""),
    Edit("asgi.py", "finish_at_shutdown(get_asgi_application())", "get_asgi_application()"),
    Edit("settings.py", '"wagtail_smart_resize.jinja2tags.smart_resize_tags",', ""),
    Edit("settings.py", '    "wagtail_smart_resize",\n', ""),
    Edit("settings.py", SMART_RESIZE_TASKS, ""),
    Edit(
        "settings.py",
        '    "loggers": {"wagtail_smart_resize": {"handlers": ["console"], "level": "INFO"}},\n',
        "",
    ),
    Edit(
        "urls.py",
        "from wagtail_smart_resize.delivery.serve import ServeView",
        "from wagtail.images.views.serve import ServeView",
    ),
    Edit("urls.py", '    path("smart-resize/", include("wagtail_smart_resize.urls")),\n', ""),
    Edit("models.py", "\nfrom wagtail_smart_resize.api.fields import SmartRenditionField", ""),
    Edit(
        "models.py",
        'SmartRenditionField("smartresize-portrait", source="photo")',
        'ImageRenditionField("smartresize-320x400", source="photo")',
    ),
    Edit("jinja2/demo/contact_sheet_page.jinja", JINJA_FILTER, ""),
    Edit(
        "templates/demo/ways_page.html",
        '{% with card=page.table|smart_resize:"600x315|format-webp" %}',
        "{% image page.table smartresize-600x315 format-webp as card %}{% with card=card %}",
    ),
]


#: The same in each template: by search and replace.
LEAVE_TEMPLATES = [
    (r"smart_resize_tags ", ""),
    (r".*/label\.css.*\n", ""),
    (r"{% smart_resize_labelled (\w+).*?%}", r"{{ \1 }}"),
    (r"{% smart_resize_label \w+ %}", ""),
    (r"{{ smart_resize_labelled\((\w+\((?:[^()\"]|\"[^\"]*\")*\)).*?\) }}", r"{{ \1 }}"),
    (r"{% url 'smart_resize_admin:.*?%}", "#"),
    (r"smartresize-hero", "smartresize-1920x600"),
    (r"smartresize-portrait", "smartresize-320x400"),
    (r"smartresize-(mirrored|unfaithful|garbled|own_pixels)", "smartresize-1200x630"),
]


class Site:
    """A copy of the demo in `folder`, with its data beside it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        shutil.copytree(DEMO, folder / "demo")
        for edit in USE:
            self._apply(edit)

    def stop_asking(self) -> None:
        """Take out what calls `states`, before the tables go."""
        tags = self._path("templatetags/demo_tags.py")
        tags.write_text(
            "from django import template\n\nregister = template.Library()\n\n\n"
            "@register.simple_tag\ndef live_badge(photo, target):\n    return ''\n"
        )

    def leave(self, alias: str) -> None:
        """Make the edits that the docs name, in all files, with the docs' alias of the filter."""
        for edit in LEAVE:
            self._apply(edit)
        (self._folder / "demo" / "wagtail_hooks.py").write_text(alias)
        (self._folder / "demo" / "rules.py").unlink()
        settings = self._path("settings.py")
        settings.write_text(
            re.sub(r"WAGTAIL_SMART_RESIZE = \{.*?\n\}\n", "", settings.read_text(), flags=re.S)
        )
        for template in (self._folder / "demo").rglob("*"):
            if template.suffix in {".html", ".jinja"}:
                text = template.read_text()
                for old, new in LEAVE_TEMPLATES:
                    text = re.sub(old, new, text)
                template.write_text(text)

    def mentions(self) -> list[str]:
        """Return the files that name the package still, but for texts that pages show."""
        found = []
        for file in (self._folder / "demo").rglob("*.py"):
            if "wagtail_smart_resize" in file.read_text():
                found.append(file.name)
        return found

    @property
    def media(self) -> Path:
        return self._folder / "var" / "media"

    def run(self, script: str, *, without_package: bool = False) -> str:
        """Run a script in a process of the site and return its output; it must succeed."""
        start = "import django\ndjango.setup()\n"
        if without_package:
            start = "import sys\nsys.modules['wagtail_smart_resize'] = None\n" + start
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "demo.settings",
            "PYTHONPATH": os.pathsep.join([str(self._folder), os.environ.get("PYTHONPATH", "")]),
            "SMART_RESIZE_DEMO_VAR": str(self._folder / "var"),
            "SMART_RESIZE_DEMO_RUNNER": "off",
            "SMART_RESIZE_DEMO_PASSWORD": "far-field",
        }
        (self._folder / "var").mkdir(exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-c", start + script],
            cwd=self._folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _path(self, file: str) -> Path:
        return self._folder / "demo" / file

    def _apply(self, edit: Edit) -> None:
        path = self._path(edit.file)
        text = path.read_text() if path.exists() else ""
        if edit.old:
            assert text.count(edit.old) == 1, edit
            path.write_text(text.replace(edit.old, edit.new))
        else:
            path.write_text(text + edit.new)
