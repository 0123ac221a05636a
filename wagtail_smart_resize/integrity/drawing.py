"""A picture of what a check has found: the original, with what differs marked. Pillow alone."""

from PIL import Image, ImageDraw

from .report import Box, Measures

#: Longer side of the picture in pixels.
MOST_PIXELS = 1600
CHANGED, FOCUS, OUTSIDE = (220, 30, 60), (255, 255, 255), (0, 0, 0, 150)


def draw_map(
    original: Image.Image, result: tuple[int, int], measures: Measures, focus: Box | None = None
) -> Image.Image:
    """Return the original with a box around each part that differs.

    What does not lie within the result is darkened, and the focal area framed in white. `result` is
    the result's size in pixels.
    """
    factor = min(1.0, MOST_PIXELS / max(original.size))
    size = (max(1, round(original.width * factor)), max(1, round(original.height * factor)))
    drawn = original.convert("RGB").resize(size, reducing_gap=2.0)
    if measures.matrix:
        shade = Image.new("RGBA", size, OUTSIDE)
        corners = [(x * factor, y * factor) for x, y in _held(measures.matrix, result)]
        ImageDraw.Draw(shade).polygon(corners, fill=(0, 0, 0, 0))
        drawn.paste(shade, mask=shade.getchannel("A"))
    canvas = ImageDraw.Draw(drawn)
    width = max(2, round(max(size) / 300))
    if focus:
        canvas.rectangle(_scaled(focus, factor), outline=FOCUS, width=width)
    for box in measures.changed:
        canvas.rectangle(_scaled(box, factor), outline=CHANGED, width=width)
    return drawn


def _held(matrix: tuple[float, ...], result: tuple[int, int]) -> list[tuple[float, float]]:
    """Return the corners of the result, in pixels of the original."""
    a, b, c, d, e, f = matrix
    area = a * e - b * d
    width, height = result
    corners = [(0, 0), (width, 0), (width, height), (0, height)]
    return [
        ((e * (x - c) - b * (y - f)) / area, (a * (y - f) - d * (x - c)) / area) for x, y in corners
    ]


def _scaled(box: Box, factor: float) -> tuple[float, float, float, float]:
    left, top, width, height = (value * factor for value in box)
    return left, top, left + width, top + height
