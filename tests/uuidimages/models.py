"""An image model whose keys are no numbers."""

import uuid

from django.db import models
from taggit.managers import TaggableManager
from taggit.models import GenericUUIDTaggedItemBase, TaggedItemBase
from wagtail.images.models import AbstractImage, AbstractRendition, Image


class ImageTag(GenericUUIDTaggedItemBase, TaggedItemBase):
    """Taggit's own table holds whole numbers."""


class UUIDImage(AbstractImage):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tags = TaggableManager(blank=True, through=ImageTag)

    admin_form_fields = Image.admin_form_fields


class UUIDRendition(AbstractRendition):
    image = models.ForeignKey(UUIDImage, on_delete=models.CASCADE, related_name="renditions")

    class Meta:
        unique_together = (("image", "filter_spec", "focal_point_key"),)
