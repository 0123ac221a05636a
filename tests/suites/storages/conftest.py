"""Provides a site for each of the set-ups."""

import pytest

from .setups import SETUPS, STATIC, reached_at


@pytest.fixture(scope="session")
def s3_server():
    needed = "pip install wagtail-smart-resize[storages]"
    for module in ("moto", "storages"):
        pytest.importorskip(module, reason=needed)
    from .s3_server import S3Server

    running = S3Server()
    yield running
    running.stop()


@pytest.fixture
def s3(s3_server):
    s3_server.clear()
    return s3_server


@pytest.fixture
def site_storages(setup, s3, settings, monkeypatch, tmp_path):
    """Apply the site's settings, and what Wagtail derives from them when a process starts."""
    from wagtail.images import get_image_model
    from wagtail.images.models import get_rendition_storage

    from .backends import RemoteStorage

    chosen = SETUPS[setup]
    settings.MEDIA_ROOT = tmp_path / "media"
    for name, value in reached_at(s3.url).items():
        setattr(settings, name, value)
    settings.STORAGES = {"staticfiles": STATIC, **chosen.storages}
    if chosen.renditions:
        settings.WAGTAILIMAGES_RENDITION_STORAGE = chosen.renditions
    rendition_file = get_image_model().get_rendition_model()._meta.get_field("file")
    monkeypatch.setattr(rendition_file, "storage", get_rendition_storage())
    monkeypatch.setattr(RemoteStorage, "calls", [])
    return {"CANDIDATE_STORAGE": chosen.candidates} if chosen.candidates else {}


@pytest.fixture
def storage_site(
    site_storages, s3, live_server, settings, monkeypatch, moving_clock, client, django_user_model
):
    from support.small_engine_presets import SMALL_ENGINE_PRESETS
    from testapp.models import PicturePage

    from wagtail_smart_resize.core import sizes
    from wagtail_smart_resize.sandbox import SandboxGateway

    from .storage_site import StorageSite

    monkeypatch.setattr(PicturePage, "template", "testapp/faults_page.html")
    monkeypatch.setattr(sizes, "ENGINE_PRESETS", SMALL_ENGINE_PRESETS)
    client.force_login(django_user_model.objects.create_superuser("ada", "ada@example.org", "x"))
    with SandboxGateway() as gateway:
        settings.WAGTAIL_SMART_RESIZE = {
            **settings.WAGTAIL_SMART_RESIZE,
            "API_KEY": gateway.key,
            "BASE_URL": gateway.url,
            "SOURCE_BASE_URL": live_server.url,
            "RESOLUTION": "1K",
            "OUTPUT_FORMAT": "jpeg",
            "PRESETS": {},
            **site_storages,
        }
        yield StorageSite(gateway, live_server.url, settings, moving_clock, client, s3)
