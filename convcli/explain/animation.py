"""Draws the figure of a convolution: a frame for every position of the kernel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from convcli.errors import GeometryError, RecipeError
from convcli.explain.arithmetic import pair
from convcli.explain.figure import INK, KERNEL, PAPER, QUIET, Cell, Colour, Figure
from convcli.explain.pixel import Crop, Stage, check_crop, checked_point, liveliest, stage_of
from convcli.filtering.recipe import Recipe
from convcli.geometry import extent
from convcli.images.luma import luma
from convcli.kernel import Kernel

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

ANIMATED = (".gif", ".webp", ".apng")
STILL = (".png", ".gif", ".webp")
MOST_FRAMES = 400
_LEAST = 7.5  # the smallest size at which a number can be read
_HOLD = 2.5  # seconds that the finished map stays


def figure_of(
    image: NDArray[Any], recipe: Recipe, crop: Crop | None = None, at: tuple[int, int] | None = None
) -> Figure:
    """The figure of the recipe's last kernel over a crop (x, y, width, height) of an array.

    Without a crop, one around the pixel (x, y) of the map is taken, or around a lively one. Colour is shown by its
    luma, unless the kernel spans the depth. Raises GeometryError where the crop or the point is outside of the picture
    or the map, or the crop is too small for the kernel.
    """
    deep = recipe.channels == "sum" or any(kernel.depth > 1 for kernel in recipe.kernels)
    gray = not deep and image.ndim == 3
    if gray:
        image = luma(image)
    stage = stage_of(image, recipe)
    if gray:
        stage = replace(stage, names=("luma",))
    if crop and at:
        raise RecipeError("--crop and --at both say what is animated; give one of them")
    x, y, width, height = crop or _around(stage, recipe, checked_point(at, stage.raw.shape) if at else None)
    check_crop((x, y, width, height), stage.planes.shape)
    part = stage.planes[y : y + height, x : x + width]
    last = Recipe((stage.kernel,), recipe.geometry, "sum" if deep else "each", stage.range)
    try:
        small = replace(stage_of(part, last), names=stage.names, before=stage.before)
    except GeometryError as error:
        raise GeometryError(f"crop {width}x{height}: {error}; or take a larger --crop") from None
    return Figure(small, _title(stage.kernel, recipe, (x, y, width, height)))


def check_suffix(path: str | Path, frame: int | None) -> None:
    """Raise where a file of that name can't hold the animation, or the still frame."""
    suffix = Path(path).suffix.lower()
    if frame is not None and suffix not in STILL:
        raise RecipeError(f"{suffix or 'a name without a suffix'} is no still picture; use {', '.join(STILL)}")
    if frame is None and suffix not in ANIMATED:
        what = f"{suffix or 'a name without a suffix'} can't animate"
        raise RecipeError(f"{what}; use {', '.join(ANIMATED)}, or --frame N for a still")


def check_animation(figure: Figure, frame: int | None) -> None:
    """Raise where there is no such frame (counted from 1), or where there are too many."""
    if frame is not None and frame > figure.frames:
        raise RecipeError(f"frame {frame} does not exist: the animation has the frames 1 to {figure.frames}")
    if frame is None and figure.frames > MOST_FRAMES:
        raise RecipeError(
            f"the animation would have {figure.frames} frames, one for every position, and {MOST_FRAMES} are the most; "
            "take a smaller --crop or a larger --stride"
        )


def write_animation(stream: BinaryIO, figure: Figure, suffix: str, speed: float = 2, frame: int | None = None) -> None:
    """Write all frames, `speed` of them a second, or one of them (counted from 1)."""
    kind = {".gif": "GIF", ".webp": "WEBP"}.get(suffix.lower(), "PNG")
    if frame is not None:
        draw_frame(figure, frame - 1).save(stream, kind)
        return
    frames = _reduced(figure)
    each = max(20, round(1000 / speed))
    durations = [each] * (len(frames) - 1) + [max(each, round(1000 * _HOLD))]
    ways: dict[str, dict[str, Any]] = {
        "WEBP": {"lossless": True, "method": 2, "kmax": 0},
        "GIF": {"optimize": True, "disposal": 1},
    }
    frames[0].save(
        stream, kind, save_all=True, append_images=frames[1:], duration=durations, loop=0, **ways.get(kind, {})
    )


def draw_frame(figure: Figure, index: int) -> Image.Image:
    """One frame, counted from 0."""
    return next(draw_frames(figure, (index,)))


def draw_frames(figure: Figure, indices: Iterable[int]) -> Iterator[Image.Image]:
    """Frames, counted from 0, in order. What does not change from one to the next is drawn once."""
    from PIL import Image, ImageDraw

    ground = Image.new("RGB", (figure.width, figure.height), PAPER)
    pen = ImageDraw.Draw(ground)
    _write(pen, (20, 14), figure.title, 17, INK)
    drawn: set[Cell] = set()
    for index in indices:
        cells = list(figure.cells(index))
        for cell in cells:
            if cell.frame[1] == 1 and cell not in drawn:
                _paint(pen, cell)
                drawn.add(cell)
        image = ground.copy()
        top = ImageDraw.Draw(image)
        for cell in cells:
            if cell.frame[1] > 1:
                _paint(top, cell)
        _tell(top, figure, index)
        yield image


def _tell(pen: ImageDraw.ImageDraw, figure: Figure, index: int) -> None:
    """What stands above the grids and below them."""
    for x, y, words in figure.labels(index):
        _write(pen, (x, y), words, 13, QUIET)
    y, sentences = figure.text_top, figure.sentences(index)
    for number, line in enumerate([*sentences, *figure.formulas]):
        ink = INK if number < len(sentences) else QUIET
        _write(pen, (20, y), _shortened(line), 15, KERNEL if number == 0 else ink)
        y += 22


