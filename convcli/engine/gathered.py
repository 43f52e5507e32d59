"""Where a stride, a dilation or a border reaches so far that hardly any place is looked at: those places alone.

Tables of the other routes have an entry for every padded pixel, and for every pixel of a stride. Here an axis becomes
the pixels that the kernel sees, one position after the other, and the stride the kernel's own length: work and memory
depend on what is computed, whatever the numbers are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.field import places
from convcli.geometry import Pads, extent

_FAR = 1 << 14  # padded pixels of an axis, or pixels of a stride, for which a table costs next to nothing
_FEW = 64  # times as long as what is looked at

Array = NDArray[Any]
Axis = tuple[NDArray[np.intp], int, int]  # places in the picture, -1 for a constant; the stride and dilation over them


def sparse(
    size: tuple[int, int], kernel: tuple[int, int], pads: Pads, stride: tuple[int, int], dilation: tuple[int, int]
) -> bool:
    """Whether hardly anything of an axis is looked at."""
    return any(_far(*axis) for axis in zip(size, kernel, pads, stride, dilation, strict=True))


def _far(size: int, kernel: int, pads: tuple[int, int], stride: int, dilation: int) -> bool:
    length = size + sum(pads)
    if max(length, stride) <= _FAR:
        return False
    return max(length, stride) > _FEW * kernel * ((length - extent(kernel, dilation)) // stride + 1)


def axis(
    size: int, kernel: int, pads: tuple[int, int], stride: int, dilation: int, mode: str, first: int, last: int
) -> Axis:
    """What is seen from the positions `first` to `last` (not included): one place for each weight of each position, or,
    where that is no less, all that is between."""
    if _far(size, kernel, pads, stride, dilation):
        seen = np.arange(first, last)[:, None] * stride + np.arange(kernel) * dilation
        return places(seen.ravel() - pads[0], size, mode), kernel, 1
    seen = np.arange(first * stride, (last - 1) * stride + extent(kernel, dilation))
    return places(seen - pads[0], size, mode), stride, dilation


def taken(
    planes: Array, rows: NDArray[np.intp], columns: NDArray[np.intp], value: float, dtype: Any = np.float64
) -> Array:
    """These rows and columns of planes (..., H, W), as dtype; `value` where the place is -1."""
    made: Array = planes[..., np.maximum(rows, 0), :][..., np.maximum(columns, 0)].astype(dtype)
    made[..., rows < 0, :] = value
    made[..., columns < 0] = value
    return made
