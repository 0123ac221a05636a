"""What docs/ and the README say, held against the code: links, commands, settings, tables."""

import ast
import configparser
import dataclasses
import datetime as dt
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml
from django.apps import apps
from django.conf import settings as django_settings
from django.core.management import BaseCommand, get_commands, load_command_class
from django.template import Template, engines
from django.template.library import import_library
from django.test import override_settings
from django.urls import reverse
from django.utils.module_loading import import_string
from support import paths
from support.code_blocks import BLOCK
from support.factories import photo, plain_image, published_page
from support.paths import ROOT, TESTS
from support.purchases import again, only, want
from support.waiting import TIMEOUT_SECONDS
from testapp.models import StoryPage
from wagtail.images.utils import generate_signature

import wagtail_smart_resize
from wagtail_smart_resize import checks, signals
from wagtail_smart_resize.core import logs
from wagtail_smart_resize.core.sizes import (
    MAX_SENT_SIDE_PIXELS,
    MAX_SIDE_PIXELS,
    Size,
    same_shape,
    shape_of,
    share_kept_by_engine,
)
from wagtail_smart_resize.delivery import health
from wagtail_smart_resize.editorial import failures, pipeline_health, reasons
from wagtail_smart_resize.gateway import client, downloads, transport
from wagtail_smart_resize.imaging import decoding
from wagtail_smart_resize.integrity.report import Thresholds
from wagtail_smart_resize.models import GatewayRequest, PipelineState, Recomposition
from wagtail_smart_resize.publishing import publication
from wagtail_smart_resize.purchasing import (
    circuit,
    demand,
    fetching,
    outcomes,
    passes,
    polling,
    schedule,
    source_image,
)
from wagtail_smart_resize.renditions import published_cache
from wagtail_smart_resize.repair import repairs
from wagtail_smart_resize.rules import usage, verdict
from wagtail_smart_resize.runners import embedded_thread, loop, modes, task_chain
from wagtail_smart_resize.sandbox import SandboxGateway
from wagtail_smart_resize.settings import SETTINGS, settings

pytestmark = pytest.mark.any_version

