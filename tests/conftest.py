"""What every test shares: no way out to the network, and a clean state of our process."""

import ipaddress
import os
import shutil
import socket
from pathlib import Path

import pytest

import wagtail_smart_resize


def pytest_configure(config):
    """Under tox the built wheel is what is tested, not the source tree."""
    if os.environ.get("TEST_THE_WHEEL") == "1":
        assert "site-packages" in Path(wagtail_smart_resize.__file__).parts


def pytest_unconfigure(config):
    from django.conf import settings

    shutil.rmtree(settings.WORK_DIR, ignore_errors=True)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Connections leave this machine for no test; what needs a server runs one on loopback."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = ipaddress.ip_address(address[0])
            assert host.is_loopback, f"a test tried to reach {address}"
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
