"""From a template's wish to a live picture, against the sandbox over real sockets."""

import pytest
from support.factories import photo

from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.purchasing import demand

Purchase = Recomposition.Purchase


def see(image, *specs):
    """Render as a visitor's page does, and end its request."""
    renditions = type(image).objects.get(pk=image.pk).get_renditions(*specs)
    demand.write_noted_demand()
    return [renditions[spec] for spec in specs]


@pytest.mark.django_db(transaction=True)
def test_two_shapes_three_sizes_three_formats_are_one_purchase(site, run):
    image = photo()
    slots = ["800x420", "400x210", "200x105", "400x400", "300x300", "200x200"]
    specs = [
        f"smartresize-{slot}|format-{format}"
        for slot in slots
        for format in ("avif", "webp", "jpeg")
    ]
    before = see(image, *specs)
    assert Recomposition.objects.count() == 2
    run()
    assert len(site.gateway.requests) == 1
    assert len(site.gateway.requests[0]["target_sizes"]) == 2
    image.refresh_from_db()
    assert image.renditions.count() == 36
    after = see(image, *specs)
    assert image.renditions.count() == 36
    assert all(old.file.name != new.file.name for old, new in zip(before, after, strict=True))
