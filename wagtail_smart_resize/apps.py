from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class SmartResizeConfig(AppConfig):
    name = "wagtail_smart_resize"
    verbose_name = _("Smart resize")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import (
            audit,
            checks,  # noqa: F401
            cleanup,
            events,
            live,
            patches,
            runners,
            serving,
        )

        patches.apply()
        serving.connect()
        runners.connect()
        cleanup.connect()
        events.connect()
        audit.connect()
        # Migrating and flushing (between a test suite's tests) change what is live unannounced.
        post_migrate.connect(live.memory.reset, dispatch_uid="smart_resize_memory")
