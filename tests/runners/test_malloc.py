"""That a picture's memory is the system's again, as Linux tells it."""

import os
import platform
import subprocess
import sys

import pytest
from support.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.any_version

GLIBC = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only the GNU C library keeps what is freed"
)

# From the first large block that is freed the library learns to keep those that come.
GROWTH = """
import sys
from pathlib import Path

from PIL import Image

from wagtail_smart_resize.runners import malloc


def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024


def picture():
    return Image.new("RGB", (4000, 3000), "red")


said = int(sys.argv[1] == "give back" and malloc.give_back_large_blocks())
del_at_once = picture()
del del_at_once
before = resident()
gone, kept = picture(), picture()
del gone
print(said, resident() - before)
"""
#: What one such picture takes, in MB.
PICTURE = 46


def grown(asked: str, **environment: str) -> tuple[bool, int]:
    """Whether the process said that it gives blocks back, and by how many MB it has grown while
    it holds one picture of two."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    ended = subprocess.run(
        [sys.executable, "-c", GROWTH, asked],
        env={**clean, **environment},
        stdout=subprocess.PIPE,
        check=True,
        timeout=TIMEOUT_SECONDS,
    )
    said, megabytes = ended.stdout.split()
    return said == b"1", int(megabytes)


@GLIBC
def test_what_was_decoded_is_given_back():
    said, megabytes = grown("give back")
    assert said
    assert megabytes < 1.5 * PICTURE


@GLIBC
def test_of_itself_the_library_keeps_it():
    _said, megabytes = grown("")
    assert megabytes > 1.5 * PICTURE


def test_a_sites_own_choice_stays():
    said, _megabytes = grown("give back", MALLOC_MMAP_THRESHOLD_="67108864")
    assert not said
