"""Some rows of a feature map from some rows of a picture: for what is larger than memory.

The route is chosen for the whole picture, and every loop computes a row, or the tile of rows it belongs to, by itself;
so the rows are bit for bit those that the whole picture gives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine import spectrum
from convcli.engine.bands import Field, index_map
from convcli.engine.plan import Job, choose, fft_size
from convcli.geometry import Geometry, extent
from convcli.kernel import Kernel
from convcli.tone import Tone


@dataclass(frozen=True)
class Window:
    """Rows `first` to `last` (not included) of the map of a picture that has `height` rows.

    rows: which rows of the picture are at hand, ascending. `Window.of` says which are needed.
    finite: whether a float picture has neither NaN nor infinity anywhere, for the route depends on it.
    """

    height: int
    rows: NDArray[np.intp]
    first: int
    last: int
    finite: bool = True

    @classmethod
    def of(
        cls, size: tuple[int, int], kernel: tuple[int, int], geometry: Geometry, first: int, last: int,
        finite: bool = True,
    ) -> Window:  # fmt: skip
        """The window of these rows of the map, for a picture and a kernel of (height, width)."""
        rowmap = index_map(size[0], *geometry.pads(size, kernel)[0], geometry.padding_mode)
        needed = np.unique(rowmap[_span(len(rowmap), size, kernel, geometry, first, last)])
        return cls(size[0], needed[needed >= 0], first, last, finite)

    def cut(self, field: Field, job: Job, size: tuple[int, int]) -> Field:
        """The field of the whole picture, narrowed to this window: its row map points into the rows at hand."""
        kernel = (job.weights.shape[-2], job.weights.shape[-1])
        rowmap = field.rowmap[_span(len(field.rowmap), size, kernel, job.geometry, self.first, self.last)]
        places = np.where(rowmap < 0, -1, np.searchsorted(self.rows, rowmap))
        return replace(field, rowmap=places.astype(np.intp), rows=self.last - self.first)


def _span(
    rows: int, size: tuple[int, int], kernel: tuple[int, int], geometry: Geometry, first: int, last: int
) -> slice:
    """Which padded rows lie under the kernel for rows `first` to `last` of the map."""
    stride = geometry.stride[0]
    if last == geometry.output(size, kernel)[0]:
        return slice(first * stride, rows)
    return slice(first * stride, last * stride - 1 + extent(kernel[0], geometry.dilation[0]))


def row_unit(
    kernel: Kernel, geometry: Geometry, dtype: np.dtype[Any], size: tuple[int, int, int], depth: bool, tone: Tone | None
) -> int:
    """Windows must begin and end at multiples of so many rows, or at the map's end: the tiles of the route."""
    job = Job.of(kernel, geometry, dtype, size, depth, tone)
    rows, route = int(job.weights.shape[-2]), choose(job).route
    if route == "spectrum":
        return spectrum.step((extent(rows, geometry.dilation[0]), 1))[0]
    return 2 * (fft_size(rows) - rows + 1) if route == "fft" else 1
