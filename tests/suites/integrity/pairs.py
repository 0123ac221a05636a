"""Pairs of an original and a result that is, or is not, true to it. The same for the same seed."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from PIL import Image

from wagtail_smart_resize.integrity.report import Box

from . import drawing
from .drawing import Picture
from .photographs import HALVES, Area, Photograph

#: Drift of a result that is also redrawn, as a share of its longer side.
DRIFT = 0.004
STRETCH = 1.2
TEXTS = ("OPEN DAILY", "FRESH BREAD", "SOLD OUT", "NO ENTRY", "TICKETS 5", "ROOM 214")


@dataclass(frozen=True)
class Pair:
    """A photograph and what was made of it."""

    name: str
    kind: str
    original: Image.Image
    result: Image.Image
    focus: Box
    is_faithful: bool


@dataclass(frozen=True)
class Made:
    """What a kind makes of a photograph: the original, the changed picture, and its subject."""

    original: Picture
    changed: Picture
    subject: Box
    focus: Box | None = None
    """The focal area in the original, where it is not the photograph's subject."""


@dataclass(frozen=True)
class Kind:
    """A way to make results, and how many of them for each photograph."""

    name: str
    make: Callable[[Photograph, Picture, Generator], Made]
    is_faithful: bool
    number: int = 2
    area: tuple[float, float] = (1.0, 1.4)
    scale: tuple[float, float] = (0.7, 1.2)
    faces_only: bool = False


def box_of(area: Area, picture: Picture) -> Box:
    height, width = picture.shape[:2]
    return Box(
        round(area.left * width),
        round(area.top * height),
        round(area.width * width),
        round(area.height * height),
    )


def _pasted(photograph: Photograph, picture: Picture, rng: Generator) -> Made:
    return Made(picture, picture, box_of(photograph.subject, picture))


def _redrawn(drift: float) -> Callable[[Photograph, Picture, Generator], Made]:
    def make(photograph: Photograph, picture: Picture, rng: Generator) -> Made:
        changed = drawing.redrawn(picture, drift, rng)
        return Made(picture, changed, box_of(photograph.subject, picture))

    return make


def _another(photograph: Photograph, rng: Generator) -> Photograph:
    others = [each for each in HALVES["all"] if each != photograph]
    return others[rng.integers(len(others))]


def _other_subject(photograph: Photograph, rng: Generator) -> Picture:
    other = _another(photograph, rng)
    pixels = np.asarray(other.picture)
    return drawing.cut(pixels, box_of(other.subject, pixels))


def _another_picture(photograph: Photograph, picture: Picture, rng: Generator) -> Made:
    height, width = picture.shape[:2]
    other = np.asarray(_another(photograph, rng).picture.resize((width, height)))
    return Made(picture, other, box_of(photograph.subject, picture))


def _subject(
    change: Callable[[Photograph, Picture, Box, Generator], Picture],
) -> Callable[[Photograph, Picture, Generator], Made]:
    """Return a maker that changes the subject alone."""

    def make(photograph: Photograph, picture: Picture, rng: Generator) -> Made:
        box = box_of(photograph.subject, picture)
        return Made(picture, change(photograph, picture, box, rng), box)

    return make


def _replaced(photograph: Photograph, picture: Picture, box: Box, rng: Generator) -> Picture:
    return drawing.put(picture, _other_subject(photograph, rng), box)


def _removed(photograph: Photograph, picture: Picture, box: Box, rng: Generator) -> Picture:
    return drawing.removed(picture, box)


def _recoloured(photograph: Photograph, picture: Picture, box: Box, rng: Generator) -> Picture:
    return drawing.recoloured(picture, box, rng)


def _mirrored_in_place(
    photograph: Photograph, picture: Picture, box: Box, rng: Generator
) -> Picture:
    return drawing.put(picture, drawing.cut(picture, box)[:, ::-1], box)


def _shrunk(photograph: Photograph, picture: Picture, box: Box, rng: Generator) -> Picture:
    return drawing.shrunk(picture, box, rng.uniform(0.68, 0.8))


def _part_replaced(photograph: Photograph, picture: Picture, box: Box, rng: Generator) -> Picture:
    """Replace an ellipse of 0.42 of the subject's width and height."""
    width, height = round(0.42 * box.width), round(0.42 * box.height)
    left = box.left + round(rng.uniform(0.15, 0.43) * box.width)
    top = box.top + round(rng.uniform(0.15, 0.43) * box.height)
    part = left, top, width, height
    return drawing.put(picture, _other_subject(photograph, rng), part)


def _mirrored(photograph: Photograph, picture: Picture, rng: Generator) -> Made:
    box = box_of(photograph.subject, picture)
    left = picture.shape[1] - box.left - box.width
    return Made(picture, np.ascontiguousarray(picture[:, ::-1]), box._replace(left=left), box)


