"""Type-checks, strictly, what a site writes: the examples of the documentation, and model fields.

`tox -e types` runs it with mypy and django-stubs, as a site's developers do.
"""

import re
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from support.code_blocks import blocks_in
from support.paths import PAGES

HERE = Path(__file__).parent
#: Sections of python.md whose examples are statements about an image, for a user.
SECTIONS = ("Ask", "Read the state", "Decide", "Call off, and stop all", "Keep an image in")
PREAMBLE = """
from django.contrib.auth.models import User
from wagtail.images.models import Image
"""
CONFIGURATION = """
[mypy]
strict = True
plugins = mypy_django_plugin.main
# Wagtail does not say what types it has.
[mypy-wagtail.*]
ignore_missing_imports = True
[mypy.plugins.django-stubs]
django_settings_module = support.settings
"""


def example(section: str) -> str:
    """Return a section's example as a function."""
    text = PAGES["python"].read_text()
    part = re.split(rf"^## {section}$", text, flags=re.MULTILINE)[1].split("\n## ")[0]
    code = blocks_in("python", part)[0]
    name = re.sub(r"\W+", "_", section.lower())
    return f"def {name}(image: Image, user: User) -> None:\n{textwrap.indent(code, '    ')}"


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "examples.py").write_text(PREAMBLE + "\n\n".join(map(example, SECTIONS)))
        (folder / "fields.py").write_text((HERE / "fields.py").read_text())
        (folder / "mypy.ini").write_text(CONFIGURATION)
        command = [sys.executable, "-m", "mypy", "--show-traceback", "examples.py", "fields.py"]
        return subprocess.run(command, cwd=folder).returncode


if __name__ == "__main__":
    sys.exit(main())
