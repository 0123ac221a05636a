from django.apps import AppConfig


class SoakConfig(AppConfig):
    name = "suites.soak"

    def ready(self) -> None:
        from support.quarters import QUARTERS

        from wagtail_smart_resize.core import sizes

        from .hour import quicken

        quicken()
        # Drawing is the sandbox's, not ours.
        sizes.ENGINE_PRESETS = QUARTERS
