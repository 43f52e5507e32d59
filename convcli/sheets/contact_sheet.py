"""Contact sheets: arrays with labels, in columns, as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, log
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import RecipeError
from convcli.sheets.colormaps import colored, table

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

_PAPER, _INK, _QUIET = (250, 250, 248), (32, 34, 38), (112, 116, 122)
_GAP, _TEXT, _LARGEST_SHEET = 12, 13, 16384


@dataclass(frozen=True)
class Scale:
    """Which value gets the first colour of a map, and which the last."""

    low: float
    high: float


def contact_sheet(
    arrays: Sequence[NDArray[Any]],
    labels: Sequence[str],
    columns: int | None = None,
    *,
    colormap: str = "auto",
    shared: bool = True,
    tile: int = 240,
    title: str = "",
) -> Image.Image:
    """The arrays as labelled tiles in a grid, an RGB Pillow image.

    arrays: (H, W) values, coloured; or uint8 pictures (H, W, 3), shown as they are. Any number of sizes.
    labels: one for each array; what is too long for its tile ends in dots.
    columns: how many tiles stand side by side; None makes the sheet about as wide as high, a little wider.
    colormap: gray, viridis, magma, diverging (zero is white), or auto: diverging where values have both signs, else
        viridis.
    shared: one scale for all values, drawn below them; else each array has its own, written beside its label.
    tile: the longer side of the largest tile in pixels; smaller arrays grow by whole factors.
    title: a line above the tiles.

    Raises RecipeError where there is nothing to show, or the sheet would be larger than 16384 pixels on a side.
    """
    from PIL import Image, ImageDraw

    if not arrays or len(labels) != len(arrays):
        raise RecipeError(f"a sheet needs arrays and a label for each, not {len(arrays)} and {len(labels)}")
    values = [array for array in arrays if array.ndim == 2]
    shapes = [_tile_size(array.shape[0], array.shape[1], tile) for array in arrays]
    cell = max(width for width, _ in shapes), max(height for _, height in shapes)
    across = min(columns or _columns(len(arrays), cell), len(arrays))
    size, top = _size(len(arrays), cell, across, bool(title), bool(values) and shared)
    name = colormap_for(values) if colormap == "auto" else colormap
    common = scale_of(values, name) if values and shared else None
    sheet = Image.new("RGB", size, _PAPER)
    draw, font = ImageDraw.Draw(sheet), _font(_TEXT)
    if title:
        draw.text((_GAP, _GAP), _fitting(title, font, size[0] - 2 * _GAP), _INK, font)
    for index, (array, label) in enumerate(zip(arrays, labels, strict=True)):
        image = _tile(array, name, common or scale_of([array], name), tile)
        x = _GAP + index % across * (cell[0] + _GAP)
        y = top + index // across * (cell[1] + _line() + _GAP)
        sheet.paste(image, (x + (cell[0] - image.width) // 2, y + cell[1] - image.height))
        note = "" if common or array.ndim == 3 else _interval(scale_of([array], name))
        _label(draw, font, (x, y + cell[1] + 2), cell[0], label, note)
    if common is not None:
        _bar(sheet, draw, name, common)
    return sheet


def colormap_for(values: Sequence[NDArray[Any]]) -> str:
    """diverging where the values lie on both sides of zero, by a twentieth of their reach at least; else viridis."""
    scale = _bounds(values)
    return "diverging" if min(-scale.low, scale.high) > max(-scale.low, scale.high) / 20 else "viridis"


def scale_of(values: Sequence[NDArray[Any]], colormap: str) -> Scale:
    """Least to greatest value; for the diverging map as far to both sides of zero."""
    scale = _bounds(values)
    if colormap != "diverging":
        return scale
    reach = max(abs(scale.low), abs(scale.high))
    return Scale(-reach, reach)


def picture_of(array: NDArray[Any], colormap: str, scale: Scale) -> NDArray[np.uint8]:
    """One array of values as pixels: (H, W) for gray, else (H, W, 3)."""
    colors = colored(array, colormap, scale.low, scale.high)
    return colors[..., 0] if colormap == "gray" else colors


def fitted(array: NDArray[Any], side: int) -> NDArray[Any]:
    """The array averaged down to a tile, where it is larger than one."""
    from PIL import Image

    if max(array.shape[:2]) <= side:
        return array
    source = Image.fromarray(array if array.ndim == 3 else array.astype(np.float32))
    return np.asarray(source.resize(_tile_size(array.shape[0], array.shape[1], side), Image.Resampling.BOX))


def _bounds(values: Sequence[NDArray[Any]]) -> Scale:
    """The least and the greatest finite value; zero and zero where there is none."""
    reached = []
    for array in values:
        low, high = float(array.min()), float(array.max())
        if not isfinite(low - high):
            finite = array[np.isfinite(array)]
            if not finite.size:
                continue
            low, high = float(finite.min()), float(finite.max())
        reached.append((low, high))
    return Scale(min(low for low, _ in reached), max(high for _, high in reached)) if reached else Scale(0.0, 0.0)


def _tile_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Width and height that an array has as a tile."""
    longest = max(height, width)
    if longest > side:
        return max(1, round(width * side / longest)), max(1, round(height * side / longest))
    factor = max(1, min(side, 96 if longest <= 16 else 160) // longest)
    return width * factor, height * factor


def _tile(array: NDArray[Any], colormap: str, scale: Scale, side: int) -> Image.Image:
    """The array as an image that fits: grown by a whole factor, or averaged down before it is coloured."""
    from PIL import Image

    size = _tile_size(array.shape[0], array.shape[1], side)
    array = fitted(array, side)
    pixels = array if array.ndim == 3 else colored(array, colormap, scale.low, scale.high)
    factor = size[0] // array.shape[1]
    return Image.fromarray(np.ascontiguousarray(pixels.repeat(factor, 0).repeat(factor, 1)))


def _columns(count: int, cell: tuple[int, int]) -> int:
    """So many that the sheet is about three wide to two high, with few places left empty in the last row."""

    def cost(across: int) -> float:
        aspect = across * (cell[0] + _GAP) / (-(-count // across) * (cell[1] + _line() + _GAP))
        return abs(log(aspect / 1.5)) + 1.5 * (-count % across) / across

    return count if count <= 3 else min(range(1, min(count, 64) + 1), key=cost)


def _size(count: int, cell: tuple[int, int], across: int, title: bool, bar: bool) -> tuple[tuple[int, int], int]:
    """Width and height of the sheet, and where the first row begins."""
    rows, top = -(-count // across), _GAP + (_line() + _GAP // 2 if title else 0)
    width = max(across * (cell[0] + _GAP) + _GAP, 220 if bar else 120)
    height = top + rows * (cell[1] + _line() + _GAP) + (_line() + _GAP if bar else 0)
    if max(width, height) > _LARGEST_SHEET:
        raise RecipeError(
            f"a sheet of {count} tiles would be {width}x{height} pixels, more than {_LARGEST_SHEET} on a side; "
            "write the maps into a folder or to .npy"
        )
    return (width, height), top


def _label(draw: ImageDraw.ImageDraw, font: Any, at: tuple[int, int], width: int, label: str, note: str) -> None:
    room = width
    if note and font.getlength(f"{label}  {note}") <= width:
        draw.text((at[0] + width - font.getlength(note), at[1]), note, _QUIET, font)
        room -= int(font.getlength(note)) + _GAP
    draw.text(at, _fitting(label, font, room), _INK, font)


def _bar(sheet: Image.Image, draw: ImageDraw.ImageDraw, colormap: str, scale: Scale) -> None:
    """The scale below the tiles: least value, colours, greatest value; with zero marked where it lies within."""
    from PIL import Image

    font, y = _font(_TEXT), sheet.height - _GAP - _line()
    low, high = _number(scale.low), _number(scale.high)
    left = _GAP + int(font.getlength(low)) + 8
    width = min(256, sheet.width - left - int(font.getlength(high)) - 8 - _GAP)
    draw.text((_GAP, y), low, _QUIET, font)
    if width > 8:
        ramp = table(colormap)[np.linspace(0, 255, width).astype(int)][None].repeat(_line() - 4, 0)
        sheet.paste(Image.fromarray(ramp), (left, y + 2))
        if scale.low < 0 < scale.high:
            zero = left + round(-scale.low / (scale.high - scale.low) * (width - 1))
            draw.line([(zero, y + _line() - 2), (zero, y + _line() + 2)], _QUIET)
        draw.text((left + width + 8, y), high, _QUIET, font)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _line() -> int:
    return _TEXT + 5


def _fitting(text: str, font: Any, width: float) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..." if text else ""


def _interval(scale: Scale) -> str:
    reach = max(abs(scale.low), abs(scale.high))
    low = 0.0 if abs(scale.low) < reach / 10_000 else scale.low
    return f"{_number(low)} .. {_number(scale.high)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"