def _paint(pen: ImageDraw.ImageDraw, cell: Cell) -> None:
    x0, y0, x1, y1 = cell.box
    side = x1 - x0
    colour, width = cell.frame
    half = width // 2
    fill = cell.fill if cell.fill[0] >= 0 else None
    pen.rectangle((x0 - half, y0 - half, x1 + half, y1 + half), fill=fill, outline=colour, width=width)
    size = min(side * 0.4, 1.55 * side / max(len(cell.text), 1))
    if cell.text and size >= _LEAST:
        lift = side * 0.13 if cell.corner else 0
        pen.text(((x0 + x1) / 2, (y0 + y1) / 2 - lift), cell.text, fill=cell.ink, font=_font(size), anchor="mm")
    if cell.corner:
        words = f"x{cell.corner}"
        font = _font(min(side * 0.28, 1.5 * side / len(words)))
        left, top, _, _ = pen.textbbox((x1 - 4, y1 - 4), words, font=font, anchor="rs")
        pen.rectangle((left - 3, top - 3, x1, y1), fill=KERNEL)
        pen.text((x1 - 4, y1 - 4), words, fill=PAPER, font=font, anchor="rs")


def _write(pen: ImageDraw.ImageDraw, at: tuple[float, float], words: str, size: float, ink: Colour) -> None:
    pen.text(at, words, fill=ink, font=_font(size))


@cache
def _font(size: float) -> Any:
    """Loading a font takes longer than writing with it."""
    from PIL import ImageFont

    return ImageFont.load_default(max(size, 8))


def _shortened(line: str) -> str:
    return line if len(line) <= 104 else f"{line[:101]}..."


def _reduced(figure: Figure) -> list[Image.Image]:
    """All frames in at most 256 colours, the same for all: all that a GIF has, and fewer bytes elsewhere.

    The most frequent colours stay as they are, the others (the rims of letters) become the nearest of them. One
    place is left free, with which a GIF says that a pixel stays what it was.
    """
    from PIL import Image

    packed = [_packed(np.asarray(draw_frame(figure, index))) for index in (0, figure.frames - 1)]
    colours, counts = np.unique(np.concatenate(packed), return_counts=True)
    chosen = colours[np.argsort(-counts, kind="stable")[:255]]
    palette = np.stack([chosen >> 16, chosen >> 8 & 255, chosen & 255], axis=1)
    place = np.full(1 << 24, -1, np.int16)
    place[chosen] = np.arange(len(chosen))
    made = []
    for frame in draw_frames(figure, range(figure.frames)):
        words = _packed(np.asarray(frame))
        strange = np.unique(words[place[words] < 0])
        apart = np.stack([strange >> 16, strange >> 8 & 255, strange & 255], axis=1)[:, None] - palette
        place[strange] = (apart**2).sum(axis=2).argmin(axis=1)
        reduced = Image.fromarray(place[words].astype(np.uint8))
        reduced.putpalette(palette.astype(np.uint8).tobytes())
        made.append(reduced)
    return made


def _packed(rgb: NDArray[Any]) -> NDArray[np.int32]:
    """The three levels of a colour in one number."""
    wide = rgb.astype(np.int32)
    return np.asarray(wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2])


def _title(kernel: Kernel, recipe: Recipe, crop: Crop) -> str:
    g = recipe.geometry
    padding = g.padding if isinstance(g.padding, str) else ",".join(map(str, g.padding))
    words = [f"{kernel.shown} {kernel.size[1]}x{kernel.size[0]}", f"stride {pair(g.stride)}"]
    words += [f"dilation {pair(g.dilation)}"] if g.dilation != (1, 1) else []
    words += [f"padding {padding} ({g.padding_mode})", f"crop {','.join(map(str, crop))}"]
    return ", ".join(words)


def _around(stage: Stage, recipe: Recipe, at: tuple[int, int] | None) -> Crop:
    """A crop around a pixel of the map, a lively one unless it is given, with some room for the kernel to move."""
    x, y = at or liveliest(stage)
    explained = stage.explain(x, y)
    g, shape = recipe.geometry, stage.planes.shape[:2]
    reach = [extent(k, d) for k, d in zip(stage.kernel.size, g.dilation, strict=True)]
    sides = [min(max(r + 4 * min(s, 2), 7), n) for r, s, n in zip(reach, g.stride, shape, strict=True)]
    while _positions(sides, stage.kernel, recipe) > MOST_FRAMES:  # padding lets a large kernel go beyond a small crop
        axis = 0 if sides[0] >= sides[1] else 1
        smaller = [side - (number == axis) for number, side in enumerate(sides)]
        if not _positions(smaller, stage.kernel, recipe):
            break
        sides = smaller
    spans = []
    for axis, side in enumerate(sides):
        middle = explained.first[axis] + reach[axis] // 2
        spans.append((int(np.clip(middle - side // 2, 0, shape[axis] - side)), side))
    (top, height), (left, width) = spans
    return left, top, width, height


def _positions(sides: list[int], kernel: Kernel, recipe: Recipe) -> int:
    """How many positions the kernel takes on a crop of these sides; none where it does not fit."""
    if min(sides) < 1:
        return 0
    try:
        rows, columns = recipe.geometry.output((sides[0], sides[1]), kernel.size)
    except GeometryError:
        return 0
    return rows * columns
