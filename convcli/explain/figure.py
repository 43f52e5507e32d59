"""What one frame of the animation shows, as cells with their text, before anything is drawn.

On the left the picture with its ring of padding and the kernel over it, on the right the feature map filling up and the
kernel by itself, below them the arithmetic of the current position and the formula of the map's size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import isnan

import numpy as np
from numpy.typing import NDArray

from convcli.errors import GeometryError
from convcli.explain.arithmetic import plain, steps
from convcli.explain.pixel import Explanation, Stage, Values, bordered
from convcli.geometry import formula
from convcli.ranges import full_scale

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]

# Okabe and Ito's colours: told apart by every eye, and in gray.
KERNEL: Colour = (213, 94, 0)
PADDING: Colour = (0, 114, 178)
INK: Colour = (32, 34, 40)
_WASHED: Colour = (220, 236, 247)  # padding, whatever its value: it is no part of the picture
QUIET: Colour = (96, 100, 110)
FAINT: Colour = (206, 210, 216)
PAPER: Colour = (255, 255, 255)

_MARGIN, _HEAD, _GAP, _LINE, _LABEL = 20, 46, 56, 22, 24
_LARGEST, _NUMBERS, _WEIGHTS = 52, 24, 34  # cell sizes: the largest, and from which on numbers and weights are drawn


@dataclass(frozen=True)
class Cell:
    """A square of a grid. corner: the kernel's weight. frame: the colour and width of its outline."""

    box: Box
    fill: Colour
    text: str = ""
    ink: Colour = INK
    corner: str = ""
    frame: tuple[Colour, int] = (FAINT, 1)