def _stretched(photograph: Photograph, picture: Picture, rng: Generator) -> Made:
    across, down = (STRETCH, 1.0) if rng.random() < 0.5 else (1.0, STRETCH)
    other = cv2.resize(picture, None, fx=across, fy=down, interpolation=cv2.INTER_CUBIC)
    return Made(
        picture,
        other,
        box_of(photograph.subject, other),
        box_of(photograph.subject, picture),
    )


def _lettering(
    change: bool, drift: float = 0.0
) -> Callable[[Photograph, Picture, Generator], Made]:
    def make(photograph: Photograph, picture: Picture, rng: Generator) -> Made:
        """Write on a sign in the lower half of the subject, across 0.6 of its width."""
        box = box_of(photograph.subject, picture)
        width = max(80, round(0.6 * box.width))
        height = max(24, width // 5)
        left = min(max(0, box.left + (box.width - width) // 2), picture.shape[1] - width)
        place = left, box.top + round(0.6 * box.height), width, height
        texts = rng.permutation(TEXTS)
        original = drawing.sign(picture, place, texts[0])
        changed = drawing.sign(picture, place, texts[1]) if change else original
        if drift:
            changed = drawing.redrawn(changed, drift, rng)
        return Made(original, changed, box)

    return make


def _face(on_face: bool) -> Callable[[Photograph, Picture, Generator], Made]:
    def make(photograph: Photograph, picture: Picture, rng: Generator) -> Made:
        """Exchange a face; the focal area is that face, or the whole subject."""
        face = box_of(photograph.faces[rng.integers(len(photograph.faces))], picture)
        donors = [
            (each, area)
            for each in HALVES["all"]
            for area in each.faces
            if each != photograph and each.faces
        ]
        donor, area = donors[rng.integers(len(donors))]
        pixels = np.asarray(donor.picture)
        other = drawing.cut(pixels, box_of(area, pixels))
        own = drawing.in_colours_of(other, drawing.cut(picture, face))
        changed = drawing.put(picture, own, face)
        return Made(
            picture, changed, box_of(photograph.subject, picture), face if on_face else None
        )

    return make


KINDS = (
    Kind("pasted", _pasted, True, 4),
    Kind("redrawn, drift 0.4 %", _redrawn(0.004), True, 3),
    Kind("redrawn, drift 0.8 %", _redrawn(0.008), True, 3),
    Kind("redrawn, drift 1.2 %", _redrawn(0.012), True),
    Kind("much extended", _redrawn(DRIFT), True, 2, area=(2.5, 2.5), scale=(0.98, 1.0)),
    Kind("lettering kept", _lettering(change=False, drift=DRIFT), True, 1),
    Kind("another picture", _another_picture, False),
    Kind("subject replaced", _subject(_replaced), False),
    Kind("subject removed", _subject(_removed), False),
    Kind("mirrored", _mirrored, False),
    Kind("stretched", _stretched, False),
    Kind("subject recoloured", _subject(_recoloured), False),
    Kind("subject mirrored in place", _subject(_mirrored_in_place), False),
    Kind("subject shrunk in place", _subject(_shrunk), False),
    Kind("small part replaced", _subject(_part_replaced), False),
    Kind("lettering changed", _lettering(change=True), False),
    Kind("face exchanged", _face(on_face=False), False, 6, faces_only=True),
    Kind("face exchanged, focus on it", _face(on_face=True), False, 6, faces_only=True),
)


def pairs(seed: int = 1, half: str = "all", only: str = "") -> Iterator[Pair]:
    """Make all pairs of a half's photographs, or those of the kinds whose names hold `only`."""
    for photograph in HALVES[half]:
        for kind in KINDS:
            if only not in kind.name or (kind.faces_only and not photograph.faces):
                continue
            for number in range(kind.number):
                yield pair(photograph, kind, seed, number)


def pair(photograph: Photograph, kind: Kind, seed: int = 1, number: int = 0) -> Pair:
    """Return a pair. It does not depend on which others are made."""
    rng = np.random.default_rng([seed, number, *map(_number, (photograph.name, kind.name))])
    picture = np.asarray(photograph.picture)
    made = kind.make(photograph, picture, rng)
    changed = made.changed
    if not kind.is_faithful and number % 2:
        changed = drawing.redrawn(changed, DRIFT, rng)
    result = drawing.recomposed(
        changed, made.subject, rng.uniform(*kind.area), rng.uniform(*kind.scale), rng
    )
    result = drawing.saved(drawing.tinted(result, rng), rng)
    return Pair(
        photograph.name,
        kind.name,
        Image.fromarray(made.original),
        Image.fromarray(result),
        made.focus or box_of(photograph.subject, picture),
        kind.is_faithful,
    )


def _number(text: str) -> int:
    return zlib.crc32(text.encode())
