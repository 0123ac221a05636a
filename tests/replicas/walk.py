"""A picture's whole way, while the replica stands still where it was before the first view.

Run it as a process: databases can't be changed in one. Prints what became of it.
"""

import re
import shutil

import django

django.setup()

from django.conf import settings as site_settings  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.core import checks  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.utils import timezone  # noqa: E402
from support.factories import plain_image, published_page  # noqa: E402
from support.gateways import answering, picture  # noqa: E402
from support.small_engine_presets import SMALL_ENGINE_PRESETS  # noqa: E402
from wagtail.images import get_image_model  # noqa: E402
from wagtail.models import Collection  # noqa: E402

from wagtail_smart_resize import actions  # noqa: E402
from wagtail_smart_resize.core import sizes  # noqa: E402
from wagtail_smart_resize.models import GatewayRequest, Recomposition  # noqa: E402
from wagtail_smart_resize.purchasing import demand, passes  # noqa: E402
from wagtail_smart_resize.renditions.published_cache import process_cache  # noqa: E402
from wagtail_smart_resize.renditions.recomposed import is_recomposed  # noqa: E402
from wagtail_smart_resize.repair import repairs  # noqa: E402
from wagtail_smart_resize.sandbox import SandboxGateway  # noqa: E402
from wagtail_smart_resize.sandbox.responses import Reply  # noqa: E402

SPEC = "smartresize-200x200"


read_there = set()


def note(execute, sql, params, many, context):
    read_there.update(re.findall(r'"(wagtail_smart_resize_\w+)"', sql))
    return execute(sql, params, many, context)


def copy_to_replica():
    connections.close_all()
    names = [site_settings.DATABASES[alias]["NAME"] for alias in ("default", "replica")]
    shutil.copy(*names)


def run(gateway):
    """Make passes, each at the time for which the last one has appointed it."""
    past = timezone.now()
    for _ in range(6):
        Recomposition.objects.wanted().update(next_attempt_at=past)
        GatewayRequest.objects.unfinished().update(next_step_at=past)
        passes.run_pass(workers=1)
        gateway.settle()


call_command("migrate", run_syncdb=True, verbosity=0)
copy_to_replica()
with override_settings(DATABASE_ROUTERS=[]):
    Collection.add_root(name="Root")
    user = get_user_model().objects.create_superuser("root", "root@example.org", "x")
    image = plain_image(400, 300)
    published_page(image)
copy_to_replica()
connections["replica"].execute_wrappers.append(note)
image = get_image_model().objects.get()

sizes.ENGINE_PRESETS = SMALL_ENGINE_PRESETS
with answering(Reply(200, picture(), "image/png")) as far_end, SandboxGateway(latency=0) as gateway:
    ours = {
        "API_KEY": gateway.key,
        "BASE_URL": gateway.url,
        "SOURCE_BASE_URL": far_end.origin,
        "REVIEW": False,
        "RESOLUTION": "1K",
    }
    with override_settings(WAGTAIL_SMART_RESIZE={**site_settings.WAGTAIL_SMART_RESIZE, **ours}):
        print("checks", [each.id for each in checks.run_checks() if each.level >= checks.ERROR])
        image.get_rendition(SPEC)
        assert demand.write_noted_demand()
        run(gateway)
        # Of what follows, the replica knows nothing yet.
        process_cache.next_refresh = 0.0
        print("bought", len(gateway.requests))
        shown = get_image_model().objects.using("default").get().get_rendition(SPEC)
        print("shown", is_recomposed(shown))
        row = Recomposition.objects.get()
        actions.use_crop(row, user=user)
        run(gateway)
        process_cache.next_refresh = 0.0
        declined = get_image_model().objects.using("default").get().get_rendition(SPEC)
        print("declined", not is_recomposed(declined))
        report = repairs.run()
        print("repaired", report.failed, {each.name for each in report.counts})
        print("bought", len(gateway.requests))
        row.image.delete()
print("left", Recomposition.objects.count())
print("read there", sorted(read_there))
