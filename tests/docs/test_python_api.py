"""The reference of Python and signals, held against the modules; the examples are run."""

import inspect
import re

import pytest
from support.code_blocks import blocks_in
from support.factories import candidate, photo, recomposition
from support.paths import PAGES
from support.people import make_people
from wagtail import hooks
from wagtail.models import ModelLogEntry

from wagtail_smart_resize import (
    actions,
    asgi,
    jinja2tags,
    reasons,
    sandbox,
    signals,
    states,
    testing,
)
from wagtail_smart_resize.admin import mixins
from wagtail_smart_resize.api import fields
from wagtail_smart_resize.delivery import serve
from wagtail_smart_resize.editorial import asking, deciding, refusals
from wagtail_smart_resize.models import GatewayRequest, OptOut, Recomposition

pytestmark = pytest.mark.any_version

PAGE = PAGES["python"].read_text()
SIGNALS = PAGES["signals"].read_text()
NAMED = set(re.findall(r"`([\w.]+)", PAGE))
#: In a span or a block of code of any page.
SHOWN = {
    name
    for page in PAGES.values()
    for code in re.findall(r"```.*?```|`[^`\n]+`", page.read_text(), flags=re.DOTALL)
    for name in re.findall(r"\w+", code)
}
PUBLIC = [(module, name) for module in (actions, states, testing) for name in module.__all__]
FURTHER = (asgi, fields, jinja2tags, mixins, reasons, sandbox, serve, signals)
CODES = re.compile(r'Refused\(\s*"(\w+)"')


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_public_name_has_a_docstring_and_is_documented(module, name):
    found = getattr(module, name)
    # What a dataclass is given without one shows its fields alone.
    assert (found.__doc__ or "").split("(")[0] not in ("", name)
    assert name in NAMED


def test_signals_are_documented():
    listed = re.findall(r"^\| `(\w+)` \|", SIGNALS, flags=re.MULTILINE)
    assert sorted(listed) == sorted(signals.__all__)


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module in FURTHER for name in module.__all__]
)
def test_public_name_of_another_module_is_shown(module, name):
    assert inspect.getdoc(getattr(module, name))
    assert name in SHOWN


@pytest.mark.parametrize("module", [actions, states, testing, *FURTHER])
def test_all_public_modules_are_promised(module):
    promised = next(
        line for line in PAGES["upgrades"].read_text().splitlines() if "`actions`" in line
    )
    shown = promised.replace("the sandbox", "`sandbox`").replace("API fields", "`api.fields`")
    shown = shown.replace("Template tags", "`jinja2tags`")
    name = module.__name__.removeprefix("wagtail_smart_resize.")
    assert name in re.findall(r"`(?:wagtail_smart_resize\.)?([\w.]+)`", shown)


def test_codes_of_refusals_are_documented():
    sources = map(inspect.getsource, (asking, deciding, refusals))
    assert set(CODES.findall("".join(sources))) <= NAMED


@pytest.mark.django_db
def test_examples_run(configure, capsys, monkeypatch):
    # One of them registers a view.
    monkeypatch.setitem(hooks._hooks, "register_admin_urls", [])
    configure(API_KEY="key", PRICE_PER_OUTPUT=("0.12", "EUR"))
    people, image = make_people(), photo()
    row = recomposition(image, "200x400", purchase="idle")
    chosen = candidate(row)
    names = {"image": image, "user": people.superuser}
    for code in blocks_in("python", PAGE):
        exec(compile(code, "docs/reference/python.md", "exec"), names)
    row.refresh_from_db()
    # Chosen by one example, and left for the crop by the next line of it.
    assert (row.live, row.decision, row.decided_by) == (None, "crop", people.superuser)
    assert ("smart_resize.choose", chosen.pk) in [
        (entry.action, entry.data.get("candidate")) for entry in ModelLogEntry.objects.all()
    ]
    assert GatewayRequest.objects.get().prompt == "More sky"
    # Declined by one example, and decided anew by a later one.
    assert Recomposition.objects.get(slots=["1200x630"]).decision == "candidate"
    assert not OptOut.objects.exists()
    assert capsys.readouterr().out.startswith("2 ")


@pytest.mark.django_db
def test_who_asked_is_told_as_in_the_example():
    told = re.split(r"^## Tell whoever asked$", SIGNALS, flags=re.MULTILINE)[1]
    (code,) = blocks_in("python", told.split("\n## ")[0])
    names = {}
    exec(compile(code, "docs/reference/signals.md", "exec"), names)
    mails = []
    names["send_mail"] = lambda subject, text, sender, to: mails.append((subject, *to))
    editor = make_people().superuser
    asked = Recomposition(image=photo(title="Rocket"), asked_by=editor)
    signals.recomposition_ready.send(sender=Recomposition, recomposition=asked)
    signals.recomposition_declined.send(sender=Recomposition, recomposition=asked)
    # Who declines it needs no mail.
    asked.decided_by = editor
    signals.recomposition_declined.send(sender=Recomposition, recomposition=asked)
    assert mails == [
        ("An AI version of Rocket is ready.", editor.email),
        ("The crop of Rocket stays.", editor.email),
    ]
    assert signals.recomposition_ready.disconnect(names["tell_that_it_is_ready"])
    assert signals.recomposition_declined.disconnect(names["tell_that_it_was_declined"])
