"""Images that a person keeps from the service."""

from django.conf import settings as django_settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from wagtail.images import get_image_model_string

from .base import ConditionalUpdateModel
from .deletion import cascade_if_migrated, set_null_if_migrated


class OptOut(ConditionalUpdateModel):
    """An image that is never sent to the service."""

    image = models.OneToOneField(
        get_image_model_string(), on_delete=cascade_if_migrated, related_name="+"
    )
    user = models.ForeignKey(
        django_settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=set_null_if_migrated,
        related_name="+",
    )
    reason = models.TextField(_("reason"), blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("opt-out")
        verbose_name_plural = _("opt-outs")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.image_id)
