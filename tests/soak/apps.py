from django.apps import AppConfig


class SoakConfig(AppConfig):
    name = "soak"

    def ready(self) -> None:
        from quarters import QUARTERS

        from wagtail_smart_resize import shapes

        from .hour import quicken

        quicken()
        # Drawing is the sandbox's, not ours.
        shapes.ENGINE_PRESETS = QUARTERS
