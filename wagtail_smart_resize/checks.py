"""System checks: what can be known to be wrong, or dangerous, before anything is bought.

Only `check_tables` queries a database, and only when Django is told to check it. None uses the
network.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router
from django.urls import NoReverseMatch, reverse
from wagtail import hooks
from wagtail.images import get_image_model

from wagtail_smart_resize.admin.wagtail_screens import attach
from wagtail_smart_resize.core.database import alias
from wagtail_smart_resize.core.hosts import is_local, is_loopback
from wagtail_smart_resize.core.schema import REMEDY, missing_from, problem_of
from wagtail_smart_resize.core.sizes import share_kept_by_engine

from . import compat
from .integrity import extra
from .settings import DICT_NAME, Settings, settings

DOCUMENTATION = "https://wagtail-smart-resize.readthedocs.io/en/latest/"
#: Host of the `WAGTAILADMIN_BASE_URL` that `wagtail start` writes.
STARTED_WITH = "example.com"
INCLUDE_LINE = 'path("smart-resize/", include("wagtail_smart_resize.urls"))'


@register(Tags.database)
def check_tables(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Return a warning if migrations are not applied, or were for another image model.

    Django runs it for `check --database` and before it migrates: an error would keep it from that.
    """
    if alias() not in (databases or ()):
        return []
    if missing := ", ".join(sorted(missing_from(alias()))):
        return [Warning(f"{REMEDY} Missing: {missing}.", id="wagtail_smart_resize.W010")]
    problem = problem_of(alias())
    return [Warning(problem, id="wagtail_smart_resize.W011")] if problem else []


