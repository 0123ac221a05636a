"""The catalogues hold all that people can read, in every language that we offer."""

import gettext
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polib
import pytest
from django.utils import translation

import wagtail_smart_resize
from wagtail_smart_resize.editorial.states import StateName

pytestmark = pytest.mark.any_version

PACKAGE = Path(wagtail_smart_resize.__file__).parent
CATALOGUES = sorted((PACKAGE / "locale").glob("*/LC_MESSAGES/django.po"))
HOLE = re.compile(r"%\(\w+\)[sd]|%[sd]")


def language_of(catalogue):
    return catalogue.parts[-3]


def key_of(entry):
    return entry.msgctxt, entry.msgid, entry.msgid_plural


def texts_of(entry):
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """Return the messages that the source marks for translation, as gettext finds them."""
    if not shutil.which("xgettext"):
        pytest.skip("no gettext here: the catalogues are not compared with the source")
    place = tmp_path_factory.mktemp("words") / "wagtail_smart_resize"
    shutil.copytree(PACKAGE, place, ignore=shutil.ignore_patterns("*.mo", "__pycache__"))
    command = [sys.executable, "-m", "django", "makemessages", "--locale=xx", "--no-location"]
    environment = {key: os.environ[key] for key in os.environ if key != "DJANGO_SETTINGS_MODULE"}
    subprocess.run(command, cwd=place, env=environment, check=True, capture_output=True)
    made = polib.pofile(place / "locale" / "xx" / "LC_MESSAGES" / "django.po")
    return {key_of(entry) for entry in made}


def test_there_are_catalogues():
    assert [language_of(catalogue) for catalogue in CATALOGUES] == ["de", "es", "fr"]


@pytest.mark.parametrize("catalogue", CATALOGUES, ids=language_of)
class TestCatalogue:
    def test_holds_what_the_source_says_and_nothing_else(self, catalogue, words):
        held = {key_of(entry) for entry in polib.pofile(catalogue)}
        assert {"new": words - held, "gone": held - words} == {"new": set(), "gone": set()}

    def test_leaves_nothing_untranslated(self, catalogue):
        opened = polib.pofile(catalogue)
        assert len(opened.translated_entries()) > 300
        assert opened.untranslated_entries() + opened.fuzzy_entries() == []

    def test_fills_the_same_holes(self, catalogue):
        """A plural's forms may leave out the number, and name nothing else."""
        for entry in polib.pofile(catalogue):
            holes = set(HOLE.findall(entry.msgid + entry.msgid_plural))
            assert set(HOLE.findall("".join(texts_of(entry)))) == holes, entry.msgid
            if not entry.msgid_plural:
                counted = [sorted(HOLE.findall(text)) for text in (entry.msgid, entry.msgstr)]
                assert counted[0] == counted[1], entry.msgid

    def test_is_compiled(self, catalogue):
        with open(catalogue.with_suffix(".mo"), "rb") as file:
            compiled = gettext.GNUTranslations(file)
        for entry in polib.pofile(catalogue):
            for number, text in enumerate(texts_of(entry)):
                key = (entry.msgid, number) if entry.msgid_plural else entry.msgid
                assert compiled._catalog[key] == text, entry.msgid

    def test_is_used(self, catalogue):
        with translation.override(language_of(catalogue)):
            assert str(StateName.FAILED.label) != "Failed"
