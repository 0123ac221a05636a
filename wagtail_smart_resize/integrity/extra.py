"""Whether the optional extra is installed."""

from functools import cache
from importlib.util import find_spec

REMEDY = 'Run pip install "wagtail-smart-resize[integrity]", then restart the site.'


@cache
def is_installed() -> bool:
    """Return whether what the checks need can be imported. Imports nothing."""
    return all(find_spec(name) for name in ("cv2", "numpy"))
