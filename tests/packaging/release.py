"""Try what a release would upload, as `tox -e package` does: `release.py DIST`.

DIST holds one sdist and one wheel, which `python -m build` has made from the sdist. The wheel is
installed with what it needs, and nothing else, into a fresh virtual environment, and a project
that is no more than Wagtail and this app is checked and migrated there, away from the source tree.
Needs a package index.
"""

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

SETTINGS = """
SECRET_KEY = "only here"
INSTALLED_APPS = [
    "wagtail_smart_resize", "wagtail.users", "wagtail.images", "wagtail.documents", "wagtail.admin",
    "wagtail.search", "wagtail", "modelcluster", "taggit", "django_filters",
    "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
    "django.contrib.messages", "django.contrib.staticfiles",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
ROOT_URLCONF = "urls"
STATIC_URL = "/static/"
WAGTAIL_SITE_NAME = "Alone"
WAGTAILADMIN_BASE_URL = "https://example.com"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
WAGTAIL_SMART_RESIZE = {"REVIEW": True}
"""

URLS = """
from django.urls import include, path

urlpatterns = [
    path("smart-resize/", include("wagtail_smart_resize.urls")),
    path("admin/", include("wagtail.admin.urls")),
]
"""

SETUP = (
    "import django; django.setup(); import wagtail_smart_resize as ours; "
    "print(ours.__version__, ours.__file__)"
)

COMMANDS = (
    ("-c", SETUP),
    ("-m", "django", "check", "--fail-level", "ERROR"),
    ("-m", "django", "migrate", "--verbosity", "0"),
    ("-m", "django", "makemigrations", "--check", "--dry-run", "wagtail_smart_resize"),
    ("-m", "django", "smart_resize_sync", "--dry-run"),
    ("-m", "django", "migrate", "--verbosity", "0", "wagtail_smart_resize", "zero"),
)


def main(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
        (folder / "alone.py").write_text(SETTINGS)
        (folder / "urls.py").write_text(URLS)
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment |= {"DJANGO_SETTINGS_MODULE": "alone", "PYTHONPATH": str(folder)}
        install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel))
        for command in (install, ("-m", "pip", "check"), *COMMANDS):
            subprocess.run([python, *command], cwd=folder, env=environment, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
