"""The site's settings: one dict, `WAGTAIL_SMART_RESIZE`, read lazily through `settings`.

`docs/reference/settings.md` describes each key. A value is validated when it is first used; an
unusable one raises `ImproperlyConfigured`, which names the key and says what to write.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar, cast, overload

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import Storage, storages
from django.core.signals import setting_changed
from django.utils.functional import LazyObject, empty
from django.utils.translation import gettext_lazy as _

from wagtail_smart_resize.core.redaction import redacted
from wagtail_smart_resize.core.site_image import SiteImage
from wagtail_smart_resize.core.sizes import RESOLUTIONS, Slot, is_preset_name, parse_closeness
from wagtail_smart_resize.integrity import extra
from wagtail_smart_resize.integrity.report import Thresholds

from .conf import validators

DICT_NAME = "WAGTAIL_SMART_RESIZE"

__all__ = [
    "Allow",
    "Preset",
    "Recipe",
    "UnknownRecipe",
    "settings",
]

T = TypeVar("T")


@dataclass(frozen=True)
class Recipe:
    """What determines a recomposition besides its shape. The site's default has the name ""."""

    name: str
    prompt: str
    resolution: str
    safety_tolerance: str | None
    thresholds: Thresholds = field(default_factory=Thresholds)
    """From where on a result does not pass the check against its original."""
    keep_pixels: str = "no"
    """Over what the photograph's own pixels are laid in each result: "no" or "subject"."""


@dataclass(frozen=True)
class Preset:
    """A named slot. `recipe` is None where the preset uses the site's default."""

    name: str
    slot: Slot
    label: str
    recipe: Recipe | None = None
    burn_label: bool = False
    """Whether the label that visitors see is drawn into its recomposed renditions."""

    @property
    def recipe_name(self) -> str:
        return self.recipe.name if self.recipe else ""


class Allow(Protocol):
    """Signature of the site's `ALLOW`, which decides what may be recomposed.

    `image` is the image object, `shape` the ratio to three decimals, `sizes` the slots that ask for
    it ("1200x630-c50"), `recipe` a recipe's name. It is called before each purchase, outside of any
    request. An exception counts as False.
    """

    def __call__(
        self, image: SiteImage, *, shape: Decimal, sizes: list[str], recipe: str
    ) -> bool: ...


class UnknownRecipe(LookupError):
    """The site's settings do not hold this recipe, or no longer do."""


class Setting(Generic[T]):
    """Descriptor of one key of the dict: its default, and the validator of the site's value."""

    def __init__(self, default: Any, clean: Callable[[Any], T]) -> None:
        self.default = default
        self.clean = clean

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> "Setting[T]": ...

    @overload
    def __get__(self, instance: "Settings", owner: type) -> T: ...

    def __get__(self, instance: "Settings | None", owner: type) -> "Setting[T] | T":
        if instance is None:
            return self
        if unknown := instance.unknown_keys():
            raise ImproperlyConfigured(unknown[0])
        value = self.read(instance.site_dict())
        # From now on the instance's own attribute is found first.
        vars(instance)[self.name] = value
        return value

    def read(self, site: Mapping[str, Any]) -> T:
        """Return the validated value from the site's dict. Raises ImproperlyConfigured."""
        path = f'{DICT_NAME}["{self.name}"]'
        return _cleaned(path, self.clean, site.get(self.name, self.default))


class _SiteDict(dict[str, Any]):
    """The site's dict, with a `repr` without values: error reports print local variables."""

    def __init__(self, site: Mapping[str, Any]) -> None:
        super().__init__(site)
        if (key := site.get("API_KEY")) is not None:
            self["API_KEY"] = redacted(key)

    def __repr__(self) -> str:
        return f"<{DICT_NAME}>"


