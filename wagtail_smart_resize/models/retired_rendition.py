"""Renditions that pages no longer show, but caches may."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from wagtail.images import get_image_model_string

from .base import ConditionalUpdateModel
from .deletion import cascade_if_migrated


class RetiredRendition(ConditionalUpdateModel):
    """A rendition of the app's filter that is off its image's present key, and since when."""

    image = models.ForeignKey(
        get_image_model_string(), on_delete=cascade_if_migrated, related_name="+"
    )
    #: The rendition's primary key as text: a site's rendition model may have any kind of key.
    rendition_id = models.CharField(max_length=64, unique=True)
    first_seen_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("retired rendition")
        verbose_name_plural = _("retired renditions")

    def __str__(self) -> str:
        return self.rendition_id
