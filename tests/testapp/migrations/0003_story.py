import django.db.models.deletion
import wagtail.fields
from django.db import migrations, models
from wagtail.images import get_image_model_string


class Migration(migrations.Migration):
    dependencies = [
        ("testapp", "0002_notice"),
    ]

    operations = [
        migrations.CreateModel(
            name="StoryPage",
            fields=[
                (
                    "page_ptr",
                    models.OneToOneField(
                        auto_created=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        parent_link=True,
                        primary_key=True,
                        serialize=False,
                        to="wagtailcore.page",
                    ),
                ),
                (
                    "body",
                    wagtail.fields.StreamField(
                        [("chosen", 0), ("described", 1), ("card", 2), ("text", 3)],
                        blank=True,
                        block_lookup={
                            0: ("wagtail.images.blocks.ImageChooserBlock", (), {}),
                            1: ("wagtail.images.blocks.ImageBlock", [], {}),
                            2: ("testapp.models.CardBlock", (), {}),
                            3: ("wagtail.blocks.RichTextBlock", (), {}),
                        },
                    ),
                ),
                (
                    "photo",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=get_image_model_string(),
                    ),
                ),
            ],
            options={"abstract": False},
            bases=("wagtailcore.page",),
        ),
    ]
