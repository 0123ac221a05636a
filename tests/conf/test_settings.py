"""The site's settings: what they default to, what they refuse, and that the docs say the same."""

import re
from decimal import Decimal

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, storages
from django.db.models import FileField
from django.test import override_settings
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy
from support.paths import PAGES

from wagtail_smart_resize.core.money import Price
from wagtail_smart_resize.core.sizes import Size, Slot
from wagtail_smart_resize.settings import SETTINGS, Preset, Recipe, UnknownRecipe, settings

PAGE = PAGES["settings"]


def site(**values):
    """The site's dict, holding these keys alone."""
    return override_settings(WAGTAIL_SMART_RESIZE=values)


def allow_everything(image, *, shape, sizes, recipe):
    return True


def test_site_without_the_dict_has_every_default_and_no_key():
    with override_settings(WAGTAIL_SMART_RESIZE=None):
        del django_settings.WAGTAIL_SMART_RESIZE
        values = {name: getattr(settings, name) for name in SETTINGS}

    assert values == {name: setting.default for name, setting in SETTINGS.items()}
    assert values["API_KEY"] == ""


def test_values_follow_the_sites_settings_when_these_change():
    with site(CANDIDATES=3):
        assert settings.CANDIDATES == 3
    with site(CANDIDATES=4):
        assert settings.CANDIDATES == 4
    with site():
        assert settings.CANDIDATES == 1


@pytest.mark.parametrize(
    ("name", "written", "used"),
    [
        ("API_KEY", " key\n", "key"),
        ("API_KEY", None, ""),
        ("BASE_URL", "https://gateway.example/v1/", "https://gateway.example/v1"),
        (
            "BASE_URL",
            "http://127.0.0.1:8899/smart-resize/v1",
            "http://127.0.0.1:8899/smart-resize/v1",
        ),
        ("PROMPT", " Keep faces. ", "Keep faces."),
        ("RESOLUTION", "4K", "4K"),
        ("OUTPUT_FORMAT", "png", "png"),
        ("SAFETY_TOLERANCE", 5, "5"),
        ("SAFETY_TOLERANCE", "5", "5"),
        ("WISHES", ["Keep the dog"], ["Keep the dog"]),
        ("WISHES", ("One", gettext_lazy("Images")), ["One", gettext_lazy("Images")]),
        ("WISHES", [], []),
        ("AUTO_GENERATE", False, False),
        ("MIN_CROP_LOSS", 0, 0.0),
        ("MIN_KEPT", 1, 1.0),
        ("DAILY_LIMIT", 0, 0),
        ("PRICE_PER_OUTPUT", ("0.12", "USD"), Price(Decimal("0.12"), "USD")),
        ("PRICE_PER_OUTPUT", (0.12, "EUR"), Price(Decimal("0.12"), "EUR")),
        ("PRICE_PER_OUTPUT", {"amount": 1, "currency": "INR"}, Price(Decimal(1), "INR")),
        ("ALLOW", f"{__name__}.allow_everything", allow_everything),
        ("RUNNER", "tasks", "tasks"),
        ("POLL_INTERVAL", 3, 3.0),
        ("KEEP_RETIRED_DAYS", 0, 0),
        ("LABEL_RENDITIONS", False, False),
        ("LABEL_TEXT", "Made with AI", "Made with AI"),
        ("LABEL_POSITION", "top-end", "top-end"),
    ],
)
def test_usable_value_is_used(name, written, used):
    with site(**{name: written}):
        assert getattr(settings, name) == used


