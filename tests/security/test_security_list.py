"""docs/evidence/security.md lists what is tried, and each of its items is tried by a test."""

import ast

import pytest
from support.paths import TESTS
from support.security_list import items

pytestmark = pytest.mark.any_version


def marked():
    """The items that the tests name, wherever the mark stands."""
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.security":
                (item,) = node.args
                yield ast.literal_eval(item)


def test_every_item_is_tried_and_no_other():
    assert set(marked()) == set(items())


def test_every_item_is_listed_once():
    assert len(items()) == len(set(items())) > 10
