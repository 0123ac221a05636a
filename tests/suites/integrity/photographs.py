"""The photographs that pairs are made from, and where their subjects lie."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from support.paths import ROOT

HERE = Path(__file__).parent / "photographs"
DEMO = ROOT / "testproject" / "demo" / "photos"


class Area(NamedTuple):
    """A rectangle, as shares of a picture's width and height."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Photograph:
    """A photograph, its subject as somebody would mark it, and the faces that can be told."""

    path: Path
    subject: Area
    faces: tuple[Area, ...] = ()

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def picture(self) -> Image.Image:
        return _read(self.path)


@cache
def _read(path: Path) -> Image.Image:
    with Image.open(path) as opened:
        return opened.convert("RGB")


def _ours(name: str, subject: Iterable[float], *faces: Iterable[float]) -> Photograph:
    return Photograph(HERE / f"{name}.jpg", Area(*subject), tuple(Area(*face) for face in faces))


def _demo(name: str, subject: Iterable[float], *faces: Iterable[float]) -> Photograph:
    return Photograph(DEMO / name, Area(*subject), tuple(Area(*face) for face in faces))


#: Thresholds are set by these...
ONE = (
    _demo("astronaut.png", (0.29, 0.02, 0.30, 0.37), (0.356, 0.127, 0.176, 0.225)),
    _ours("buns", (0.04, 0.24, 0.88, 0.64)),
    _demo("chelsea.png", (0.15, 0.08, 0.62, 0.86)),
    _demo("coffee.png", (0.29, 0.04, 0.42, 0.78)),
    _ours("loaf", (0.07, 0.12, 0.66, 0.78)),
    _demo("rocket.jpg", (0.43, 0.25, 0.14, 0.73)),
    _ours("stew", (0.13, 0.08, 0.75, 0.78)),
    _ours("town", (0.30, 0.40, 0.60, 0.29)),
)
#: ...and the figures that are told come from these.
OTHER = (
    _ours("bakers", (0.58, 0.03, 0.38, 0.75)),
    _demo(
        "group.jpg",
        (0.12, 0.27, 0.72, 0.43),
        (0.168, 0.395, 0.08, 0.125),
        (0.344, 0.408, 0.075, 0.12),
        (0.48, 0.37, 0.052, 0.09),
        (0.678, 0.41, 0.06, 0.10),
    ),
    _ours("houses", (0.08, 0.25, 0.64, 0.18)),
    _demo("hubble_deep_field.jpg", (0.30, 0.34, 0.30, 0.30)),
    _ours("loaves", (0.08, 0.08, 0.86, 0.88)),
    _demo("man.jpg", (0.24, 0.05, 0.57, 0.72), (0.27, 0.25, 0.49, 0.52)),
    _ours("plate", (0.02, 0.22, 0.75, 0.66)),
    _ours("waffles", (0.20, 0.18, 0.62, 0.62)),
    _ours("waterfall", (0.53, 0.34, 0.14, 0.38)),
)
HALVES = {"one": ONE, "other": OTHER, "all": ONE + OTHER}