@pytest.mark.parametrize(
    ("name", "written", "remedy"),
    [
        ("API_KEY", 12, "write the key as text"),
        ("API_KEY", "two words", "write the key as text"),
        ("API_KEY", "schlüssel", "write the key as text"),
        ("BASE_URL", "gateway.example", "write an address such as https://"),
        ("BASE_URL", "ftp://gateway.example", "write an address such as https://"),
        ("BASE_URL", "https://user:word@gateway.example", "without user name"),
        ("BASE_URL", "https://gateway.example/?key=1", "without user name, query"),
        ("BASE_URL", "https://gateway.example:port", "write an address such as https://"),
        ("BASE_URL", None, "write an address such as https://"),
        ("PROMPT", None, "write text, not None."),
        ("RESOLUTION", "8K", 'write one of "1K", "2K", "4K", not \'8K\'.'),
        ("OUTPUT_FORMAT", "avif", 'write one of "jpeg", "png", "webp"'),
        ("SAFETY_TOLERANCE", 7, 'write "1" to "6", or None'),
        ("SAFETY_TOLERANCE", True, 'write "1" to "6", or None'),
        ("CANDIDATES", 0, "write a whole number from 1 to 10, not 0."),
        ("CANDIDATES", 11, "write a whole number from 1 to 10, not 11."),
        ("CANDIDATES", True, "write a whole number"),
        ("CANDIDATES", "2", "write a whole number"),
        ("WISHES", "Keep the dog", "write a list of texts, such as"),
        ("WISHES", None, "write a list of texts, such as"),
        ("WISHES", [12], "write text, not 12."),
        ("WISHES", ["Keep the dog"] * 21, "write no more than 20 texts, not 21."),
        ("AUTO_GENERATE", "false", "write True or False, not 'false'."),
        ("REVIEW", 1, "write True or False, not 1."),
        ("ALLOW", "nowhere.allow", '"nowhere.allow" can\'t be imported: No module'),
        ("ALLOW", f"{__name__}.PAGE", "write the dotted path of a function"),
        ("ALLOW", allow_everything, "write a dotted path such as"),
        ("MIN_CROP_LOSS", 10, "write a share from 0 to 1, such as 0.1 for 10 %, not 10."),
        ("MIN_CROP_LOSS", float("nan"), "write a share from 0 to 1"),
        ("MIN_SLOT_SIDE", -1, "write a whole number from 0"),
        ("MIN_KEPT", "0.5", "write a share from 0 to 1"),
        ("DAILY_LIMIT", None, "a number that is never reached"),
        ("MONTHLY_LIMIT", 1.5, "write a whole number of 0 or more"),
        ("PRICE_PER_OUTPUT", "0.12 USD", "write an amount and a currency"),
        ("PRICE_PER_OUTPUT", ("much", "USD"), "write an amount and a currency"),
        ("PRICE_PER_OUTPUT", ("-1", "USD"), "write an amount and a currency"),
        ("PRICE_PER_OUTPUT", ("nan", "USD"), "write an amount and a currency"),
        ("PRICE_PER_OUTPUT", ("1", "$"), "write an amount and a currency"),
        ("PRICE_PER_OUTPUT", {"amount": 1}, "write an amount and a currency"),
        ("SOURCE_BASE_URL", "", "write an address such as https://"),
        ("RUNNER", "cron", 'write one of "auto", "thread", "tasks", "off", not \'cron\'.'),
        ("POLL_INTERVAL", 0, "write seconds from 0.1 to 60, not 0."),
        ("DEADLINE", float("inf"), "write seconds from 1 to 86400"),
        ("MAX_IN_FLIGHT", 0, "write a whole number from 1"),
        ("CANDIDATE_STORAGE", "private", 'STORAGES has no "private"'),
        ("CANDIDATE_STORAGE", 5, "write a key of STORAGES"),
        ("KEEP_RETIRED_DAYS", -1, "write a whole number from 0"),
        ("LABEL_RENDITIONS", "no", "write True or False, not 'no'."),
        ("LABEL_TEXT", " ", "write what visitors are to read: it can't be blank."),
        ("LABEL_TEXT", None, "write text, not None."),
        ("LABEL_POSITION", "above", 'write one of "below", "top-start", "top-end", "bottom-start"'),
        ("LABEL_POSITION", ["below"], "write one of"),
        ("EXTEND_IMAGE_VIEWS", None, "write True or False"),
    ],
)
def test_bad_value_is_refused_by_name_with_the_remedy(name, written, remedy):
    with site(**{name: written}):
        with pytest.raises(ImproperlyConfigured) as refusal:
            getattr(settings, name)
        problems = settings.problems()

    assert str(refusal.value).startswith(f'WAGTAIL_SMART_RESIZE["{name}"]: ')
    assert remedy in str(refusal.value)
    assert problems == [str(refusal.value)]


def test_refusal_of_a_key_does_not_show_it():
    with site(API_KEY="my secret"), pytest.raises(ImproperlyConfigured) as refusal:
        settings.API_KEY  # noqa: B018 - reading it is the test

    assert "secret" not in str(refusal.value)


def test_bad_value_leaves_the_other_settings_usable():
    with site(RUNNER="cron", CANDIDATES=2):
        assert settings.CANDIDATES == 2


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("APIKEY", 'Did you mean "API_KEY"?'),
        ("api_key", 'Did you mean "API_KEY"?'),
        ("PRESET", 'Did you mean "PRESETS"?'),
        ("COLOUR", "It may hold API_KEY, BASE_URL,"),
        (5, "It may hold API_KEY, BASE_URL,"),
    ],
)
def test_unknown_key_is_refused_with_the_one_that_was_meant(key, hint):
    site_dict = override_settings(WAGTAIL_SMART_RESIZE={key: "x"})
    with site_dict, pytest.raises(ImproperlyConfigured) as refusal:
        settings.RUNNER  # noqa: B018 - reading it is the test

    assert f'WAGTAIL_SMART_RESIZE has no key "{key}".' in str(refusal.value)
    assert hint in str(refusal.value)


