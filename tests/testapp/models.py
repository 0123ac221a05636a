from django.db import models
from wagtail.admin.panels import FieldPanel
from wagtail.api import APIField
from wagtail.blocks import RichTextBlock
from wagtail.fields import StreamField
from wagtail.images import get_image_model_string
from wagtail.images.api.fields import ImageRenditionField
from wagtail.images.blocks import ImageBlock, ImageChooserBlock
from wagtail.models import DraftStateMixin, Page, RevisionMixin
from wagtail.snippets.models import register_snippet

from wagtail_smart_resize.api.fields import SmartRenditionField


class PicturePage(Page):
    photo = models.ForeignKey(
        get_image_model_string(),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )

    content_panels = [*Page.content_panels, FieldPanel("photo")]
    template = "testapp/picture_page.html"


@register_snippet
class Person(models.Model):
    name = models.CharField(max_length=255)
    portrait = models.ForeignKey(
        get_image_model_string(),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )

    panels = [FieldPanel("name"), FieldPanel("portrait")]

    def __str__(self) -> str:
        return self.name


class PersonPage(Page):
    person = models.ForeignKey(
        Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    content_panels = [*Page.content_panels, FieldPanel("person")]
    template = "testapp/picture_page.html"


class CardBlock(ImageChooserBlock):
    """A block that says in the API what it shows on pages."""

    def get_api_representation(self, value, context=None):
        return SmartRenditionField("smartresize-400x400").to_representation(value)


class StoryPage(Page):
    """All ways in which a page holds images, and what API clients are told of them."""

    photo = models.ForeignKey(
        get_image_model_string(),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    body = StreamField(
        [
            ("chosen", ImageChooserBlock()),
            ("described", ImageBlock()),
            ("card", CardBlock()),
            ("text", RichTextBlock()),
        ],
        blank=True,
    )

    content_panels = [*Page.content_panels, FieldPanel("photo"), FieldPanel("body")]
    template = "testapp/story_page.html"
    api_fields = [
        APIField("photo"),
        APIField("body"),
        APIField("plain", serializer=ImageRenditionField("smartresize-400x400", source="photo")),
        APIField("smart", serializer=SmartRenditionField("smartresize-400x400", source="photo")),
        APIField(
            "smart_and_why",
            serializer=SmartRenditionField(
                "smartresize-200x200|format-webp", source="photo", with_reason=True
            ),
        ),
    ]


@register_snippet
class Notice(DraftStateMixin, RevisionMixin, models.Model):
    """A snippet that can be published and withdrawn."""

    photo = models.ForeignKey(
        get_image_model_string(),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )

    panels = [FieldPanel("photo")]

    def __str__(self) -> str:
        return f"Notice {self.pk}"
