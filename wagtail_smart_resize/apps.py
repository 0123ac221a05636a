from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class SmartResizeConfig(AppConfig):
    name = "wagtail_smart_resize"
    verbose_name = _("Smart resize")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from .editorial import audit, page_events
        from .models import file_cleanup
        from .renditions import published_cache, request_tracking, wagtail_patches
        from .runners import modes

        wagtail_patches.apply()
        request_tracking.connect()
        modes.connect()
        file_cleanup.connect()
        page_events.connect()
        audit.connect()
        # Migrating and flushing (between a test suite's tests) change what is live unannounced.
        post_migrate.connect(published_cache.memory.reset, dispatch_uid="smart_resize_memory")
