from contextlib import suppress
from io import BytesIO
from pathlib import Path

from django.core.wsgi import get_wsgi_application
from django.template import TemplateDoesNotExist, TemplateSyntaxError, engines
from openpyxl import Workbook

application = get_wsgi_application()

# Write a spreadsheet now: a worker may or may not write its first one before the soak is judged,
# and what that loads would count as growth.
workbook = Workbook(write_only=True)
workbook.create_sheet().append(["warm"])
workbook.save(BytesIO())

# Load all templates, icons among them, for the same reason: which screens a worker shows before is
# a matter of luck.
for engine in engines.all():
    for directory in engine.template_dirs:
        for path in Path(directory).rglob("*.*"):
            if path.suffix not in {".html", ".svg"}:
                continue
            with suppress(TemplateDoesNotExist, TemplateSyntaxError):
                engine.get_template(str(path.relative_to(directory)))
