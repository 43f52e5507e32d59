"""Gather the pixels that the kernel reads, for strides, dilations or borders so large that it reads few of them.

The tables of the other routes have an entry for every padded pixel, and for every pixel of a stride. Here an axis
is replaced by the pixels that the kernel reads, position by position, and the stride by the kernel's length: work and
memory depend only on what is computed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.field import places
from convcli.geometry import Pads, extent

_FAR = 1 << 14  # padded pixels of an axis, or pixels of a stride, for which a table costs next to nothing
_FEW = 64  # an axis is sparse where it is this many times as long as the part that the kernel reads

Array = NDArray[Any]
Axis = tuple[NDArray[np.intp], int, int]  # indices in the picture, -1 for a constant; the stride and dilation over them


def sparse(
    size: tuple[int, int], kernel: tuple[int, int], pads: Pads, stride: tuple[int, int], dilation: tuple[int, int]
) -> bool:
    """Return whether the kernel reads only a small part of at least one axis."""
    return any(_far(*axis) for axis in zip(size, kernel, pads, stride, dilation, strict=True))


def _far(size: int, kernel: int, pads: tuple[int, int], stride: int, dilation: int) -> bool:
    length = size + sum(pads)
    if max(length, stride) <= _FAR:
        return False
    return max(length, stride) > _FEW * kernel * ((length - extent(kernel, dilation)) // stride + 1)


def axis(
    size: int, kernel: int, pads: tuple[int, int], stride: int, dilation: int, mode: str, first: int, last: int
) -> Axis:
    """Return what the kernel reads along an axis at the positions `first` to `last` (not included).

    That is one index for each weight of each position, or, where the axis is not sparse, the whole span in between.
    """
    if _far(size, kernel, pads, stride, dilation):
        seen = np.arange(first, last)[:, None] * stride + np.arange(kernel) * dilation
        return places(seen.ravel() - pads[0], size, mode), kernel, 1
    seen = np.arange(first * stride, (last - 1) * stride + extent(kernel, dilation))
    return places(seen - pads[0], size, mode), stride, dilation


def taken(
    planes: Array, rows: NDArray[np.intp], columns: NDArray[np.intp], value: float, dtype: Any = np.float64
) -> Array:
    """Take these rows and columns of planes (..., H, W), as dtype; `value` where the index is -1."""
    made: Array = planes[..., np.maximum(rows, 0), :][..., np.maximum(columns, 0)].astype(dtype)
    made[..., rows < 0, :] = value
    made[..., columns < 0] = value
    return made