def test_something_else_than_a_dict_is_refused():
    with override_settings(WAGTAIL_SMART_RESIZE="key"):
        with pytest.raises(ImproperlyConfigured, match="WAGTAIL_SMART_RESIZE: write a dict"):
            settings.RUNNER  # noqa: B018 - reading it is the test
        assert len(settings.problems()) == 1


def test_problems_name_each_bad_key_once():
    presets = {"hero": {"size": "1200x630", "prompt": "Centre the boat."}}
    with site(PROMPT=5, RUNNER="cron", APIKEY="x", PRESET={}, PRESETS=presets):
        problems = settings.problems()

    assert [re.search('"([A-Z_]+)"', problem)[1] for problem in problems] == [
        "APIKEY",
        "PRESET",
        "PROMPT",
        "RUNNER",
    ]


def test_usable_settings_have_no_problems():
    assert settings.problems() == []


@pytest.mark.parametrize(("values", "is_set"), [({}, False), ({"REVIEW": False}, True)])
def test_review_that_is_not_set_can_be_told_from_false(values, is_set):
    with site(**values):
        assert settings.REVIEW is False
        assert settings.review_is_set is is_set


# Presets and recipes


def test_preset_with_a_size_alone_has_no_recipe_of_its_own():
    with site(PRESETS={"wide_card": {"size": "1200x630-c20"}}):
        preset = settings.PRESETS["wide_card"]

    assert preset == Preset("wide_card", Slot(Size(1200, 630), 20), "Wide card", None)
    assert preset.recipe_name == ""


@pytest.mark.parametrize(
    ("given", "recipe"),
    [
        ({"prompt": "Keep it."}, Recipe("hero", "Keep it.", "4K", "3")),
        ({"prompt": ""}, Recipe("hero", "", "4K", "3")),
        ({"resolution": "1K"}, Recipe("hero", "Site's.", "1K", "3")),
        ({"safety_tolerance": 6}, Recipe("hero", "Site's.", "4K", "6")),
        ({"safety_tolerance": None}, Recipe("hero", "Site's.", "4K", None)),
    ],
)
def test_presets_recipe_takes_from_the_site_what_it_does_not_say(given, recipe):
    presets = {"hero": {"size": "1200x630", **given}}
    with site(PROMPT="Site's.", RESOLUTION="4K", SAFETY_TOLERANCE="3", PRESETS=presets):
        assert settings.PRESETS["hero"].recipe == recipe
        assert settings.recipe("hero") == recipe


def test_the_visible_label_is_in_the_visitors_language():
    with site():
        texts = []
        for language in ("en", "de", "es", "fr"):
            with translation.override(language):
                texts.append(str(settings.LABEL_TEXT))
    assert texts[0] == "Picture changed with AI"
    assert len(set(texts)) == 4


def test_label_of_a_preset_stays_lazy():
    with site(PRESETS={"hero": {"size": "1200x630", "label": gettext_lazy("Hero")}}):
        assert isinstance(settings.PRESETS["hero"].label, Promise)


def test_default_recipe_is_the_sites():
    with site(PROMPT="Keep it.", RESOLUTION="1K", SAFETY_TOLERANCE=2):
        assert settings.recipe("") == Recipe("", "Keep it.", "1K", "2")


@pytest.mark.parametrize("name", ["plain", "gone"])
def test_recipe_that_no_preset_has_is_unknown(name):
    with site(PRESETS={"plain": {"size": "1200x630"}}), pytest.raises(UnknownRecipe, match=name):
        settings.recipe(name)