PACKAGE = Path(wagtail_smart_resize.__file__).parent
DOCS = sorted(paths.PAGES.values())
PAGES = [*DOCS, *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG"))]


def text_of(name):
    return paths.PAGES[name].read_text()


def blocks(*languages):
    """Each code block of these languages, under the name of its page and its number there."""
    return [
        pytest.param(code, id=f"{page.stem} {number}")
        for page in PAGES
        for number, (language, code) in enumerate(BLOCK.findall(page.read_text()), start=1)
        if language in languages
    ]


def section(name, heading):
    """A page's text below a heading, up to the next one of any level."""
    return re.split(rf"^##+ {heading}$", text_of(name), flags=re.MULTILINE)[1].split("\n#")[0]


def table(text):
    """The rows of the first table in a text, without its head."""
    found = next(part for part in text.split("\n\n") if part.lstrip().startswith("|"))
    rows = [re.split(r"(?<!\\)\|", line.strip())[1:-1] for line in found.strip().splitlines()]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def codes(cell):
    return re.findall(r"`([^`]+)`", cell)


# Links


def anchors(page):
    """The anchors that a page's headings have where it is shown."""
    prose = BLOCK.sub("", page.read_text())
    headings = re.findall(r"^#+ (.+)$", prose, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


#: Where the project is shown, and what lies there: a folder, and what its pages end with there.
REPOSITORY = "https://github.com/wagtail-smart-resize/wagtail-smart-resize"
SHOWN_AT = {
    f"{REPOSITORY}/blob/main/": (ROOT, ""),
    REPOSITORY.replace("github.com", "raw.githubusercontent.com") + "/main/": (ROOT, ""),
    "https://wagtail-smart-resize.readthedocs.io/en/latest/": (paths.DOCS, ".md"),
}


def links():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", page.read_text())):
            if not target.startswith("mailto:") and (there := place(page, target)):
                yield pytest.param(page, *there, id=f"{page.stem} {target}")


def place(page, target):
    """The file and the anchor that a link leads to; None if it leads out of the project."""
    path, _, anchor = target.partition("#")
    if "://" not in path:
        return (page.parent / path).resolve() if path else page, anchor
    for address, (folder, ending) in SHOWN_AT.items():
        if path.startswith(address):
            name = path.removeprefix(address).rstrip("/") or "index"
            return folder / f"{name}{ending}", anchor
    return None


@pytest.mark.parametrize(("page", "there", "anchor"), list(links()))
def test_link_leads_somewhere(page, there, anchor):
    assert there.exists(), f"{page.name}: there is no {there}"
    if anchor:
        assert anchor in anchors(there), f"{page.name}: {there.name} has no heading {anchor}"


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md"])
def test_what_is_shown_elsewhere_links_by_whole_addresses(page):
    """A package index shows the one, and the site of releases the other, without the rest."""
    targets = re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text())
    assert [each for each in targets if "://" not in each] == []


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 200


def test_the_index_names_every_page():
    trees = re.findall(r":caption: .+?\n\n(.*?)\n:::", text_of("index"), flags=re.DOTALL)
    named = [name for tree in trees for name in tree.split()]
    pages = {page.relative_to(paths.DOCS).with_suffix("").as_posix() for page in DOCS}
    assert sorted(named) == sorted(pages - {"index"})


def words(page):
    """The number of words on a page, without the addresses of its links."""
    text = re.sub(r"\]\([^)]*\)", "]", page.read_text())
    return sum(1 for word in text.split() if re.search(r"\w", word))


def test_what_users_read_is_no_longer_than_it_has_to_be():
    for_developers = (paths.DOCS / "design", paths.DOCS / "evidence")
    pages = [page for page in DOCS if page.parent not in for_developers]
    assert sum(map(words, [ROOT / "README.md", *pages])) <= 20_000


def test_every_measurement_has_its_table():
    parts = re.findall(r"^<!-- (\w+) -->\n(.*?)^<!-- /\1 -->", text_of("performance"), re.M | re.S)
    assert len(parts) >= 9
    assert [name for name, text in parts if not table(text)] == []


# Code blocks


@pytest.mark.parametrize("code", blocks("python"))
def test_python_parses(code):
    ast.parse(code)


#: What a name may be imported from for this: the site's own modules are made up.
REAL = ("django", "wagtail", "wagtail_smart_resize")


@pytest.mark.parametrize("code", blocks("python"))
def test_what_is_imported_is_there(code):
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in REAL:
            names = [name.name for name in node.names]
            imported = __import__(node.module, fromlist=names)
            assert [name for name in names if not hasattr(imported, name)] == []
        elif isinstance(node, ast.Import):
            for name in node.names:
                if name.name.split(".")[0] in REAL:
                    __import__(name.name)


@pytest.mark.parametrize("code", blocks("html", "html+django"))
def test_django_template_compiles(code):
    whole = code if code.startswith("{% extends") else "{% load wagtailimages_tags %}" + code
    Template(whole)


@pytest.mark.parametrize("code", blocks("jinja"))
@pytest.mark.django_db
def test_jinja_template_renders(code):
    page = SimpleNamespace(photo=plain_image())
    override = {"PRESETS": {"hero": {"size": "400x300"}}}
    with override_settings(WAGTAIL_SMART_RESIZE=override, WAGTAILADMIN_BASE_URL="https://a.test"):
        markup = engines["jinja2"].from_string(code).render({"page": page})
    assert "https://a.test" in markup
    assert "<picture" in markup


@pytest.mark.parametrize("code", blocks("bash", "sh"))
def test_shell_parses(code):
    done = subprocess.run(["bash", "-n"], input=code, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("code", blocks("ini"))
def test_unit_parses(code):
    parser = configparser.ConfigParser()
    parser.optionxform = str
    parser.read_string(code)
    assert parser.sections()


def test_every_block_has_a_language_that_is_checked():
    languages = {language for page in PAGES for language, _code in BLOCK.findall(page.read_text())}
    assert languages <= {
        *("", "python", "html", "html+django", "jinja", "bash", "sh", "ini", "diff"),
        *("nginx", "toml", "yaml"),
    }


@pytest.mark.parametrize("code", blocks("toml"))
def test_toml_parses_and_runs_what_there_is(code):
    processes = tomllib.loads(code)["processes"]
    assert processes["worker"].split()[-1] in get_commands()


def test_compose_gives_each_process_the_time_that_it_needs():
    (code,) = (each.values[0] for each in blocks("yaml"))
    services = yaml.safe_load(code)["services"]
    assert services["worker"]["command"].split()[-1] in get_commands()
    grace = {name: each.get("stop_grace_period") for name, each in services.items()}
    told = " ".join(text_of("running").split())
    assert (grace["web"], grace["worker"]) == ("30s", "90s")
    assert "Give web processes 30 seconds to end" in told
    assert "and the worker 90" in told


@pytest.mark.parametrize("code", blocks("nginx"))
def test_nginx_takes_it(code, tmp_path):
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed here")
    whole = f"events {{}}\nhttp {{ server {{ listen 127.0.0.1:8099; {code} }} }}\n"
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid;\nerror_log stderr;\n{whole}")
    command = [nginx, "-t", "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nginx_lets_through_where_the_pictures_are():
    (code,) = (each.values[0] for each in blocks("nginx"))
    path = reverse("smart_resize:source", args=["token"])
    assert path.startswith(re.search(r"location (\S+) {", code)[1])


def settings_blocks():
    return [each for each in blocks("python") if re.search(r"^[A-Z_]+ = ", each.values[0], re.M)]


@pytest.mark.parametrize("code", settings_blocks())
def test_settings_can_be_used(code, monkeypatch):
    monkeypatch.setitem(sys.modules, "project.images", module(allow=lambda *args, **kwargs: True))
    monkeypatch.setitem(sys.modules, "project", module(images=sys.modules["project.images"]))
    names = {
        "BASE_DIR": ROOT,
        "INSTALLED_APPS": [],
        "_": str,
        "os": __import__("os"),
        "SPECS": (),
        "images": None,
    }
    exec(compile(code, "docs", "exec"), names)
    written = {name: value for name, value in names.items() if name.isupper()}
    if "WAGTAIL_SMART_RESIZE" in written:
        storages = {**django_settings.STORAGES, **written.get("STORAGES", {})}
        ours = written["WAGTAIL_SMART_RESIZE"]
        with override_settings(WAGTAIL_SMART_RESIZE=ours, STORAGES=storages):
            assert settings.problems() == []
    for name in ("CACHES", "STORAGES", "WAGTAILFRONTENDCACHE"):
        for each in written.get(name, {}).values():
            # django-storages is no dependency of these tests; the suite of storages has it.
            if not each["BACKEND"].startswith("storages."):
                assert import_string(each["BACKEND"])


def module(**members):
    made = ModuleType("made")
    vars(made).update(members)
    return made


def shell_blocks():
    """Those that read our tables."""
    pages = ("privacy", "running", "troubleshooting")
    return [
        pytest.param(code, id=f"{name} {number}")
        for name in pages
        for number, (_language, code) in enumerate(BLOCK.findall(text_of(name)), start=1)
        if "wagtail_smart_resize.models" in code
    ]


@pytest.mark.parametrize("code", shell_blocks())
@pytest.mark.django_db
def test_what_is_typed_in_a_shell_runs(code):
    image = photo(title="Rocket")
    want(image, "200x200")
    exec(compile(code, "docs", "exec"), {})


def test_the_tutorial_installs_as_the_readme_does():
    readme = (ROOT / "README.md").read_text()
    (install,) = (code for _, code in BLOCK.findall(readme) if "cat >>" in code)
    assert install in text_of("tutorial")


def test_listeners_of_the_example_listen():
    code = next(each for _language, each in BLOCK.findall(section("signals", "Example")))
    names = {}
    exec(compile(code, "docs", "exec"), names)
    heard = []
    names["print"] = lambda *args: heard.append(args)
    image = SimpleNamespace(title="Rocket")
    row = SimpleNamespace(image=image, failure_code="failed", failure_detail="why")
    target = SimpleNamespace(image=image, slots=["2x1"], wanted_by="template", decided_by="Ada")
    names["tell_of_want"](signal=None, sender=Recomposition, recomposition=target)
    names["tell_of_refusal"](signal=None, sender=Recomposition, recomposition=target)
    names["tell_of_success"](signal=None, sender=type(image), image=image, changes=[(1, "", "")])
    names["tell_of_failure"](signal=None, sender=Recomposition, recomposition=row)
    assert heard == [
        ("Rocket", ["2x1"], "template"),
        ("Rocket", ["2x1"], "Ada"),
        ("Rocket", 1, "", "the crop"),
        ("Rocket", "failed", "why"),
    ]
    assert signals.recomposition_wanted.disconnect(names["tell_of_want"])
    assert signals.recomposition_declined.disconnect(names["tell_of_refusal"])
    assert signals.recomposition_published.disconnect(names["tell_of_success"])
    assert signals.recomposition_failed.disconnect(names["tell_of_failure"])


@pytest.mark.django_db(transaction=True)
def test_the_test_of_the_example_passes(live_server, client, settings):
    test, faults = (code for _, code in BLOCK.findall(section("sandbox", "In tests")))
    names = {}
    exec(compile(test, "docs", "exec"), names)
    page = published_page(photo())
    names["test_the_page_shows_the_recomposed_picture"](live_server, client, settings, page)
    assert [request.status for request in GatewayRequest.objects.all()] == ["done"]
    with SandboxGateway() as gateway:
        exec(compile(faults, "docs", "exec"), {"gateway": gateway})


@pytest.mark.django_db(transaction=True)
def test_the_metrics_of_the_example_count(gateway, run, settings):
    import prometheus_client

    (code,) = (each for _, each in BLOCK.findall(section("monitoring", "Metrics")))
    names = {}
    exec(compile(code, "docs", "exec"), names)
    settings.WAGTAIL_SMART_RESIZE |= {"PRICE_PER_OUTPUT": ("0.12", "USD")}
    want(plain_image(400, 300), "200x200", "200x100")
    run()
    gateway.misbehave("400")
    want(plain_image(400, 300), "200x200")
    run()
    told = prometheus_client.generate_latest().decode()
    for line in (
        "smart_resize_outputs_total 3.0",
        'smart_resize_cost_total{currency="USD"} 0.24',
        "smart_resize_seconds_count 1.0",
        'smart_resize_failures_total{charged="no",code="http_400"} 1.0',
        "smart_resize_published_total 2.0",
    ):
        assert line in told
    assert signals.purchase_sent.disconnect(names["count_sent"])
    assert signals.purchase_completed.disconnect(names["count_completed"])
    assert signals.purchase_failed.disconnect(names["count_failed"])
    assert signals.recomposition_published.disconnect(names["count_published"])


@pytest.mark.django_db
def test_the_serve_view_of_the_example_keeps_the_first_crop_for_a_minute(client):
    code = next(each for _, each in BLOCK.findall(text_of("templates")) if "ServeView" in each)
    names = {"__name__": "serve_example"}
    exec(compile(code, "docs", "exec"), names)
    image, spec = plain_image(), "smartresize-40x40"
    args = (generate_signature(image.pk, spec), image.pk, spec)
    with override_settings(ROOT_URLCONF=module(urlpatterns=names["urlpatterns"])):
        url = reverse("wagtailimages_serve", args=args) + "picture.png"
        response = client.get(url)
    assert b"".join(response)
    assert "max-age=60" in response["Cache-Control"]
    assert "caches keep what they have for a minute" in text_of("templates")


def reasons_table():
    return table(section("templates", "What a rendition shows, and why"))


def test_reasons_are_listed_in_the_order_in_which_they_count():
    assert [code for row in reasons_table() for code in codes(row[0])] == [*reasons.ShownBecause]


def test_reasons_say_whether_the_picture_may_change_by_itself():
    listed = {code for row in reasons_table() if row[2] == "yes" for code in codes(row[0])}
    assert listed == {each for each in reasons.ShownBecause if each.may_change}
    assert {row[2] for row in reasons_table()} == {"yes", "no"}


@pytest.mark.django_db
def test_the_api_answers_as_in_the_example():
    fields = next(each for _, each in BLOCK.findall(text_of("templates")) if "api_fields" in each)
    answer = next(each for _, each in BLOCK.findall(text_of("templates")) if '"pending"' in each)
    names = {}
    exec(compile(fields, "docs", "exec"), names)
    square = names["api_fields"][-1].serializer
    given = square.to_representation(photo(title="Rocket"))
    shown = json.loads("{" + answer + "}")["square"]
    assert [*given] == [*shown]
    varying = {"url", "full_url", "alt"}
    assert {key: given[key] for key in given if key not in varying} == {
        key: shown[key] for key in shown if key not in varying
    }


@pytest.mark.django_db
def test_reasons_are_asked_as_in_the_example():
    names = {}
    for _language, code in BLOCK.findall(section("templates", "What a rendition shows, and why")):
        exec(compile(code, "docs", "exec"), names)
    image = plain_image()
    page = SimpleNamespace(photo=image)
    assert names["note"](page) == "Another picture is on its way."
    assert names["notes"]([image]) == (["pending"], ["pending"])
    assert [each.pk for each in names["gallery_with_reasons"]()] == [image.pk]
    assert names["with_reasons"](StoryPage.objects.all()).count() == 0


# Names

#: Commands of packages that a site may have, and the tests' site has not.
OTHERS_COMMANDS = {"db_worker", "prune_db_task_results", "rqworker"}
DEMOS_COMMANDS = {path.stem for path in (ROOT / "testproject").glob("*/management/commands/*.py")}


OUR_MODELS = list(apps.get_app_config("wagtail_smart_resize").get_models())


def test_every_command_that_is_named_exists():
    text = "\n".join(page.read_text() for page in PAGES)
    # `demo.py` and `pytest` are no commands of Django's.
    called = set(re.findall(r"manage\.py (?:\$\w+ )?([a-z_]+)", text))
    named = set(re.findall(r"`((?:smart_resize|wagtail)_[a-z_]+)[ `]", text))
    named -= {"wagtail_smart_resize", "smart_resize_admin"}
    named -= set(import_library("wagtail_smart_resize.templatetags.smart_resize_tags").tags)
    named -= {index.name for model in OUR_MODELS for index in model._meta.indexes}
    assert {"smart_resize_sync", "smart_resize_worker"} <= called
    assert called | named <= set(get_commands()) | OTHERS_COMMANDS | DEMOS_COMMANDS


#: What every command of Django's takes.
DJANGOS = {each.dest for each in BaseCommand().create_parser("manage.py", "any")._actions}


#: The sandbox's options have a table of their own.
OUR_COMMANDS = sorted(re.findall(r"^## (smart_resize_\w+)$", text_of("commands"), re.MULTILINE))


def test_every_command_of_ours_has_a_section():
    ours = {name for name, app in get_commands().items() if app == "wagtail_smart_resize"}
    assert ours == {*OUR_COMMANDS, "smart_resize_sandbox"}


@pytest.mark.parametrize("name", OUR_COMMANDS)
def test_usage_of_a_command_is_that_of_its_parser(name):
    usage = re.search(rf"manage\.py {name}([^\n]*)\n```", section("commands", name))[1]
    parser = load_command_class("wagtail_smart_resize", name).create_parser("manage.py", name)
    ours = [each for each in parser._actions if each.dest not in DJANGOS]
    options = {option for each in ours for option in each.option_strings}
    assert set(re.findall(r"--[\w-]+", usage)) == options
    with_value = {
        each.option_strings[0] for each in ours if each.option_strings and each.nargs != 0
    }
    assert set(re.findall(r"(--[\w-]+) [A-Z]", usage)) == with_value
    positional = [each for each in ours if not each.option_strings]
    chosen = [each.choices for each in positional if each.choices]
    assert re.findall(r"\{(\S+)\}", usage) == [",".join(each) for each in chosen]
    several = [each for each in positional if each.nargs in ("*", "+")]
    assert len(re.findall(r"\[?[A-Z]+ \.\.\.", usage)) == len(several)
    single = [each.metavar for each in positional if each not in several and not each.choices]
    assert re.findall(r"(?<=^ )[A-Z]+(?: [A-Z]+)*(?= \[|$)", usage) == (
        [" ".join(single)] if single else []
    )


#: Settings of Django, Wagtail and the packages that the docs speak of, and what is no setting.
OTHERS_NAMES = {
    "SMART_RESIZE_API_KEY",
    "BENCH_PLANS",
    "CACHES",
    "DATABASE_ROUTERS",
    "COMPLETED",
    "DATABASES",
    "DATABASE_URL",
    "ERROR",
    "FAILED",
    "IMMEDIATE",
    "INSTALLED_APPS",
    "PROCESSING",
    "MALLOC_MMAP_THRESHOLD_",
    "QUEUED",
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "STORAGES",
    "TASKS",
    "WAGTAILADMIN_BASE_URL",
    "WAGTAILFRONTENDCACHE",
    "WAGTAILIMAGES_FEATURE_DETECTION_ENABLED",
    "WAGTAILIMAGES_IMAGE_MODEL",
    "WAGTAILIMAGES_RENDITION_STORAGE",
    "WAGTAIL_SMART_RESIZE",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_setting_that_is_named_exists(page):
    named = set(re.findall(r"`([A-Z][A-Z_]{3,})`", BLOCK.sub("", page.read_text())))
    # What the larger suites read from the environment.
    variables = {name for name in named if any(f'"{name}"' in code for code in TESTS_CODE)}
    assert named <= set(SETTINGS) | OTHERS_NAMES | variables


TESTS_CODE = [path.read_text() for path in TESTS.rglob("*.py")]


# The rules

WAITS = {
    "after 1 hour": dt.timedelta(hours=1),
    "after 24 hours": dt.timedelta(hours=24),
    "after 7 days": dt.timedelta(days=7),
    "never": None,
}


def rules_table():
    return table(section("how-it-works", "When nothing is bought"))


def test_rules_are_listed_in_the_order_in_which_they_are_asked():
    assert [code for row in rules_table() for code in codes(row[0])] == [*verdict.Reason]


def test_rules_that_editors_may_overrule_are_those_of_the_code():
    listed = {code for row in rules_table() if row[2] == "yes" for code in codes(row[0])}
    assert listed == verdict.OVERRULABLE
    assert {row[2] for row in rules_table()} == {"yes", "no"}


def test_rules_say_when_they_are_asked_again():
    money = {verdict.Reason.CIRCUIT_OPEN, verdict.Reason.BUDGET}
    for names, _when, _overrule, again_at in rules_table():
        for reason in map(verdict.Reason, codes(names)):
            if reason not in money:
                assert schedule._WAITS.get(reason) == WAITS[again_at.partition(";")[0]]


def test_shapes_that_are_hopeless_by_default_are_those_that_the_docs_name():
    kept = settings.MIN_KEPT
    assert (
        share_kept_by_engine(shape_of(470, 100)) >= kept > share_kept_by_engine(shape_of(480, 100))
    )
    assert (
        share_kept_by_engine(shape_of(100, 355)) >= kept > share_kept_by_engine(shape_of(100, 365))
    )


def test_every_reason_for_waiting_has_its_remedy():
    rows = table(section("codes", "Reasons for waiting"))
    assert [codes(row[0])[0] for row in rows] == [*verdict.Reason]
    assert all(row[1] for row in rows)


def test_sizes_share_a_recomposition_as_the_table_says():
    rows = table(section("filter-specs", "Which sizes share a recomposition"))
    for sizes, ratios, share in rows:
        shapes = [shape_of(*Size.parse(size)) for size in sizes.split(", ")]
        assert ratios == ", ".join(map(str, shapes))
        assert share == ("yes" if same_shape(*shapes) else "no")
    assert {row[2] for row in rows} == {"yes", "no"}


def test_thresholds_have_the_defaults_of_the_code():
    rows = table(section("integrity", "Thresholds"))
    assert {codes(row[0])[0]: float(row[1]) for row in rows} == dataclasses.asdict(Thresholds())


# Failures


def listed_codes(name, heading):
    return {code for row in table(section(name, heading)) for code in codes(row[0])}


def raised_codes():
    """The codes that the package's own code gives to what goes wrong."""
    names = {"AccessDenied", "DownloadError", "MalformedAnswer", "NotSent", "OutcomeUnknown"}
    names |= {"SourceUnavailable", "fail", "settle_as_failed"}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _name(node.func) in names:
                words = (each.value for each in node.args if isinstance(each, ast.Constant))
                yield from (word for word in words if isinstance(word, str) and word.islower())


def _name(function):
    return getattr(function, "attr", getattr(function, "id", ""))


def test_every_failure_that_the_admin_has_words_for_is_listed():
    listed = listed_codes("codes", "Failures")
    elsewhere = listed_codes("troubleshooting", "The circuit is open")
    elsewhere |= listed_codes("troubleshooting", "The API can't reach the pictures")
    families = {"http_4NN", "http_5NN", "result_NNN"}
    assert listed - families - {"withdrawn"} <= set(failures._FAILURES)
    assert set(failures._FAILURES) <= listed | elsewhere
    assert families | {"withdrawn"} <= listed


def test_every_code_that_is_raised_is_listed_where_people_look():
    listed = {
        code
        for page, heading in (
            ("codes", "Failures"),
            ("troubleshooting", "The circuit is open"),
            ("troubleshooting", "The API can't reach the pictures"),
        )
        for code in listed_codes(page, heading)
    }
    raised = {code for code in raised_codes() if re.fullmatch(r"[a-z_]+", code)}
    assert {"not_a_picture", "unreadable", "bad_key", "deadline"} <= raised
    assert raised <= listed
    assert transport._SENTENCES.keys() <= listed


GUIDE = " ".join(text_of("editors").split())
NOT_OURS = {"Download CSV", "Download XLSX", "Keep both towers whole.", "sandbox"}


def words_of_the_admin():
    """All that people can read there: what is marked for translation."""
    catalogue = (PACKAGE / "locale" / "de" / "LC_MESSAGES" / "django.po").read_text()
    return catalogue.replace('"\n"', "").replace("\u2019", "'")


def test_the_editors_guide_calls_things_as_the_screens_do():
    named = set(re.findall(r'"([^"]+)"', GUIDE)) - NOT_OURS
    assert "Use this version" in named
    assert [name for name in sorted(named) if name not in words_of_the_admin()] == []


def test_the_editors_guide_tells_failures_in_the_admins_words():
    told = re.findall(r"\| Failed: ([^|]+) \|", GUIDE)
    assert len(told) > 5
    known = words_of_the_admin().lower()
    assert [text for text in told if text.lower() not in known] == []


def test_the_editors_guide_shows_what_the_walk_photographs():
    walk = (TESTS / "suites" / "browser" / "test_walk.py").read_text()
    taken = set(re.findall(r'screenshot\("([\w-]+)"\)', walk))
    assert set(re.findall(r"images/editors-([\w-]+)\.png", GUIDE)) == taken
    there = (ROOT / "docs" / "images").glob("editors-*.png")
    assert {path.stem.removeprefix("editors-") for path in there} == taken


def test_every_check_has_its_remedy():
    rows = table(section("codes", "System checks"))
    ids = re.findall(r'"(wagtail_smart_resize\.[EW]\d+)"', Path(checks.__file__).read_text())
    assert sorted(codes(row[0])[0] for row in rows) == sorted(set(ids))
    assert all(row[1] for row in rows)


# Outcomes


def first_request(run, passes):
    """The first request, once it has ended or so many passes were made."""
    for _pass in range(passes):
        run(1)
        request = GatewayRequest.objects.earliest("pk")
        if request.finished_at:
            break
    return request


def outcome_rows():
    """Each word of the sandbox, with its own code where its row has as many codes as words."""
    for what, words, charged, recorded, _who in table(
        section("how-it-works", "What each outcome costs")
    ):
        purchase = recorded.partition(",")[0]
        reasons = codes(recorded) or [""] * len(codes(words))
        for word, reason in zip(codes(words), reasons, strict=bool(words)):
            yield pytest.param(word, charged, purchase, reason, id=f"{what} {word}")


@pytest.mark.parametrize(("word", "charged", "purchase", "reason"), list(outcome_rows()))
@pytest.mark.django_db
def test_outcome_is_charged_and_recorded_as_the_table_says(
    gateway, run, moving_clock, word, charged, purchase, reason
):
    name, _at, step = word.partition("@")
    slots = ["200x200", "200x100"] if name == "fewer" else ["200x200"]
    row = want(plain_image(400, 300), *slots)[-1]
    gateway.misbehave(name, where=step or None)
    request = first_request(run, passes=3 if name == "never" else 15)
    if name == "never":
        moving_clock.skip(seconds=settings.DEADLINE * polling.GIVE_UP_AFTER_DEADLINES + 1)
        request = first_request(run, passes=3)
    assert request.charged == charged
    again(row)
    assert row.purchase == purchase
    if reason:
        assert (row.failure_code or row.waiting_reason) == reason


def test_failures_are_charged_as_their_outcomes_are():
    said = {"unknown": "perhaps"}
    rows = table(section("codes", "Failures"))
    charged = {code: cell for named, cell, _remedy in rows for code in codes(named)}
    assert set(charged.values()) == {"yes", "no", "perhaps"}
    outcomes_of = [
        (code, said.get(cost, cost))
        for _what, _word, cost, recorded, _who in table(
            section("how-it-works", "What each outcome costs")
        )
        for code in codes(recorded)
        if code in charged
    ]
    assert len(outcomes_of) > 6
    assert [pair for pair in outcomes_of if charged[pair[0]] != pair[1]] == []


@pytest.mark.django_db
def test_no_connection_is_not_charged_and_stays_wanted(gateway, run, monkeypatch):
    nobody = client.GatewayClient(
        "key", "http://127.0.0.1:9/v1", timeout=(TIMEOUT_SECONDS, TIMEOUT_SECONDS)
    )
    monkeypatch.setattr(client.GatewayClient, "from_settings", lambda: nobody)
    row = want(plain_image(400, 300), "200x200")[0]
    assert first_request(run, passes=3).charged == "no"
    assert again(row).purchase == "wanted"


@pytest.mark.django_db
def test_an_open_circuit_has_a_code_of_the_table(gateway, run):
    want(plain_image(400, 300), "200x200")
    gateway.misbehave("402")
    run(2)
    assert only(PipelineState).circuit_code in listed_codes(
        "troubleshooting", "The circuit is open"
    )


# Numbers

SECONDS = {
    ("how-it-works", "Every process sees it within two seconds"): (
        published_cache.process_cache.REFRESH_SECONDS,
        2,
    ),
    ("how-it-works", "Two seconds later, so that all shapes"): (demand.GATHERING_TIME, 2),
    ("how-it-works", "Five seconds later, the"): (publication.PURGE_DELAY, 5),
    ("how-it-works", "or 30 seconds; five minutes at the most"): (outcomes.DEFAULT_PAUSE, 30),
    ("how-it-works", "30 seconds; five minutes at the most"): (client.MAX_RETRY_AFTER_SECONDS, 300),
    ("how-it-works", "every five minutes with one request"): (circuit.PROBE_INTERVAL, 300),
    ("how-it-works", "The runner, for an hour"): (fetching.KEEP_TRYING_FOR, 3600),
    ("how-it-works", "and for 24 hours at the most"): (source_image.URL_MAX_AGE_SECONDS, 24 * 3600),
    ("how-it-works", "60 megapixels and 60 seconds each"): (downloads.TIMEOUT_SECONDS, 60),
    ("running", "another follows after ten seconds"): (loop.FOLLOW_AFTER, 10),
    ("running", "the next request after 20 seconds starts a new one"): (
        modes.CHECK_INTERVAL_SECONDS,
        20,
    ),
    ("running", "waits up to five seconds"): (embedded_thread.SHUTDOWN_SECONDS, 5),
    ("running", "up to 20 more for the answer"): (embedded_thread.ANSWER_SECONDS, 20),
    ("running", "at most two per second while there is work"): (task_chain.TICK_REST, 0.5),
    ("running", "After 5 minutes the request counts as unknown"): (passes.STEP_LEASE, 300),
    ("running", "Another runner goes on, up to 30 seconds later"): (passes.POLL_LEASE, 30),
    ("running", "The same, up to 5 minutes later"): (passes.STEP_LEASE, 300),
    ("running", "Another starts over, up to a minute later"): (passes.FLIP_LEASE, 60),
    ("monitoring", "due for more than five minutes"): (pipeline_health.STOPPED_AFTER, 300),
    ("monitoring", "a pass is overdue by five minutes"): (health.STOPPED_AFTER, 300),
    ("commands", "the same once an hour"): (repairs.REPAIR_INTERVAL, 3600),
    ("codes", "within 60 seconds, for an hour of tries"): (downloads.TIMEOUT_SECONDS, 60),
    ("troubleshooting", "One request tries every five minutes"): (circuit.PROBE_INTERVAL, 300),
    ("troubleshooting", "one tries after a quarter of an hour"): (
        circuit.FIRST_FAILURE_PROBE_SECONDS,
        900,
    ),
    ("troubleshooting", "every four hours at last"): (circuit.LAST_FAILURE_PROBE_SECONDS, 14_400),
    ("monitoring", "once in ten minutes for each cause"): (logs.REPEAT_AFTER_SECONDS, 600),
}

COUNTS = {
    ("versions", "for up to 20 000 images"): (published_cache.process_cache.MAX_IMAGES, 20_000),
    ("how-it-works", "fewer than 64 px"): (verdict.MIN_SOURCE_SIDE_PIXELS, 64),
    ("how-it-works", "The runner, up to eight tries"): (outcomes.MAX_ATTEMPTS, 8),
    ("how-it-works", "six times `DEADLINE`"): (polling.GIVE_UP_AFTER_DEADLINES, 6),
    ("how-it-works", "five submissions in a row"): (circuit.MAX_OUTAGES, 5),
    ("monitoring", "after five submissions in a row"): (circuit.MAX_OUTAGES, 5),
    ("how-it-works", "at most 2048 px on its longer side"): (
        MAX_SENT_SIDE_PIXELS,
        2048,
    ),
    ("filter-specs", "a side of more than 20000 px"): (MAX_SIDE_PIXELS, 20_000),
    ("how-it-works", "limited to 40 MB"): (downloads.MAX_DOWNLOAD_BYTES, 40_000_000),
    ("how-it-works", "40 MB, 60 megapixels"): (decoding.MAX_PICTURE_PIXELS, 60_000_000),
    ("how-it-works", "three steps far"): (usage.MAX_DEPTH, 3),
}


@pytest.mark.parametrize(("place", "values"), [*SECONDS.items(), *COUNTS.items()])
def test_number_is_the_codes(place, values):
    page, phrase = place
    value, said = values
    assert phrase in " ".join(text_of(page).split())
    assert (value.total_seconds() if isinstance(value, dt.timedelta) else value) == said


def test_a_submission_takes_no_longer_than_the_docs_say():
    made = client.GatewayClient.from_settings()
    assert made._connect_seconds + made._answer_seconds == 70
    assert "70 seconds at the most" in " ".join(text_of("running").split())
    assert "may take 70 seconds" in " ".join(text_of("commands").split())


def test_the_check_was_tried_on_as_many_pairs_as_its_table_has():
    told = section("integrity-check", "What is flagged")
    pairs = sum(int(flagged.split(" of ")[1]) for _kind, flagged in table(told))
    assert f"half, {pairs} of " in told
