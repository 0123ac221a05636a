"""The pages of the demo site, a small magazine."""

from django.db import models
from wagtail.admin.panels import FieldPanel
from wagtail.api import APIField
from wagtail.blocks import BlockQuoteBlock, RichTextBlock
from wagtail.fields import RichTextField, StreamField
from wagtail.images import get_image_model, get_image_model_string
from wagtail.images.api.fields import ImageRenditionField
from wagtail.images.blocks import ImageBlock
from wagtail.models import Page


def photo_field(**options):
    return models.ForeignKey(
        get_image_model_string(),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        **options,
    )


class HomePage(Page):
    """The newest article on top, then cards and square teasers."""

    max_count = 1

    def get_context(self, request, *args, **kwargs):
        articles = ArticlePage.objects.child_of(self).live().order_by("path")
        lead, *others = articles.select_related("photo") or [None]
        return {
            **super().get_context(request, *args, **kwargs),
            "lead": lead,
            "articles": others,
        }


class ArticlePage(Page):
    section = models.CharField(max_length=40)
    standfirst = models.TextField()
    photo = photo_field()
    body = StreamField(
        [
            ("text", RichTextBlock()),
            ("quote", BlockQuoteBlock()),
            ("picture", ImageBlock()),
        ]
    )

    parent_page_types = ["demo.HomePage"]
    content_panels = [
        *Page.content_panels,
        FieldPanel("section"),
        FieldPanel("standfirst"),
        FieldPanel("photo"),
        FieldPanel("body"),
    ]
    api_fields = [
        APIField("standfirst"),
        APIField("card", serializer=ImageRenditionField("smartresize-600x315", source="photo")),
        APIField("square", serializer=ImageRenditionField("smartresize-300x300", source="photo")),
    ]


class WaysPage(Page):
    """Every way to ask for a recomposed picture, with the crop beside what is live."""

    introduction = RichTextField(blank=True)
    person = photo_field(help_text="A square photograph of a person.")
    table = photo_field(help_text="A 3:2 photograph of a thing.")
    note = RichTextField(blank=True, help_text="Rich text with a picture in it.")

    content_panels = [
        *Page.content_panels,
        FieldPanel("introduction"),
        FieldPanel("person"),
        FieldPanel("table"),
        FieldPanel("note"),
    ]


class CheckPage(Page):
    """One photograph in four places whose results the sandbox spoils: three are stopped."""

    introduction = RichTextField(blank=True)
    photo = photo_field(help_text="A square photograph without a focal area.")

    content_panels = [*Page.content_panels, FieldPanel("introduction"), FieldPanel("photo")]


class ContactSheetPage(Page):
    """The articles' photographs in several shapes; its template is Jinja2."""

    template = "demo/contact_sheet_page.jinja"

    def get_context(self, request, *args, **kwargs):
        return {
            **super().get_context(request, *args, **kwargs),
            "photos": get_image_model().objects.order_by("pk"),
        }


class CreditsPage(Page):
    """Where the photographs come from: a listing whose renditions are prefetched."""

    SPECS = ("smartresize-200x200", "smartresize-200x200|format-webp")

    introduction = RichTextField(blank=True)

    content_panels = [*Page.content_panels, FieldPanel("introduction")]

    def get_context(self, request, *args, **kwargs):
        photos = get_image_model().objects.order_by("pk").prefetch_renditions(*self.SPECS)
        return {
            **super().get_context(request, *args, **kwargs),
            "credits": [self.credit(photo) for photo in photos],
        }

    def credit(self, photo):
        square, webp = photo.get_renditions(*self.SPECS).values()
        return {"photo": photo, "square": square, "webp": webp}
