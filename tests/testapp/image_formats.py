from wagtail.images.formats import Format, register_image_format

register_image_format(Format("teaser", "Teaser", "teaser", "smartresize-400x400"))
register_image_format(Format("hero", "Hero", "hero", "smartresize-hero"))
