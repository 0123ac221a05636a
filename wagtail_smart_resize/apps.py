from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class SmartResizeConfig(AppConfig):
    name = "wagtail_smart_resize"
    verbose_name = _("Smart resize")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks  # noqa: F401 - registers them
        from .core.schema import schema
        from .editorial import audit, page_events, tried_versions
        from .models import changed_image, file_cleanup, image_collection, sqlite
        from .purchasing import demand
        from .renditions import demand_notes, published_cache, request_tracking, wagtail_patches
        from .runners import modes

        sqlite.use_immediate_transactions()
        wagtail_patches.apply()
        wagtail_patches.tried_by = tried_versions.tried_by
        request_tracking.connect_request_tracking()
        demand_notes.preview_writer = demand.write_preview_demand
        modes.connect_runners()
        file_cleanup.connect_file_cleanup()
        image_collection.connect_images()
        changed_image.connect_changes()
        page_events.connect_page_events()
        audit.connect_audit()
        post_migrate.connect(schema.migrated, sender=self, dispatch_uid="smart_resize_schema")
        # Migrating and flushing (between a test suite's tests) change what is live without a flip.
        post_migrate.connect(
            published_cache.process_cache.reset, dispatch_uid="smart_resize_memory"
        )
