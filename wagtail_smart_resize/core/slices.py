"""Long lists, a part at a time. Pure."""

from collections.abc import Iterator
from typing import TypeVar

Item = TypeVar("Item")


def slices(items: list[Item], size: int) -> Iterator[list[Item]]:
    """Yield the items in their order, `size` of them at a time; the last may be fewer."""
    return (items[start : start + size] for start in range(0, len(items), size))
