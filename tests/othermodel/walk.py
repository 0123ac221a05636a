"""One step of the way: run it as a process with IMAGE_MODEL set, as a site changes it.

Prints what came of the step, as JSON.
"""

import contextlib
import io
import json
import logging
import sys

import django

django.setup()

from django.core import checks  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from support.factories import live, plain_image, recomposition  # noqa: E402
from wagtail.images import get_image_model  # noqa: E402
from wagtail.images.models import Image  # noqa: E402
from wagtail.models import Collection  # noqa: E402

from wagtail_smart_resize.core.schema import LABEL, schema  # noqa: E402
from wagtail_smart_resize.models import (  # noqa: E402
    Candidate,
    GatewayRequest,
    ImageVersion,
    OptOut,
    Recomposition,
    RetiredRendition,
)
from wagtail_smart_resize.purchasing import demand  # noqa: E402
from wagtail_smart_resize.reasons import is_recomposed  # noqa: E402
from wagtail_smart_resize.renditions.demand_notes import notes  # noqa: E402

OURS = (Recomposition, Candidate, GatewayRequest, ImageVersion, OptOut, RetiredRendition)


def begin():
    """Use the app with Wagtail's own model: pictures live, waiting and refused."""
    call_command("migrate", run_syncdb=True, verbosity=0)
    if not Collection.objects.exists():
        Collection.add_root(name="Root")
    kept, gone, refused = (plain_image() for _ in range(3))
    for image in (kept, gone):
        live(image, "200x100")
        recomposition(image, "100x200")
        GatewayRequest.objects.create(image=image, status="done")
    for image in (gone, refused):
        OptOut.objects.create(image=image)
    RetiredRendition.objects.create(image=kept, rendition_id="1")
    return {}


def change(*how):
    """Change the model: visit the site before and after the command."""
    call_command("migrate", run_syncdb=True, verbosity=0)
    kept, gone, refused = Image.objects.order_by("pk")
    if how == ("copied",):
        for image in (kept, refused):
            copy(image)
    elif how == ("fresh",):
        # Other pictures, whose keys are those of the former ones.
        for _ in range(2):
            plain_image(colour="tomato")
    told = {"check": found(), "status": status()}
    new = plain_image(pk=1000)
    page = f"/pictures/?photo={new.pk}&spec=smartresize-200x100"
    # As a process that has just begun.
    schema.reset()
    told["pages"], told["log"] = visited(page)
    told["notes"] = len(notes._wants)
    output = io.StringIO()
    call_command("smart_resize_image_model", interactive=False, stdout=output)
    told["command"] = output.getvalue().splitlines()
    told["check after"], told["status after"] = found(), status()
    told["pages after"], told["log after"] = visited(page)
    demand.write_noted_demand()
    told["wanted"] = Recomposition.objects.filter(image_id=new.pk).count()
    told["rows"] = {model.__name__: model.objects.count() for model in OURS}
    told["files"] = sum(
        each.file.storage.exists(each.file.name) for each in Candidate.objects.all()
    )
    if how == ("copied",):
        same = get_image_model().objects.get(pk=kept.pk)
        told["shows"] = is_recomposed(same.get_rendition("smartresize-200x100"))
    # Nothing of ours keeps the former images any more.
    Image.objects.filter(pk__in=[kept.pk, gone.pk]).delete()
    connection.check_constraints()
    call_command("smart_resize_image_model", interactive=False, stdout=output)
    told["again"] = output.getvalue().splitlines()[-1]
    return told


def copy(image):
    fields = {field.attname: getattr(image, field.attname) for field in Image._meta.fields}
    get_image_model().objects.create(**fields)


def found():
    ours = (each for each in checks.run_checks(databases=["default"]) if each.id)
    return sorted(each.id for each in ours if each.id in {f"{LABEL}.W010", f"{LABEL}.W011"})


def status():
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            call_command("smart_resize_status")
        except SystemExit as end:
            return [end.code, "smart_resize_image_model" in printed.getvalue()]
    return [0, False]


def visited(page):
    """Visit it twice; return the answers, and the lines that the app has logged."""
    lines = []

    class Log(logging.Handler):
        def emit(self, record):
            lines.append([record.levelname, bool(record.exc_info)])

    log = Log()
    logging.getLogger(LABEL).addHandler(log)
    answers = [Client().get(page).status_code for _ in range(2)]
    logging.getLogger(LABEL).removeHandler(log)
    return answers, lines


print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
