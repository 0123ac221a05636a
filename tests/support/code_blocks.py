"""The code in the project's Markdown pages."""

import re

#: A fenced block: its language and its code.
BLOCK = re.compile(r"^```([\w+]*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


def blocks_in(language: str, text: str) -> list[str]:
    """Return the code of the text's blocks in a language, from the top."""
    return [code for found, code in BLOCK.findall(text) if found == language]