@pytest.mark.parametrize(
    ("presets", "message"),
    [
        ([], '["PRESETS"]: write a dict such as {"hero": {"size": "1200x630"}}, not [].'),
        ({"Hero": {"size": "1x1"}}, '["PRESETS"]["Hero"]: a preset\'s name begins with'),
        ({"c50": {"size": "1x1"}}, '["PRESETS"]["c50"]: a preset\'s name begins with'),
        ({5: {"size": "1x1"}}, '["PRESETS"]["5"]: a preset\'s name begins with'),
        ({"hero": "1200x630"}, '["PRESETS"]["hero"]: write a dict with a size'),
        ({"hero": {}}, '["PRESETS"]["hero"]: write a dict with a size'),
        ({"hero": {"size": "wide"}}, '["PRESETS"]["hero"]["size"]: "wide" is not a size'),
        ({"hero": {"size": (1, 2)}}, '["PRESETS"]["hero"]["size"]: write a size such as'),
        ({"hero": {"size": "1x1", "promt": ""}}, '"promt". Did you mean "prompt"?'),
        ({"hero": {"size": "1x1", "label": 5}}, '["PRESETS"]["hero"]["label"]: write text'),
        ({"hero": {"size": "1x1", "resolution": "8K"}}, '["resolution"]: write one of "1K"'),
    ],
)
def test_bad_preset_is_refused_by_name_with_the_remedy(presets, message):
    with site(PRESETS=presets), pytest.raises(ImproperlyConfigured) as refusal:
        settings.PRESETS  # noqa: B018 - reading it is the test

    assert str(refusal.value).startswith('WAGTAIL_SMART_RESIZE["PRESETS"]')
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "slot", "recipe_name"),
    [
        ("1200x630", "1200x630", ""),
        ("1200x630-c50", "1200x630-c50", ""),
        ("plain", "800x600-c20", ""),
        ("plain-c50", "800x600-c50", ""),
        ("plain-c0", "800x600", ""),
        ("hero", "1920x600", "hero"),
        ("hero-c150", "1920x600-c100", "hero"),
    ],
)
def test_slot_is_read_from_a_size_or_a_preset(text, slot, recipe_name):
    presets = {"plain": {"size": "800x600-c20"}, "hero": {"size": "1920x600", "prompt": "Wide."}}
    with site(PRESETS=presets):
        assert settings.parse_slot(text) == (Slot.parse(slot), recipe_name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("her", '"her" is neither a size, such as 1200x630, nor one of the presets'),
        ("hero-50", '"50" is not a closeness'),
        ("c50", '"c50" is not a size'),
        ("hero.wide", '"hero.wide" is not a size'),
    ],
)
def test_slot_that_is_neither_is_refused_by_name(text, message):
    presets = {"hero": {"size": "1920x600"}}
    with site(PRESETS=presets), pytest.raises(ValueError, match="^" + re.escape(message)):
        settings.parse_slot(text)


# Where candidates are kept


def test_candidates_are_kept_in_the_default_storage():
    with site():
        assert settings.candidate_storage().location == storages["default"].location


def test_candidates_are_kept_in_the_storage_of_that_key():
    backend = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": "/candidates"},
    }
    chosen = {"CANDIDATE_STORAGE": "candidates"}
    with override_settings(STORAGES={"candidates": backend}, WAGTAIL_SMART_RESIZE=chosen):
        assert settings.candidate_storage().location == "/candidates"


class CandidatesInMemory(InMemoryStorage):
    def __init__(self):
        super().__init__(base_url="/candidates/")


def make_storage():
    return CandidatesInMemory()


@pytest.mark.parametrize(
    "chosen",
    [
        f"{__name__}.CandidatesInMemory",
        f"{__name__}.make_storage",
        make_storage,
        make_storage(),
    ],
)
def test_candidates_are_kept_in_one_storage_however_it_is_named(chosen):
    with site(CANDIDATE_STORAGE=chosen):
        name = settings.candidate_storage().save("a.webp", ContentFile(b"picture"))

        assert settings.candidate_storage().open(name).read() == b"picture"
        assert settings.candidate_storage().url(name) == "/candidates/a.webp"


def test_storage_that_a_field_holds_follows_the_settings():
    field = FileField(storage=settings.candidate_storage)
    with site(CANDIDATE_STORAGE=make_storage):
        assert field.storage.base_url == "/candidates/"
    assert field.storage.base_url == storages["default"].base_url


def test_wrong_setting_stops_no_model_from_being_imported():
    with site(CANDIDATE_STORAGE="nowhere"):
        field = FileField(storage=settings.candidate_storage)
        with pytest.raises(ImproperlyConfigured, match="CANDIDATE_STORAGE"):
            field.storage.exists("a.webp")


# The docs


def test_docs_list_every_setting_with_its_default_in_order():
    rows = re.findall(r"^\| `([A-Z_]+)` \| `(.+?)` \| \S", PAGE.read_text(), flags=re.MULTILINE)

    assert rows == [(name, documented(setting)) for name, setting in SETTINGS.items()]


def documented(setting):
    """A default as the docs write it."""
    if isinstance(setting.default, list):
        return "[" + ", ".join(f'"{each}"' for each in setting.default) + "]"
    is_text = isinstance(setting.default, str | Promise)
    return f'"{setting.default}"' if is_text else repr(setting.default)
