from django.db import models
from wagtail.admin.panels import FieldPanel
from wagtail.images import get_image_model_string
from wagtail.models import DraftStateMixin, Page, RevisionMixin
from wagtail.snippets.models import register_snippet


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
