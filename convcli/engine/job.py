"""The input and the result of choosing a route: `EngineJob` and `Route`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.geometry import Geometry
from convcli.kernel import Kernel
from convcli.ranges import RangeMap, full_scale


@dataclass(frozen=True)
class Integers:
    """A kernel in integers: weights, divisor and a constant, for responses (sum + constant) / divisor."""

    weights: NDArray[np.int64]
    divisor: int
    constant: int


@dataclass(frozen=True)
class EngineJob:
    """A kernel, a geometry and a dtype: everything that the choice of a route depends on."""

    weights: NDArray[np.float64]  # (KH, KW), or (C, KH, KW) to be summed over the channels
    divisor: float
    shift: float  # bias and offset, in units of the picture
    value: float  # the padding constant, in units of the picture
    dtype: np.dtype[Any]
    raw: bool  # the result is float responses, not rounded
    absolute: bool
    geometry: Geometry
    work: int  # multiply-adds of direct convolution

    @classmethod
    def for_picture(
        cls,
        kernel: Kernel,
        geometry: Geometry,
        dtype: Any,
        size: tuple[int, int, int],
        depth: bool,
        mapping: RangeMap | None,
    ) -> EngineJob:
        """Make a job from the arguments of `convolve`.

        A flat kernel is repeated over the channels where they are summed.
        size: (H, W, C) of the picture. Raises GeometryError where the kernel does not fit.
        """
        rows, columns = geometry.output(size[:2], kernel.size)
        dtype = np.dtype(dtype)
        unit = full_scale(dtype) / 255
        weights = kernel.weights
        if depth and weights.ndim == 2:
            weights = np.broadcast_to(weights, (size[2], *weights.shape))
        value = geometry.padding_value * unit if geometry.padding_mode == "constant" else 0.0
        shift = kernel.bias * unit + (mapping.offset if mapping else 0.0)
        absolute = mapping is not None and mapping.absolute
        work = rows * columns * (1 if depth else size[2]) * weights.size
        return cls(weights, kernel.divisor, shift, value, dtype, mapping is None, absolute, geometry, work)

    def terms(self, lane: Any) -> NDArray[np.float64]:
        """Return the weights that sums of dtype lane use, where they are not integers: divided by the divisor.

        In double they are not divided: the division comes after the sum, which is exact for whole weights and pixels.
        """
        return self.weights if lane == np.float64 else self.weights / self.divisor

    @property
    def top(self) -> float:
        """Return the greatest magnitude that a sample of an integer picture, or its padding, can have."""
        return max(full_scale(self.dtype), abs(self.value))


@dataclass(frozen=True)
class Route:
    """A way to compute a convolution, and what its loop needs to know of the kernel.

    name: taps, separable, box (16-bit integers); sweep, block, fft (floats); spectrum (double, NumPy's); gather
    (double, few places).
    lane: the dtype of the sums. across, down: the factors of a separable kernel, one row a term.
    paired: whether a 16-bit route multiplies taps in pairs, with x86 vector instructions.
    """

    name: str
    why: str
    lane: np.dtype[Any]
    integers: Integers | None = None
    across: NDArray[Any] | None = None
    down: NDArray[Any] | None = None
    paired: bool = False
