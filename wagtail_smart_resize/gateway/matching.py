"""Assignment of the gateway's outputs to the sizes that were asked for. Pure.

Outputs may come in another order, under other names, fewer or more than asked, and in other sizes.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from wagtail_smart_resize.core.sizes import Size, same_shape, shape_of

_NAMED_SIZE = re.compile(r"(?<![0-9])([0-9]{1,5})x([0-9]{1,5})(?![0-9])")


@dataclass(frozen=True)
class Matched:
    """Outputs, given by their index among those received."""

    by_size: dict[Size, list[int]]
    """Every size that was asked for, with its outputs: none, as many as asked, or more."""
    strays: list[int]
    """Outputs whose shape was not asked for."""


def assign(
    outputs: Sequence[tuple[str, Size]], sizes: Sequence[Size], images_per_size: int = 1
) -> Matched:
    """Assign outputs, given as (file name, decoded size), to the sizes asked for.

    A size in the file name counts first, then the decoded size, then the order. None of them makes
    up for a wrong shape: such an output is a stray.
    """
    matched = Matched({size: [] for size in sizes}, [])
    unnamed = []
    for index, (name, decoded) in enumerate(outputs):
        named = next(_named(name, _fitting(decoded, sizes)), None)
        if named is None:
            unnamed.append(index)
        else:
            matched.by_size[named].append(index)
    in_order = len(outputs) == len(sizes) * images_per_size
    for index in unnamed:
        ordered = sizes[index // images_per_size] if in_order else None
        _place(index, outputs[index][1], matched, ordered, images_per_size)
    return matched


def _named(file_name: str, sizes: Sequence[Size]) -> Iterator[Size]:
    """Yield those of the sizes that the file name contains."""
    for width, height in _NAMED_SIZE.findall(file_name):
        if (size := Size(int(width), int(height))) in sizes:
            yield size


def _fitting(decoded: Size, sizes: Sequence[Size]) -> list[Size]:
    return [size for size in sizes if same_shape(shape_of(*size), shape_of(*decoded))]


def _place(
    index: int, decoded: Size, matched: Matched, ordered: Size | None, images_per_size: int
) -> None:
    """Add an output to the likeliest of the fitting sizes, preferring those that lack outputs.

    Where no size fits, the output is a stray.
    """

    def likelihood(size: Size) -> tuple[bool, bool, bool, Decimal]:
        has_room = len(matched.by_size[size]) < images_per_size
        distance = abs(shape_of(*size) - shape_of(*decoded))
        return has_room, size == decoded, size == ordered, -distance

    fitting = _fitting(decoded, list(matched.by_size))
    if fitting:
        matched.by_size[max(fitting, key=likelihood)].append(index)
    else:
        matched.strays.append(index)
