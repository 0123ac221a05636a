"""The README's words, as somebody types them who reads it from the top."""

import re
from dataclasses import dataclass

from support.paths import ROOT

README = ROOT / "README.md"
BLOCK = re.compile(r"^```([\w+]+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Words:
    """What the sections "Install" and the one at the top give to type, in their order."""

    install: str
    settings: str
    urls: str
    migrate: str
    sandbox_settings: str
    sandbox: str
    tag: str


def words() -> Words:
    """Raises AssertionError where the README has other steps than the stranger knows to take."""
    text = README.read_text()
    section = text.partition("\n## Install\n")[2].partition("\n## ")[0]
    found = BLOCK.findall(section)
    assert [language for language, _code in found] == [
        "sh",
        "python",
        "python",
        "sh",
        "python",
        "sh",
    ]
    language, tag = BLOCK.search(text).groups()
    assert language == "html+django"
    return Words(*(code for _language, code in found), tag=tag.strip())
