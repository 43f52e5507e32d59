"""Pooling: a window slides over every plane by itself and gives its greatest value, or the average."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import GeometryError
from convcli.geometry import extent, pair
from convcli.layers.base import PlaneLayer, Reach, Shape

Array = NDArray[Any]

_NEAR = 1 << 12  # pixels around a plane that cost next to nothing


class _Pool(PlaneLayer):
    """A sliding window with PyTorch's sizes.

    O = floor((W + 2P - K') / S) + 1; with ceil_mode the division rounds up, but a window that would begin in the
    padding behind the plane is left out.
    """

    def __init__(self, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> None:
        self.kernel_size = pair("kernel_size", kernel_size, least=1)
        self.stride = self.kernel_size if stride is None else pair("stride", stride, least=1)
        self.padding = pair("padding", padding, least=0)
        self.dilation = pair("dilation", dilation, least=1)
        self.ceil_mode = bool(ceil_mode)
        for k, d, p in zip(self.kernel_size, self.dilation, self.padding, strict=True):
            if 2 * p > extent(k, d):
                raise GeometryError(
                    f"pooling: padding {p} is more than half of the window's {extent(k, d)}; use {extent(k, d) // 2}"
                )

    def output(self, shape: Shape) -> Shape:
        """The shape (C, H, W) of the pooled planes."""
        sizes = [self._size(axis, n) for axis, n in enumerate(shape[1:])]
        for name, axis, size in zip(("height", "width"), (0, 1), sizes, strict=True):
            if size < 1:
                raise GeometryError(
                    f"the window does not fit: {name} O = {self.formula(shape)[axis]} < 1; "
                    "pool less, or give it a larger picture"
                )
        return shape[0], sizes[0], sizes[1]

    def window(self, shape: Shape) -> Reach:
        """The dilated window, and the stride."""
        reach = [extent(k, d) for k, d in zip(self.kernel_size, self.dilation, strict=True)]
        return Reach((reach[0], reach[1]), self.stride)

    def formula(self, shape: Shape) -> tuple[str, str]:
        """The output size with its numbers."""
        rounding = "ceil" if self.ceil_mode else "floor"
        rows, columns = (
            f"{rounding}(({n} - {extent(k, d)} + {p} + {p}) / {s}) + 1"
            for n, k, d, p, s in zip(shape[1:], self.kernel_size, self.dilation, self.padding, self.stride, strict=True)
        )
        return rows, columns

    def _size(self, axis: int, n: int) -> int:
        pad, step = self.padding[axis], self.stride[axis]
        span = n + 2 * pad - extent(self.kernel_size[axis], self.dilation[axis])
        if not self.ceil_mode:
            return span // step + 1
        size = -(-span // step) + 1
        return size - 1 if (size - 1) * step >= n + pad else size

    def _views(self, x: Array, axis: int, fill: float) -> list[Array]:
        """Along one axis, the padded plane as each place of the window sees it, one value for each output."""
        k, s, d, p = (both[axis] for both in (self.kernel_size, self.stride, self.dilation, self.padding))
        n, count = x.shape[axis], self._size(axis, x.shape[axis])
        if p + count * s + extent(k, d) > 4 * n + _NEAR:
            return _far_views(x, axis, fill, np.arange(count) * s - p, k, d)
        after = max((count - 1) * s + extent(k, d) - p - n, 0)
        if p or after:
            wide = [(0, 0), (0, 0)]
            wide[axis] = (p, after)
            x = np.pad(x, wide, constant_values=fill)
        starts = [slice(i * d, i * d + (count - 1) * s + 1, s) for i in range(k)]
        return [x[start] if axis == 0 else x[:, start] for start in starts]

    def _words(self) -> str:
        words = f"kernel_size={_short(self.kernel_size)}, stride={_short(self.stride)}, padding={_short(self.padding)}"
        if self.dilation != (1, 1):
            words += f", dilation={_short(self.dilation)}"
        return words + (", ceil_mode=True" if self.ceil_mode else "")

    def __repr__(self) -> str:
        return f"{self.type}({self._words()})"


def _far_views(x: Array, axis: int, fill: float, starts: NDArray[np.intp], k: int, d: int) -> list[Array]:
    """The same for windows that reach far beyond the plane: only the places that look at it from anywhere."""
    n = x.shape[axis]
    first, last = max(-(-int(-starts[-1]) // d), 0), min((n - 1 - int(starts[0])) // d, k - 1)
    views = []
    for i in range(first, last + 1):
        places = starts + i * d
        view = x.take(places.clip(0, n - 1), axis)
        view[(slice(None),) * axis + ((places < 0) | (places >= n),)] = fill
        views.append(view)
    return views or [np.full([*x.shape[:axis], len(starts), *x.shape[axis + 1 :]], fill, x.dtype)]


class MaxPool2d(_Pool):
    """The greatest value of each window; the padding never wins. NaN wins, as in PyTorch."""

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)

    def _plane(self, x: Array) -> Array:
        for axis in (1, 0):
            first, *others = self._views(x, axis, -np.inf)
            x = first.copy()
            for view in others:
                np.maximum(x, view, out=x)
        return x


class AvgPool2d(_Pool):
    """The average of each window.

    count_include_pad: whether the zeros of the padding count as values; what ceil_mode adds behind it never counts.
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, 1, ceil_mode)
        self.count_include_pad = bool(count_include_pad)

    def _plane(self, x: Array) -> Array:
        counts = [self._counts(axis, n, self._size(axis, n)) for axis, n in enumerate(x.shape)]
        for axis in (1, 0):
            first, *others = self._views(x, axis, 0)
            x = first.copy()
            for view in others:
                x += view
        return np.asarray(x / np.outer(*counts).astype(x.dtype))

    def _counts(self, axis: int, n: int, count: int) -> NDArray[np.intp]:
        """How many values each window averages along an axis."""
        pad = self.padding[axis]
        start = np.arange(count) * self.stride[axis] - pad
        end = np.minimum(start + self.kernel_size[axis], n + pad)
        if not self.count_include_pad:
            start, end = np.maximum(start, 0), np.minimum(end, n)
        return np.asarray(end - start)

    def _words(self) -> str:
        return super()._words() + ("" if self.count_include_pad else ", count_include_pad=False")


class GlobalAvgPool2d(PlaneLayer):
    """The average of each whole plane: (C, H, W) to (C, 1, 1)."""

    def output(self, shape: Shape) -> Shape:
        """(C, 1, 1)."""
        return shape[0], 1, 1

    def window(self, shape: Shape) -> Reach:
        """The whole plane."""
        return Reach(shape[1:])

    def _plane(self, x: Array) -> Array:
        return np.asarray(x.mean(dtype=np.float64))

    def __repr__(self) -> str:
        return "GlobalAvgPool2d()"


def _short(both: tuple[int, int]) -> str:
    return str(both[0]) if both[0] == both[1] else str(both)
