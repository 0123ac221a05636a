"""A quarter of the engine's sides: the sandbox draws such pictures quickly."""

from wagtail_smart_resize.core.sizes import ENGINE_PRESETS

#: In place of `shapes.ENGINE_PRESETS`.
QUARTERS = tuple((width // 4, height // 4) for width, height in ENGINE_PRESETS)
