"""Reads the steps of the README, as a user follows them from the top."""

from dataclasses import dataclass

from support.code_blocks import BLOCK
from support.paths import ROOT

README = ROOT / "README.md"
#: Where the README's command installs from, until the package index has a release.
REPOSITORY = " @ git+https://github.com/wagtail-smart-resize/wagtail-smart-resize"


@dataclass(frozen=True)
class ReadmeSteps:
    """The code in the README's first example and in its section "Install", in order."""

    install: str
    sandbox: str
    runserver: str
    tag: str


def read_steps() -> ReadmeSteps:
    """Return the steps. Raises AssertionError where the README has others than this test
    performs."""
    text = README.read_text()
    section = text.partition("\n## Install\n")[2].partition("\n## ")[0]
    found = BLOCK.findall(section)
    assert [language for language, _code in found] == ["sh", "sh", "sh"]
    language, tag = BLOCK.search(text).groups()
    assert language == "html+django"
    return ReadmeSteps(*(code for _language, code in found), tag=tag.strip())
