"""Indexes for the report's order, filters and figures."""

from django.db import migrations, models


def _recompositions(name, *fields):
    index = models.Index(fields=[*fields, "wanted_at", "id"], name=name)
    return migrations.AddIndex("recomposition", index)


class Migration(migrations.Migration):
    dependencies = [("wagtail_smart_resize", "0001_initial")]

    operations = [
        _recompositions("smart_resize_newest"),
        _recompositions("smart_resize_shapes", "shape"),
        _recompositions("smart_resize_failures", "failure_code"),
        _recompositions("smart_resize_waits", "waiting_reason"),
        _recompositions("smart_resize_purchases", "purchase"),
        migrations.AddIndex(
            "gatewayrequest", models.Index(fields=["reserved_on"], name="smart_resize_reserved")
        ),
    ]
