from django.apps import AppConfig


class SoakConfig(AppConfig):
    name = "suites.soak"

    def ready(self) -> None:
        from support.small_engine_presets import SMALL_ENGINE_PRESETS

        from wagtail_smart_resize.core import sizes

        from .load_profile import speed_up_clocks

        speed_up_clocks()
        # Drawing costs time that is the sandbox's, not ours.
        sizes.ENGINE_PRESETS = SMALL_ENGINE_PRESETS
