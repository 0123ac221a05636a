"""Engine presets with a quarter of the real sides, which the sandbox draws quickly."""

from wagtail_smart_resize.core.sizes import ENGINE_PRESETS

#: Replaces `sizes.ENGINE_PRESETS`.
SMALL_ENGINE_PRESETS = tuple((width // 4, height // 4) for width, height in ENGINE_PRESETS)
