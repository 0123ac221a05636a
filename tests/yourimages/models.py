"""A site's own image model, in an app that sorts after ours."""

from django.db import models
from wagtail.images.models import AbstractImage, AbstractRendition, Image


class Licence(models.Model):
    """Made by the app's first migration; the image model comes in its second."""

    name = models.CharField(max_length=255)

    def __str__(self) -> str:
        return self.name


class CustomImage(AbstractImage):
    caption = models.CharField(max_length=255, blank=True)

    admin_form_fields = (*Image.admin_form_fields, "caption")


class CustomRendition(AbstractRendition):
    image = models.ForeignKey(CustomImage, on_delete=models.CASCADE, related_name="renditions")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=("image", "filter_spec", "focal_point_key"), name="unique_rendition"
            )
        ]


class ChildImage(Image):
    """An image model with a table of its own beside Wagtail's: multi-table inheritance."""

    credit = models.CharField(max_length=255, blank=True)

    admin_form_fields = (*Image.admin_form_fields, "credit")