@register("smart_resize")
def check_site(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Return the messages of all checks; while settings are unusable, only those that say so.

    The other checks would fail on such settings.
    """
    unusable: list[CheckMessage] = [
        Error(
            problem,
            hint=f"What each setting may hold: {DOCUMENTATION}reference/settings/",
            id="wagtail_smart_resize.E001",
        )
        for problem in settings.problems()
    ]
    return unusable or [message for check in CHECKS for message in check()]


def check_key() -> Iterator[CheckMessage]:
    if not settings.API_KEY:
        yield Warning(
            f'{DICT_NAME} holds no "API_KEY": no picture is recomposed.',
            hint=f'Set {DICT_NAME}["API_KEY"], or run smart_resize_sandbox to try without a key.',
            id="wagtail_smart_resize.W001",
        )


def check_gateway() -> Iterator[CheckMessage]:
    gateway = urlsplit(settings.BASE_URL)
    if gateway.scheme != "https" and not is_loopback(gateway.hostname):
        yield Error(
            f'{DICT_NAME}["BASE_URL"] is not https: the key would cross the network in the clear.',
            hint="Write the address with https://; plain http is for a gateway on this machine.",
            id="wagtail_smart_resize.E002",
        )
    documented = urlsplit(Settings.BASE_URL.default)
    is_endpoint = "smart-resize-request" in gateway.path
    is_elsewhere = gateway.hostname == documented.hostname and gateway.path != documented.path
    if is_endpoint or is_elsewhere:
        yield Warning(
            f'{DICT_NAME}["BASE_URL"] is {settings.BASE_URL}, where the service has no API: it is '
            "asked at paths below the base address.",
            hint=f"Write {Settings.BASE_URL.default}, or leave it out."
            if is_elsewhere
            else "Leave the last part of the path out, from /smart-resize-request on.",
            id="wagtail_smart_resize.W013",
        )


def check_urls() -> Iterator[CheckMessage]:
    urls = getattr(django_settings, "ROOT_URLCONF", None)
    if not urls or settings.SOURCE_STORAGE:
        return
    try:
        reverse("smart_resize:source", kwargs={"token": "token"})
    except NoReverseMatch:
        yield Warning(
            "The URLs of wagtail_smart_resize are not included: the service can't fetch pictures.",
            hint=f"Add {INCLUDE_LINE} to {urls}, before Wagtail's own.",
            id="wagtail_smart_resize.W002",
        )


def check_source() -> Iterator[CheckMessage]:
    if not settings.API_KEY or settings.SOURCE_STORAGE:
        return
    host = urlsplit(settings.site_address).hostname
    if host is None:
        yield Error(
            "The service can't be told where to fetch pictures: the site has no address.",
            hint=f'Set WAGTAILADMIN_BASE_URL, or {DICT_NAME}["SOURCE_BASE_URL"], to the address '
            "under which the site can be reached from outside, such as https://www.example.org.",
            id="wagtail_smart_resize.E003",
        )
    elif host == STARTED_WITH and not is_local(urlsplit(settings.BASE_URL).hostname):
        yield Warning(
            f"The service is told to fetch pictures from {host}, which is the address that a new "
            "Wagtail site starts with, and not this site's.",
            hint="Set WAGTAILADMIN_BASE_URL to the address under which the site can be reached "
            "from outside, such as https://www.example.org.",
            id="wagtail_smart_resize.W003",
        )
    elif is_local(host) and not is_local(urlsplit(settings.BASE_URL).hostname):
        yield Warning(
            f"The service is told to fetch pictures from {host}, which it can't reach.",
            hint=f'Set {DICT_NAME}["SOURCE_BASE_URL"] to an address that can be reached from '
            "outside, or run smart_resize_sandbox as the gateway on this machine.",
            id="wagtail_smart_resize.W003",
        )


def check_source_storage() -> Iterator[CheckMessage]:
    """Say so if the storage can't be made, or gives its files addresses of the site's own."""
    if not settings.SOURCE_STORAGE:
        return
    try:
        storage = settings.source_storage()
    except Exception as error:
        problem = f"can't be used: {error}"
    else:
        base = getattr(storage, "base_url", None)
        if base is None or urlsplit(str(base)).netloc:
            return
        problem = f"gives its files addresses without a host, such as {base}name.jpg"
    yield Error(
        f'{DICT_NAME}["SOURCE_STORAGE"] {problem}: the service can\'t fetch pictures from it.',
        hint="Name a storage whose files have addresses that the service can reach, such as S3. "
        "Where the service can reach this site, leave SOURCE_STORAGE out.",
        id="wagtail_smart_resize.E006",
    )


def check_review() -> Iterator[CheckMessage]:
    if settings.API_KEY and not settings.review_is_set:
        yield Warning(
            f'{DICT_NAME} does not say "REVIEW": recomposed pictures go live unseen, and faces, '
            "lettering and logos can change in them.",
            hint=f'Set {DICT_NAME}["REVIEW"] to True to have editors look first, or to False if '
            "that is what you want.",
            id="wagtail_smart_resize.W004",
        )


def check_candidates() -> Iterator[CheckMessage]:
    if settings.CANDIDATES > 1 and not settings.REVIEW and settings.AUTO_GENERATE:
        yield Warning(
            f'{DICT_NAME}["CANDIDATES"] is {settings.CANDIDATES} and "REVIEW" is off: so many '
            "pictures of each shape are paid for, and the first is shown.",
            hint='Set "REVIEW" to True to have people choose among them, or "CANDIDATES" to 1.',
            id="wagtail_smart_resize.W014",
        )


def check_integrity() -> Iterator[CheckMessage]:
    if settings.integrity != "off" and not extra.is_installed():
        yield Error(
            f'{DICT_NAME}["INTEGRITY"] is "{settings.integrity}", and OpenCV is not installed: '
            "results can't be checked, so none goes live by itself.",
            hint=f'{extra.REMEDY} Or set "INTEGRITY" to "off".',
            id="wagtail_smart_resize.E007",
        )


def check_feature_detection() -> Iterator[CheckMessage]:
    """Say so if Wagtail looks for faces with classifiers that OpenCV has had until its version 5.

    OpenCV takes long to import: it is asked only where the setting is on.
    """
    if not getattr(django_settings, "WAGTAILIMAGES_FEATURE_DETECTION_ENABLED", False):
        return
    try:
        import cv2
    except ImportError:
        return
    if not hasattr(cv2, "CascadeClassifier"):
        yield Warning(
            "WAGTAILIMAGES_FEATURE_DETECTION_ENABLED is on, and this OpenCV has no "
            "CascadeClassifier: Wagtail's search for a focal area fails at each upload, and no "
            "image gets one.",
            hint='Run pip install "opencv-python-headless<5", or set '
            "WAGTAILIMAGES_FEATURE_DETECTION_ENABLED to False and have editors use what the extra "
            '"faces" suggests.',
            id="wagtail_smart_resize.W016",
        )


def check_limits() -> Iterator[CheckMessage]:
    daily, monthly = settings.DAILY_LIMIT, settings.MONTHLY_LIMIT
    if daily > monthly:
        yield Warning(
            f'{DICT_NAME}["DAILY_LIMIT"] is {daily}, and "MONTHLY_LIMIT" only {monthly}: the '
            "budget of a month may be spent in a day.",
            hint="Lower the limit of the day, or raise that of the month.",
            id="wagtail_smart_resize.W015",
        )


def check_runner() -> Iterator[CheckMessage]:
    runner = settings.RUNNER
    if runner not in {"auto", "tasks"}:
        return
    try:
        backend = compat.get_task_backend()
    except ImproperlyConfigured as error:
        yield Error(
            f"The tasks backend can't be used: {error}",
            hint=f'Correct TASKS, or set {DICT_NAME}["RUNNER"] to "thread".',
            id="wagtail_smart_resize.E004",
        )
        return
    name = f'TASKS["{compat.task_backend_alias()}"]'
    if isinstance(backend, compat.DummyBackend):
        yield Warning(
            f"{name} is the dummy backend, which runs nothing: no picture is recomposed.",
            hint=f'Choose another backend, or set {DICT_NAME}["RUNNER"] to "thread", or to "off" '
            "where nothing should run.",
            id="wagtail_smart_resize.W005",
        )
    elif runner == "tasks" and not backend.supports_defer:
        yield Warning(
            f'{DICT_NAME}["RUNNER"] is "tasks", but {name} can\'t run a task at a later time.',
            hint="Choose a backend that supports run_after, such as the one of django-tasks-db, or "
            'set RUNNER to "thread".',
            id="wagtail_smart_resize.W006",
        )


def check_presets() -> Iterator[CheckMessage]:
    for preset in settings.PRESETS.values():
        kept = share_kept_by_engine(preset.slot.shape)
        if kept < settings.MIN_KEPT:
            yield Warning(
                f'The preset "{preset.name}" ({preset.slot}) is never recomposed: the service '
                f"renders no shape of which {settings.MIN_KEPT:.0%} would be left.",
                hint=f'Give it a shape nearer to a square, or lower {DICT_NAME}["MIN_KEPT"]: this '
                f"one keeps {kept:.0%}.",
                id="wagtail_smart_resize.W007",
            )


def check_database() -> Iterator[CheckMessage]:
    connection = connections[alias()]
    options = connection.settings_dict["OPTIONS"]
    database = f'DATABASES["{connection.alias}"]'
    mode = str(options.get("transaction_mode", "IMMEDIATE") or "DEFERRED").upper()
    if connection.vendor == "sqlite" and mode not in {"IMMEDIATE", "EXCLUSIVE"}:
        yield Warning(
            f"{database} is SQLite with deferred transactions: pages and saves in the "
            'admin may fail with "database is locked" when the runner writes at the same time.',
            hint=f'Take "transaction_mode" out of {database}["OPTIONS"]: without it, '
            "this app has transactions wait for one another.",
            id="wagtail_smart_resize.W008",
        )


def check_isolation() -> Iterator[CheckMessage]:
    connection = connections[alias()]
    level = _isolation_level(connection)
    if connection.settings_dict["ATOMIC_REQUESTS"] and level not in {"", "READ COMMITTED"}:
        database = f'DATABASES["{connection.alias}"]'
        yield Warning(
            f"{database} has each request in a transaction that is {level}: the database ends "
            "those that touch what another one has changed, and their pages fail.",
            hint=f'Take the isolation level out of {database}["OPTIONS"], so that it is READ '
            "COMMITTED, or set ATOMIC_REQUESTS to False.",
            id="wagtail_smart_resize.W012",
        )


def _isolation_level(connection: Any) -> str:
    """Return the level that the settings ask for; "" for none, or READ UNCOMMITTED."""
    options = connection.settings_dict["OPTIONS"]
    level: Any = options.get("isolation_level") or ""
    if connection.vendor == "postgresql" and level:
        from django.db.backends.postgresql.psycopg_any import IsolationLevel

        level = IsolationLevel(level).name
    asked = f"{level} {options.get('options', '')} {options.get('init_command', '')}".upper()
    words = re.search(r"(REPEATABLE|READ)[\W_]+(READ|COMMITTED)|SERIALIZABLE", asked)
    return re.sub(r"[\W_]+", " ", words[0]) if words else ""


def check_images_database() -> Iterator[CheckMessage]:
    images = router.db_for_write(get_image_model())
    if images != alias():
        yield Error(
            f'Images are written to DATABASES["{images}"], and the tables of wagtail_smart_resize '
            f'to DATABASES["{alias()}"]: rows of one can\'t refer to rows of the other.',
            hint="Have your DATABASE_ROUTERS give both the same database to write to. Replicas to "
            "read from are no matter.",
            id="wagtail_smart_resize.E005",
        )


def check_image_views() -> Iterator[CheckMessage]:
    hooks.search_for_hooks()
    for point in attach.missing if settings.EXTEND_IMAGE_VIEWS else []:
        yield Warning(
            f"Wagtail's image screens lack part of smart resize: this Wagtail has moved {point}.",
            hint="Use a version of wagtail-smart-resize that knows this Wagtail, or set "
            f'{DICT_NAME}["EXTEND_IMAGE_VIEWS"] to False: all screens of ours can still be used.',
            id="wagtail_smart_resize.W009",
        )


CHECKS = (
    check_key,
    check_gateway,
    check_urls,
    check_source,
    check_source_storage,
    check_review,
    check_candidates,
    check_integrity,
    check_feature_detection,
    check_limits,
    check_runner,
    check_presets,
    check_database,
    check_isolation,
    check_images_database,
    check_image_views,
)