@dataclass(frozen=True)
class Figure:
    """The whole animation of one stage, which has a single map; `width` is that of its frames in pixels."""

    stage: Stage
    title: str
    width: int = 800

    def __post_init__(self) -> None:
        if self.stage.raw.shape[2] != 1:
            raise GeometryError("a figure shows one map: sum the channels, or take the luma")

    @property
    def frames(self) -> int:
        """How many positions the kernel takes, row by row."""
        return int(self.stage.raw[:, :, 0].size)

    def explanation(self, frame: int) -> Explanation:
        """The arithmetic of that frame, counted from 0."""
        y, x = divmod(frame, self.stage.raw.shape[1])
        return self.stage.explain(x, y)

    @cached_property
    def padded(self) -> tuple[Values, NDArray[np.bool_]]:
        """The picture with its ring: values (H + pads, W + pads, C), and which places are padding."""
        (top, bottom), (left, right) = self._pads
        height, width = self.stage.planes.shape[:2]
        return bordered(
            self.stage.planes, range(-top, height + bottom), range(-left, width + right), self.stage.geometry
        )

    @cached_property
    def cell(self) -> int:
        """The side of a cell in pixels."""
        rows, columns, planes = self.padded[0].shape
        map_rows, map_columns = self.stage.raw.shape[:2]
        across = (self.width - 2 * _MARGIN - _GAP) / (columns + map_columns)
        down = (620 if planes == 1 else 900) / max(planes * rows + 0.6 * (planes - 1), map_rows)
        return max(3, int(min(across, down, _LARGEST)))

    @property
    def height(self) -> int:
        """The height of the frames in pixels, an even number."""
        lines = 4 + len(self.formulas)
        return int(self._foot + _GAP / 2 + lines * _LINE + _MARGIN) // 2 * 2

    @property
    def formulas(self) -> list[str]:
        """The output-size formula with its numbers, for the width and the height."""
        size, kernel, g = self.stage.planes.shape[:2], self.stage.kernel.size, self.stage.geometry
        both = list(zip(size, kernel, self._pads, g.stride, g.dilation, self.stage.raw.shape[:2], strict=True))
        return [
            f"{name} O = {formula(*axis)} = {o}" for name, (*axis, o) in zip(("height", "width"), both, strict=True)
        ][::-1]

    def cells(self, frame: int) -> Iterator[Cell]:
        """Every cell of that frame; later ones lie over earlier ones."""
        explanation = self.explanation(frame)
        for plane in range(self.padded[0].shape[2]):
            yield from self._picture(plane, explanation)
        yield from self._map(frame)
        yield from self._kernel()

    def labels(self, frame: int) -> Iterator[tuple[float, float, str]]:
        """What stands above the grids: (x, y, words)."""
        windows = self.explanation(frame).responses[0].windows
        after = f" after {', '.join(self.stage.before)}" if self.stage.before else ""
        for plane, name in enumerate(self.stage.names):
            x, y = self._plane_corner(plane)
            share = f": sum {plain(windows[plane].total)}" if len(windows) > 1 else ""
            yield x, y - 17, f"picture{after}, {name}{share}"
        x, y = self._map_corner
        yield x, y - 17, "feature map"
        kernel, bias = self.stage.kernel, self.explanation(frame).bias
        way = (f", sum / {plain(kernel.divisor)}" if kernel.divisor != 1 else "") + (
            f" {'-' if bias < 0 else '+'} {plain(abs(bias))}" if bias else ""
        )
        for plane, name in enumerate(self.stage.names[: kernel.depth]):
            x, y = self._kernel_corner(plane)
            yield x, y - 17, f"kernel{f', {name}' if kernel.depth > 1 else ''}{way}"

    def sentences(self, frame: int) -> list[str]:
        """The arithmetic of that frame, a line a step."""
        explanation = self.explanation(frame)
        (response,) = explanation.responses
        way = steps(explanation, response)
        lines = [
            f"{step.name}: {step.text}{'' if step.text == plain(step.value) else f' = {plain(step.value)}'}"
            for step in way
        ]
        return [f"position {frame + 1} of {self.frames}", *lines[:2], "; ".join(lines[2:])]

    def _picture(self, plane: int, explanation: Explanation) -> Iterator[Cell]:
        values, padded = self.padded
        (top, _), (left, _) = self._pads
        window = explanation.responses[0].windows[plane]
        (dy, dx), (kh, kw) = self.stage.geometry.dilation, self.stage.kernel.size
        y0, x0 = explanation.first[0] + top, explanation.first[1] + left
        taps = {(y0 + i * dy, x0 + j * dx): window.weights[i, j] for i in range(kh) for j in range(kw)}
        corner = self._plane_corner(plane)
        for (row, column), value in np.ndenumerate(values[:, :, plane]):
            outside, tap = bool(padded[row, column]), taps.get((row, column))
            fill = _WASHED if outside else self._gray(value)
            yield Cell(
                self._box(corner, row, column),
                fill,
                self._number(value),
                PADDING if outside else _ink(fill),
                plain(round(float(tap), 3)) if tap is not None and self.cell >= _WEIGHTS else "",
                (KERNEL, 3) if tap is not None else (FAINT, 1),
            )  # fmt: skip
        reach = self._box(corner, y0, x0)[:2] + self._box(corner, y0 + dy * (kh - 1), x0 + dx * (kw - 1))[2:]
        yield Cell(reach, fill=(-1, -1, -1), frame=(KERNEL, 4))

    def _map(self, frame: int) -> Iterator[Cell]:
        pixels = self.stage.pixels[:, :, 0]
        for index, value in enumerate(pixels.ravel().tolist()):
            row, column = divmod(index, pixels.shape[1])
            if index > frame:
                yield Cell(self._box(self._map_corner, row, column), (244, 245, 247))
                continue
            fill = self._gray(value)
            frame_line = (KERNEL, 4) if index == frame else (FAINT, 1)
            yield Cell(self._box(self._map_corner, row, column), fill, self._number(value), _ink(fill), "", frame_line)

    def _kernel(self) -> Iterator[Cell]:
        planes = self.stage.kernel.weights.reshape(-1, *self.stage.kernel.size)
        greatest = float(np.abs(planes).max()) or 1.0
        for (plane, row, column), weight in np.ndenumerate(planes):
            strength = 0.5 * abs(float(weight)) / greatest
            hue = KERNEL if weight > 0 else PADDING
            fill = (round(255 + strength * (hue[0] - 255)), round(255 + strength * (hue[1] - 255)),
                    round(255 + strength * (hue[2] - 255)))  # fmt: skip
            box = self._box(self._kernel_corner(plane), row, column, self._kernel_cell)
            yield Cell(box, fill, plain(round(float(weight), 3)))

    @cached_property
    def _kernel_cell(self) -> int:
        """The side of a cell of the kernel by itself: that of the others, where there is room."""
        room = self.width - _MARGIN - self._map_corner[0]
        return max(3, int(min(self.cell, 44, room / self.stage.kernel.size[1])))

    @cached_property
    def _white(self) -> float:
        return full_scale(self.stage.planes.dtype)

    @property
    def _pads(self) -> tuple[tuple[int, int], tuple[int, int]]:
        return self.stage.geometry.pads(self.stage.planes.shape[:2], self.stage.kernel.size)

    @property
    def _map_corner(self) -> tuple[float, float]:
        columns = self.padded[0].shape[1]
        free = self.width - 2 * _MARGIN - self.cell * (columns + self.stage.raw.shape[1])
        return _MARGIN + columns * self.cell + max(_GAP, free / 2), _HEAD + _LABEL

    def _plane_corner(self, plane: int) -> tuple[float, float]:
        return _MARGIN, _HEAD + _LABEL + plane * (self.padded[0].shape[0] * self.cell + _LABEL)

    def _kernel_corner(self, plane: int) -> tuple[float, float]:
        x, y = self._map_corner
        below = y + len(self.stage.raw) * self.cell + 2 * _LABEL
        return x, below + plane * (self.stage.kernel.size[0] * self._kernel_cell + _LABEL)

    @property
    def _foot(self) -> float:
        rows, _, planes = self.padded[0].shape
        left = self._plane_corner(planes - 1)[1] + rows * self.cell
        right = self._kernel_corner(self.stage.kernel.depth - 1)[1] + self.stage.kernel.size[0] * self._kernel_cell
        return float(max(left, right))

    @property
    def text_top(self) -> float:
        """Where the sentences begin."""
        return self._foot + _GAP / 2 - 8

    def _box(self, corner: tuple[float, float], row: int, column: int, side: int = 0) -> Box:
        side = side or self.cell
        x, y = corner[0] + column * side, corner[1] + row * side
        return x, y, x + side, y + side

    def _gray(self, value: float) -> Colour:
        share = float(value) / self._white
        level = 0 if isnan(share) else round(255 * min(max(share, 0), 1))
        return level, level, level

    def _number(self, value: float) -> str:
        if self.cell < _NUMBERS:
            return ""
        return plain(value) if self.stage.planes.dtype.kind != "f" else f"{round(float(value), 2) + 0.0:.2f}"


def _ink(fill: Colour) -> Colour:
    return INK if sum(fill) > 381 else PAPER
