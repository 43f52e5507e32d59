"""Compute some rows of a feature map from some rows of a picture, for pictures larger than memory.

The route is chosen for the whole picture, and every loop computes a row, or its tile of rows, independently of the
others; so the rows are bit for bit those of the whole picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine import gathered, spectrum
from convcli.engine.field import Field, index_map
from convcli.engine.job import EngineJob, Route
from convcli.engine.routes import fft_size
from convcli.geometry import Geometry, extent
from convcli.ranges import Limits


@dataclass
class Whole:
    """What must be known about the whole picture before some rows of its map can be computed.

    Planes are "color" and "alpha".
    limits: the limits of each plane's responses, for the range normalize.
    units: if a list, nothing is filtered; each route appends the number of rows it works on at a time.
    """

    limits: dict[str, Limits] = field(default_factory=dict)
    units: list[int] | None = None

    def add(self, part: Whole) -> None:
        """Add what is known about a part of the picture."""
        for plane, limits in part.limits.items():
            self.limits.setdefault(plane, Limits()).add(limits)


@dataclass(frozen=True)
class RowWindow:
    """Rows `first` to `last` (not included) of the map of a picture that has `height` rows.

    rows: the rows of the picture that are available, ascending. `RowWindow.needed` says which are needed.
    first and last are multiples of the `row_unit` of every route in use, or the map's end.
    """

    height: int
    rows: NDArray[np.intp]
    first: int
    last: int
    whole: Whole = field(default_factory=Whole)
    plane: str = "color"

    @classmethod
    def needed(
        cls, size: tuple[int, int], kernels: Sequence[tuple[int, int]], geometry: Geometry, first: int, last: int,
        whole: Whole | None = None,
    ) -> RowWindow:  # fmt: skip
        """Return the window for rows `first` to `last` of the map, for a picture and kernels of (height, width)."""
        needed = set()
        for kernel in set(kernels):
            pads = geometry.pads(size, kernel)
            if gathered.sparse(size, kernel, pads, geometry.stride, geometry.dilation):
                mode, stride, apart = geometry.padding_mode, geometry.stride[0], geometry.dilation[0]
                seen, _, _ = gathered.axis(size[0], kernel[0], pads[0], stride, apart, mode, first, last)
                needed.update(seen.tolist())
                continue
            rowmap = index_map(size[0], *pads[0], geometry.padding_mode)
            needed.update(rowmap[_span(len(rowmap), size, kernel, geometry, first, last)].tolist())
        rows = np.array(sorted(needed - {-1}) or [0], np.intp)
        return cls(size[0], rows, first, last, whole or Whole())

    def on(self, plane: str) -> RowWindow:
        """Return the window for the same rows of another plane."""
        return replace(self, plane=plane)

    @property
    def limits(self) -> Limits:
        """Return the limits of the plane's responses; they are gathered until they are known."""
        return self.whole.limits.setdefault(self.plane, Limits())

    def places(self, rows: NDArray[Any]) -> NDArray[np.intp]:
        """Return the indices of these rows of the picture among the available rows; -1, the border, stays -1."""
        return np.where(rows < 0, -1, np.searchsorted(self.rows, rows)).astype(np.intp)

    def cut(self, field: Field, job: EngineJob, size: tuple[int, int]) -> Field:
        """Narrow the field of the whole picture to this window: its row map then indexes the available rows."""
        kernel = (job.weights.shape[-2], job.weights.shape[-1])
        rowmap = field.rowmap[_span(len(field.rowmap), size, kernel, job.geometry, self.first, self.last)]
        return replace(field, rowmap=self.places(rowmap), rows=self.last - self.first)


def _span(
    rows: int, size: tuple[int, int], kernel: tuple[int, int], geometry: Geometry, first: int, last: int
) -> slice:
    """Return which padded rows the kernel reads for rows `first` to `last` of the map."""
    stride = geometry.stride[0]
    if last == geometry.output(size, kernel)[0]:
        return slice(first * stride, rows)
    return slice(first * stride, last * stride - 1 + extent(kernel[0], geometry.dilation[0]))


def row_unit(route: Route, job: EngineJob) -> int:
    """Return the tile height of a route: windows begin and end at multiples of it, or at the map's end."""
    rows = int(job.weights.shape[-2])
    if route.name == "spectrum":
        return spectrum.step((extent(rows, job.geometry.dilation[0]), 1))[0]
    return 2 * (fft_size(rows) - rows + 1) if route.name == "fft" else 1
