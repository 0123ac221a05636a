"""Paths in the project that the tests read or start."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
DOCS = ROOT / "docs"
PAGES = {page.stem: page for page in DOCS.rglob("*.md")}
PHOTOS = TESTS / "support" / "images"
