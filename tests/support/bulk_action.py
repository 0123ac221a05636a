"""Helpers that go through the bulk action of Wagtail's image listing as a user does."""

import re
import uuid

from django.urls import reverse
from wagtail.images import get_image_model

#: Images of every kind, by what is known of the pages that show them.
ALL_USES = ["published", "unknown", "none"]


def address(*images, query="", action="smart_resize"):
    meta = get_image_model()._meta
    args = (meta.app_label, meta.model_name, action)
    chosen = "&".join(f"id={image.pk}" for image in images)
    return f"{reverse('wagtail_bulk_action', args=args)}?{query or chosen}"


def preview(client, url, **data):
    """Return the page that shows the cost, and the digest that a confirmation agrees to."""
    response = client.post(url, {"key": uuid.uuid4(), "uses": ALL_USES, **data})
    page = response.content.decode()
    found = re.search(r'name="agreed"[^>]*value="([^"]+)"', page)
    return page, found[1] if found else ""


def confirm(client, url, key=None, **data):
    agreed = preview(client, url, **data)[1]
    return client.post(url, confirmation(agreed, key, **data))


def confirmation(agreed, key=None, **data):
    """Return what is sent by a person who agrees to what was shown."""
    form = {"key": key or uuid.uuid4(), "uses": ALL_USES, "agreed": agreed, "confirm": "yes"}
    return {**form, **data}
