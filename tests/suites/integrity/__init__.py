"""Pairs of a photograph and a result that is, or is not, true to it; and how the check judges them.

`python -m suites.integrity.evaluate`, from `tests`, prints the table.
"""
