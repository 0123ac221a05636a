"""Since when a recomposition awaits review, as a field that an index can order."""

from django.db import migrations, models


def note_what_waits(apps, schema_editor):
    """As the pictures that are there say, with the best moment that is known of each."""
    alias = schema_editor.connection.alias
    candidates = apps.get_model("wagtail_smart_resize", "Candidate").objects.using(alias)
    rows = apps.get_model("wagtail_smart_resize", "Recomposition").objects.using(alias)
    ready = candidates.filter(recomposition=models.OuterRef("pk"), stored=True)
    waiting = rows.filter(models.Exists(ready), decision="none", live=None)
    waiting.update(review_since=models.F("wanted_at"))


class Migration(migrations.Migration):
    dependencies = [("wagtail_smart_resize", "0002_indexes")]

    operations = [
        migrations.AddField(
            "recomposition",
            "review_since",
            models.DateTimeField(null=True, blank=True),
        ),
        migrations.AddIndex(
            "recomposition",
            models.Index(fields=["review_since", "id"], name="smart_resize_review"),
        ),
        migrations.RunPython(note_what_waits, migrations.RunPython.noop, elidable=True),
    ]
