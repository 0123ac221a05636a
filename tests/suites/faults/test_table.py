"""docs/evidence/reliability.md holds the current matrix. `FAULTS_TABLE=write` writes it there."""

import os

import pytest
from support.paths import PAGES

from .matrix import MATRIX
from .table import markdown

pytestmark = pytest.mark.any_version

PAGE = PAGES["reliability"]
BEGIN, END = "<!-- The matrix -->\n", "<!-- End of the matrix -->\n"


def test_the_page_holds_the_matrix():
    text = PAGE.read_text()
    before, _begin, rest = text.partition(BEGIN)
    table, _end, after = rest.partition(END)
    wanted = f"\n{markdown()}\n\n"
    if os.environ.get("FAULTS_TABLE") == "write":
        PAGE.write_text(before + BEGIN + wanted + END + after)
    else:
        assert table == wanted, "FAULTS_TABLE=write pytest tests/suites/faults/test_table.py"


def test_the_page_says_how_many_there_are():
    assert f"{len(MATRIX)} faults" in PAGE.read_text()


def test_every_fault_has_a_name_of_its_own():
    assert len({str(row) for row in MATRIX}) == len(MATRIX)
