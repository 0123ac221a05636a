"""Make an image with a UUID for its key, have it recomposed, and look at every screen of ours.

Prints each address with its answer. Run it as a process: the image model can't be changed in one.
"""

import datetime as dt
import uuid

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402
from django.utils import timezone  # noqa: E402
from support.factories import candidate, colour_of, plain_image, recomposition  # noqa: E402
from wagtail.models import Collection, Locale, Page  # noqa: E402

from wagtail_smart_resize.admin.urls import urlpatterns  # noqa: E402
from wagtail_smart_resize.models import Recomposition  # noqa: E402
from wagtail_smart_resize.publishing import publication  # noqa: E402
from wagtail_smart_resize.purchasing import demand  # noqa: E402

call_command("migrate", run_syncdb=True, verbosity=0)
Collection.add_root(name="Root")
image = plain_image()
client = Client()
client.force_login(get_user_model().objects.create_superuser("root", "root@example.org", "x"))

image.get_rendition("smartresize-300x300")
assert demand.write_noted_demand()
row = Recomposition.objects.get()
row.update_if(where={}, purchase="idle")
picture = candidate(row)
failed = recomposition(image, "400x300", purchase="failed", failure_code="unknown")
Locale.objects.get_or_create(language_code="en")
page = Page.add_root(title="Root").add_child(instance=Page(title="Home"))

for pattern in urlpatterns:
    keys = {"image_id": image.pk, "pk": picture.pk, "key": "any-1000", "page_id": page.pk}
    arguments = {name: keys[name] for name in pattern.pattern.converters}
    address = reverse(f"smart_resize_admin:{pattern.name}", kwargs=arguments)
    print(pattern.name, client.get(address).status_code)

bulk = reverse("wagtail_bulk_action", args=["uuidimages", "uuidimage", "smart_resize"])
print("bulk", client.get(bulk, {"id": str(image.pk)}).status_code)
for name, data in [
    ("make", {"what": "300x400", "candidates": "1", "resolution": "2K", "key": uuid.uuid4()}),
    ("focal_area", {"left": 10, "top": 10, "width": 100, "height": 100}),
    ("failed", {"row": failed.pk, "action": "dismiss", "key": uuid.uuid4()}),
    ("choose", {"row": row.pk, "choice": picture.pk}),
    ("opt_out", {"reason": "Ours alone."}),
]:
    address = reverse(f"smart_resize_admin:{name}", args=[image.pk])
    print("post", name, client.post(address, data).status_code)
Recomposition.objects.update(takes_effect_at=timezone.now() - dt.timedelta(seconds=1))
assert publication.publish(image.pk)
image = type(image).objects.get()
print("colour", colour_of(image.get_rendition("smartresize-300x300")))
image.delete()
print("left", Recomposition.objects.count())
