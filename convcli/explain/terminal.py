"""Pictures in the terminal: graphics where it has them, half blocks where it has colours, characters elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.errors import ConvcliError
from convcli.images.eight_bit import Pixels

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_RAMP = " .:-=+*#%@"  # from dark to light
_GAP = 2  # columns between two pictures


def show(screen: Console, pictures: Sequence[tuple[str, Pixels]], style: str = "auto") -> None:
    """Draw pictures with their captions side by side, as wide as the terminal and no higher.

    Raises ConvcliError where graphics are asked for and can't be had.
    """
    chosen = style_of(screen, style)
    columns = (screen.width - _GAP * (len(pictures) - 1)) // len(pictures)
    rows = max(screen.height - 3, 8) if screen.is_terminal else 40
    small = [_fitted(pixels, columns, 2 * rows) for _, pixels in pictures]
    if chosen == "graphics":
        _draw(screen, [pixels for _, pixels in pictures], [s.shape[1] for s in small])
    else:
        lines = _blocks(small) if chosen == "blocks" else _characters(small)
        for line in lines:
            screen.print(line, no_wrap=True, overflow="crop", crop=True)
    names = [name[: s.shape[1]].ljust(s.shape[1]) for (name, _), s in zip(pictures, small, strict=True)]
    screen.print((" " * _GAP).join(names).rstrip(), markup=False)


def style_of(screen: Console, style: str) -> str:
    """What `auto` means for this terminal; another style is itself."""
    if style == "graphics" and _library() is None:
        raise ConvcliError(
            "this terminal has no kitty or sixel graphics, or the extra is missing: pip install 'convcli[show]'; "
            "without --style graphics, half blocks are drawn"
        )
    if style != "auto":
        return style
    if screen.is_terminal and screen.color_system and not screen.no_color and _library() is not None:
        return "graphics"
    return "blocks" if screen.color_system and not screen.no_color else "text"


def _library() -> Any:
    """The renderable for the terminal's own graphics; None without the library or without such a terminal."""
    import sys

    if not (sys.__stdout__ and sys.__stdout__.isatty()):
        return None
    try:
        from textual_image import renderable
    except ImportError:
        return None
    native = (renderable.SixelImage, renderable.TGPImage)
    return renderable.Image if renderable.Image in native else None


def _fitted(pixels: Pixels, columns: int, half_rows: int) -> Pixels:
    """Reduced to fit, an even number of rows; a cell is as wide as half of it is high."""
    from PIL import Image

    height, width = pixels.shape[:2]
    share = min(columns / width, half_rows / height)
    size = (max(1, round(width * share)), max(2, 2 * round(height * share / 2)))
    how = Image.Resampling.NEAREST if share > 1 else Image.Resampling.BOX
    return np.asarray(Image.fromarray(pixels).resize(size, how))


def _blocks(pictures: Sequence[Pixels]) -> list[Text]:
    """Upper half blocks: ink is the upper pixel, paper the lower one."""
    from rich.style import Style
    from rich.text import Text

    lines = []
    for row in range(0, max(len(p) for p in pictures), 2):
        line = Text()
        for number, pixels in enumerate(pictures):
            line.append(" " * (_GAP if number else 0))
            if row >= len(pixels):
                line.append(" " * pixels.shape[1])
                continue
            for upper, lower in zip(pixels[row].tolist(), pixels[row + 1].tolist(), strict=True):
                colours = (f"#{r:02x}{g:02x}{b:02x}" for r, g, b in (upper, lower))
                line.append("▀", Style(color=next(colours), bgcolor=next(colours)))
        lines.append(line)
    return lines


def _characters(pictures: Sequence[Pixels]) -> list[Text]:
    """A character a cell, the denser the lighter."""
    from rich.text import Text

    lines = []
    for row in range(0, max(len(p) for p in pictures), 2):
        parts = []
        for pixels in pictures:
            level = (
                pixels[row : row + 2].astype(float).mean(axis=(0, 2)) if row < len(pixels) else [0.0] * pixels.shape[1]
            )
            parts.append("".join(_RAMP[min(int(v / 256 * len(_RAMP)), len(_RAMP) - 1)] for v in level))
        lines.append(Text((" " * _GAP).join(parts).rstrip()))
    return lines


def _draw(screen: Console, pictures: Sequence[Pixels], columns: Sequence[int]) -> None:
    """One row of pictures as one picture, through the library."""
    from PIL import Image

    high = max(len(p) for p in pictures)
    unit = pictures[0].shape[1] / columns[0]
    gap = np.full((high, round(_GAP * unit), 3), 0, np.uint8)
    parts: list[Pixels] = []
    for number, pixels in enumerate(pictures):
        side = round(columns[number] * unit)
        size = (side, round(len(pixels) * side / pixels.shape[1]))
        scaled = np.asarray(Image.fromarray(pixels).resize(size))[:high]
        parts += ([gap] if number else []) + [np.pad(scaled, ((0, high - len(scaled)), (0, 0), (0, 0)))]
    row = Image.fromarray(np.concatenate(parts, axis=1))
    screen.print(_library()(row, width=sum(columns) + _GAP * (len(pictures) - 1), height="auto"))
