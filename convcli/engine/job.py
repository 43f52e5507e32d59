"""What the choice of a route depends on, and what it comes to: a job and a route."""

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
    """Integer weights over an integer divisor, with an integer added to the sum: (sum + constant) / divisor."""

    weights: NDArray[np.int64]
    divisor: int
    constant: int


@dataclass(frozen=True)
class EngineJob:
    """All that the choice of a route depends on."""

    weights: NDArray[np.float64]  # (KH, KW), or (C, KH, KW) to be summed over the channels
    divisor: float
    shift: float  # bias and offset, in units of the picture
    value: float  # the padding constant, in units of the picture
    dtype: np.dtype[Any]
    raw: bool  # float responses come out, nothing is rounded
    absolute: bool
    geometry: Geometry
    work: int  # multiply-adds of the definition

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
        """From what `convolve` is given; a flat kernel is spread over the depth where the channels are summed.

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
        """The weights as sums that are no integers use them: in double the division comes after the sum, which of whole
        weights and pixels is exact."""
        return self.weights if lane == np.float64 else self.weights / self.divisor

    @property
    def top(self) -> float:
        """The greatest magnitude that a sample of a whole-numbered picture, or its padding, can have."""
        return max(full_scale(self.dtype), abs(self.value))


@dataclass(frozen=True)
class Route:
    """A route and what its loop needs to know of the kernel.

    name: taps, separable, box (16-bit integers); sweep, block, fft (floats); spectrum (double, NumPy's).
    lane: the dtype of the sums. across, down: the factors of a separable kernel, one row a term.
    paired: whether the taps of a 16-bit route go two by two, in the vectors of an x86.
    """

    name: str
    why: str
    lane: np.dtype[Any]
    integers: Integers | None = None
    across: NDArray[Any] | None = None
    down: NDArray[Any] | None = None
    paired: bool = False
