from PIL import ImageOps
from wagtail import hooks
from wagtail.images.image_operations import FilterOperation
from willow.plugins.pillow import PillowImage


class GreyOperation(FilterOperation):
    """A site's own filter, which changes pixels."""

    def construct(self):
        pass

    def run(self, willow, image, env):
        return PillowImage(ImageOps.grayscale(willow.get_pillow_image()).convert("RGB"))


@hooks.register("register_image_operations")
def register_image_operations():
    return [("testgrey", GreyOperation)]
