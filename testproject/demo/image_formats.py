"""What editors choose from for pictures in rich text."""

from django.utils.translation import gettext_lazy as _
from wagtail.images.formats import Format, register_image_format

register_image_format(
    Format("panorama", _("Panorama, 16:9"), "richtext-image panorama", "smartresize-560x315")
)