def _cleaned(path: str, clean: Callable[[Any], T], value: Any) -> T:
    try:
        return clean(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{path}: {error}") from error


def _unknown_key(path: str, key: object, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(key).upper(), [name.upper() for name in known], n=1)
    meant = [name for name in known if name.upper() in close]
    hint = f'Did you mean "{meant[0]}"?' if meant else f"It may hold {', '.join(known)}."
    return f'{path} has no key "{key}". {hint}'


#: Over what the photograph's own pixels are laid by themselves.
KEEP_PIXELS = ("no", "subject")

PRESET_KEYS: dict[str, Callable[[Any], Any]] = {
    "size": validators.slot,
    "label": validators.label,
    "prompt": validators.text,
    "resolution": validators.choice(*RESOLUTIONS),
    "safety_tolerance": validators.safety_tolerance,
    "integrity_thresholds": validators.thresholds,
    "keep_pixels": validators.choice(*KEEP_PIXELS),
    "burn_label": validators.boolean,
}


def _presets(value: Any) -> dict[str, Preset]:
    if not isinstance(value, Mapping):
        raise ValueError(f'write a dict such as {{"hero": {{"size": "1200x630"}}}}, not {value!r}.')
    return {name: _preset(name, given) for name, given in value.items()}


def _preset(name: Any, given: Any) -> Preset:
    path = f'{DICT_NAME}["PRESETS"]["{name}"]'
    if not (isinstance(name, str) and is_preset_name(name)):
        raise ImproperlyConfigured(
            f"{path}: a preset's name begins with a letter from a to z, holds only these, digits "
            'and underscores, and is not "c" with a number, which would be a closeness. Rename it.'
        )
    if not (isinstance(given, Mapping) and "size" in given):
        raise ImproperlyConfigured(f'{path}: write a dict with a size: {{"size": "1200x630"}}.')
    if unknown := [key for key in given if key not in PRESET_KEYS]:
        raise ImproperlyConfigured(_unknown_key(path, unknown[0], PRESET_KEYS))
    values = {key: _cleaned(f'{path}["{key}"]', PRESET_KEYS[key], given[key]) for key in given}
    slot = values.pop("size")
    label = values.pop("label", None) or name.replace("_", " ").capitalize()
    burn_label = values.pop("burn_label", False)
    recipe = _own_recipe(name, values) if values else None
    return Preset(name, slot, label, recipe, burn_label)


def _own_recipe(name: str, values: dict[str, Any]) -> Recipe:
    """Return the site's recipe with a preset's values in place of the site's."""
    site = settings.recipe()
    thresholds = replace(site.thresholds, **values.pop("integrity_thresholds", {}))
    return replace(site, name=name, thresholds=thresholds, **values)


#: What editors may add to a prompt with one click, unless the site names wishes of its own.
WISHES = [
    _("Keep everyone whole"),
    _("Keep all lettering"),
    _("Room for a headline on the left"),
    _("Room for a headline on the right"),
    _("Calm background"),
]

#: What becomes of a result that does not pass the check against its original.
INTEGRITY = ("off", "review", "strict")

#: Where the visible label of a picture may stand: after it, or over a corner.
LABEL_POSITIONS = ("below", "top-start", "top-end", "bottom-start", "bottom-end")


class Settings:
    """The settings as attributes, one for each key of the dict. Defaults are defined here only."""

    API_KEY = Setting("", validators.secret)
    BASE_URL = Setting("https://gateway.pixazo.ai/smart-resize/v1", validators.url)

    PRESETS = Setting({}, _presets)
    PROMPT = Setting("", validators.text)
    RESOLUTION = Setting("2K", validators.choice(*RESOLUTIONS))
    OUTPUT_FORMAT = Setting("webp", validators.choice("jpeg", "png", "webp"))
    SAFETY_TOLERANCE = Setting(None, validators.safety_tolerance)
    CANDIDATES = Setting(1, validators.integer(1, 10))

    WISHES = Setting(WISHES, validators.labels)

    AUTO_GENERATE = Setting(True, validators.boolean)
    REVIEW = Setting(False, validators.boolean)
    INTEGRITY = Setting[str | None](None, validators.optional(validators.choice(*INTEGRITY)))
    INTEGRITY_THRESHOLDS = Setting({}, validators.thresholds)
    KEEP_PIXELS = Setting("no", validators.choice(*KEEP_PIXELS))
    ALLOW = Setting[Allow | None](None, validators.optional(validators.dotted_callable))
    MIN_CROP_LOSS = Setting(0.1, validators.share)
    MIN_SUBJECT_KEPT = Setting(0.97, validators.optional(validators.share))
    MIN_SLOT_SIDE = Setting(100, validators.integer(0, 20_000))
    MIN_KEPT = Setting(0.5, validators.share)

    DAILY_LIMIT = Setting(50, validators.limit)
    MONTHLY_LIMIT = Setting(500, validators.limit)
    STOP_AFTER_FAILURES = Setting(5, validators.optional(validators.integer(2, 1000)))
    PRICE_PER_OUTPUT = Setting(None, validators.optional(validators.price))

    SOURCE_BASE_URL = Setting(None, validators.optional(validators.url))
    SOURCE_STORAGE = Setting(None, validators.optional(validators.storage))
    RUNNER = Setting("auto", validators.choice("auto", "thread", "tasks", "off"))
    POLL_INTERVAL = Setting(2.5, validators.seconds(0.1, 60))
    DEADLINE = Setting(600.0, validators.seconds(1, 86_400))
    MAX_IN_FLIGHT = Setting(20, validators.integer(1, 1000))

    CANDIDATE_STORAGE = Setting(None, validators.optional(validators.storage))
    KEEP_RETIRED_DAYS = Setting(7, validators.integer(0, 3650))
    OWNER_DATABASE = Setting("", validators.text)
    LABEL_RENDITIONS = Setting(True, validators.boolean)
    LABEL_TEXT = Setting(_("Picture changed with AI"), validators.words)
    LABEL_POSITION = Setting("below", validators.choice(*LABEL_POSITIONS))
    LABEL_FONT = Setting("", validators.font)
    FAST_ENCODING = Setting(True, validators.boolean)
    EXTEND_IMAGE_VIEWS = Setting(True, validators.boolean)

    def site_dict(self) -> Mapping[str, Any]:
        """Return the dict that the site wrote, or an empty one. Raises ImproperlyConfigured."""
        site = getattr(django_settings, DICT_NAME, {})
        if not isinstance(site, Mapping):
            raise ImproperlyConfigured(f'{DICT_NAME}: write a dict such as {{"API_KEY": "..."}}.')
        return _SiteDict(site)

    def unknown_keys(self) -> list[str]:
        """Return a sentence for each key of the site's dict that is not a setting."""
        unknown = self.site_dict().keys() - SETTINGS.keys()
        return [_unknown_key(DICT_NAME, key, SETTINGS) for key in sorted(unknown, key=str)]

    def problems(self) -> list[str]:
        """Return the message that using it would raise, for each key that can't be used."""
        try:
            site = self.site_dict()
        except ImproperlyConfigured as error:
            return [str(error)]
        messages = self.unknown_keys()
        for setting in SETTINGS.values():
            try:
                setting.read(site)
            except ImproperlyConfigured as error:
                messages.append(str(error))
        return list(dict.fromkeys(messages))

    @property
    def review_is_set(self) -> bool:
        """Return whether the site has set `REVIEW`, to either value."""
        return "REVIEW" in self.site_dict()

    @property
    def integrity(self) -> str:
        """Return "off", "review" or "strict": by default "review" where the extra is installed."""
        return self.INTEGRITY or ("review" if extra.is_installed() else "off")

    @property
    def site_address(self) -> str:
        """Return the site's address for the gateway; "" for none."""
        base_url = getattr(django_settings, "WAGTAILADMIN_BASE_URL", None)
        return self.SOURCE_BASE_URL or base_url or ""

    @property
    def source_place(self) -> str:
        """Return where the gateway fetches pictures: the site's address, or a storage's name."""
        chosen = self.SOURCE_STORAGE
        if chosen is None:
            return self.site_address
        return f"SOURCE_STORAGE ({chosen})" if isinstance(chosen, str) else "SOURCE_STORAGE"

    def recipe(self, name: str = "") -> Recipe:
        """Return the recipe of that name: "" for the site's default, else that of a preset.

        Raises UnknownRecipe where no preset of that name has a recipe of its own.
        """
        if not name:
            thresholds = Thresholds(**self.INTEGRITY_THRESHOLDS)
            return Recipe(
                "",
                self.PROMPT,
                self.RESOLUTION,
                self.SAFETY_TOLERANCE,
                thresholds,
                self.KEEP_PIXELS,
            )
        preset = self.PRESETS.get(name)
        if preset is None or preset.recipe is None:
            raise UnknownRecipe(f'{DICT_NAME}["PRESETS"] holds no preset "{name}" with a recipe.')
        return preset.recipe

    def parse_slot(self, text: str) -> tuple[Slot, str]:
        """Return the slot and its recipe's name for "1200x630-c50", "hero" or "hero-c50".

        Raises ValueError, with a sentence that says what is wrong.
        """
        first, *extra = text.split("-")
        if not is_preset_name(first):
            return Slot.parse(text), ""
        preset = self.PRESETS.get(first)
        if preset is None:
            known = ", ".join(self.PRESETS) or "none"
            raise ValueError(
                f'"{first}" is neither a size, such as 1200x630, nor one of the presets in '
                f'{DICT_NAME}["PRESETS"] ({known}).'
            )
        closeness = parse_closeness(extra, default=preset.slot.closeness)
        return replace(preset.slot, closeness=closeness), preset.recipe_name

    def source_storage(self) -> Storage:
        """Return the storage from which the gateway fetches source pictures.

        Raise ImproperlyConfigured where the site names none.
        """
        if self.SOURCE_STORAGE is None:
            raise ImproperlyConfigured(
                f'{DICT_NAME}["SOURCE_STORAGE"] is not set. Set it again until the pictures in '
                "that storage are deleted."
            )
        return _storage(self.SOURCE_STORAGE)

    def candidate_storage(self) -> Storage:
        """Return the storage of candidates: always one lazy object, resolved at its first use."""
        return cast(Storage, _candidate_storage)


class CandidateStorage(LazyObject):  # type: ignore[type-arg]
    """Lazy object for the storage that `CANDIDATE_STORAGE` names.

    A model's field asks for it while models are imported. Resolved then, a wrong setting would end
    in a traceback instead of a failed check, and a storage of the site's own may not be importable
    yet.
    """

    # `FileField` calls isinstance(), for which a lazy object would resolve the storage.
    __class__ = property(lambda self: Storage)

    def _setup(self) -> None:
        wrapped: Any = _storage(settings.CANDIDATE_STORAGE or "default")
        self._wrapped = wrapped


def _storage(chosen: Any) -> Storage:
    """Return the storage for what `validators.storage` has let through."""
    if callable(chosen):
        chosen = chosen()
    return cast(Storage, storages[chosen] if isinstance(chosen, str) else chosen)


SETTINGS: dict[str, Setting[Any]] = {
    name: value for name, value in vars(Settings).items() if isinstance(value, Setting)
}
settings = Settings()
_candidate_storage = CandidateStorage()


def _reset(*, setting: str, **kwargs: Any) -> None:
    if setting in {DICT_NAME, "STORAGES"}:
        vars(settings).clear()
        _candidate_storage._wrapped = empty


setting_changed.connect(_reset, dispatch_uid="wagtail_smart_resize.settings")
