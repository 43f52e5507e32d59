"""Operations on kernels: rotate, transpose, scale, normalise, add, compose. Integer weights stay integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import gcd, lcm

import numpy as np
from numpy.typing import NDArray

from convcli.errors import KernelError
from convcli.kernel import LARGEST_SIDE, Kernel
from convcli.kernels.rotation import turned

_MOST_PRODUCTS = 10**9

Array = NDArray[np.float64]


def turn(kernel: Kernel, angle: float) -> Kernel:
    """Rotate the kernel clockwise by `angle` degrees; see `rotation.turned`."""
    if max(kernel.size) > 1023 and angle % 90:
        raise KernelError(f"a kernel of {_size(kernel)} is too large to be turned by {angle:g} degrees")
    return replace(kernel, weights=turned(kernel.weights, angle))


def transpose(kernel: Kernel) -> Kernel:
    """Swap the kernel's rows and columns."""
    return replace(kernel, weights=np.swapaxes(kernel.weights, -2, -1))


def scale(kernel: Kernel, factor: Fraction) -> Kernel:
    """Multiply every weight and the bias by `factor`."""
    if factor == 0:
        return replace(kernel, weights=np.zeros_like(kernel.weights), bias=0.0)
    return replace(
        kernel,
        weights=kernel.weights * float(factor.numerator),
        divisor=kernel.divisor * float(factor.denominator),
        bias=kernel.bias * float(factor),
        denominator=kernel.denominator * float(factor.denominator),
    )


def dilate(kernel: Kernel, distance: int) -> Kernel:
    """Insert zeros between the weights, so that neighbours are `distance` apart."""
    if distance < 1:
        raise KernelError(f"dilate must be at least 1, not {distance}")
    height, width = (distance * (n - 1) + 1 for n in kernel.size)
    if max(height, width) > LARGEST_SIDE:
        raise KernelError(f"dilated by {distance}, the kernel would be {width}x{height}; at most {LARGEST_SIDE} a side")
    weights = np.zeros((*kernel.weights.shape[:-2], height, width))
    weights[..., ::distance, ::distance] = kernel.weights
    return replace(kernel, weights=weights)


def sum_to_one(kernel: Kernel) -> Kernel:
    """Divide the kernel by the sum of its weights, so that flat areas keep their brightness."""
    total = float(kernel.weights.sum())
    if abs(total) <= 1e-12 * float(np.abs(kernel.weights).sum()):
        raise KernelError("the weights sum to zero, so they cannot be scaled to sum to 1; @l1 scales their magnitudes")
    return replace(kernel, divisor=total)


def zero_mean(kernel: Kernel) -> Kernel:
    """Subtract the mean from every weight, so that flat areas give zero."""
    count = kernel.weights.size
    weights = kernel.weights * count - kernel.weights.sum()
    return replace(kernel, weights=weights, divisor=kernel.divisor * count, denominator=kernel.denominator * count)


def unit_l1(kernel: Kernel) -> Kernel:
    """Scale the kernel so that the magnitudes of its weights sum to 1."""
    return replace(kernel, divisor=_not_zero(float(np.abs(kernel.weights).sum())))


def unit_l2(kernel: Kernel) -> Kernel:
    """Scale the kernel so that the squares of its weights sum to 1."""
    return replace(kernel, divisor=_not_zero(float(np.sqrt((kernel.weights**2).sum()))))


def add(one: Kernel, other: Kernel, sign: int = 1) -> Kernel:
    """Add `other` to `one` (sign 1) or subtract it (-1), centres aligned; so are the responses added or subtracted."""
    if one.depth != other.depth:
        raise KernelError(f"a kernel of depth {one.depth} and one of depth {other.depth} cannot be added")
    if any((a - b) % 2 for a, b in zip(one.size, other.size, strict=True)):
        raise KernelError(f"a grid of {_size(one)} and one of {_size(other)} have no common centre")
    size = [max(pair) for pair in zip(one.size, other.size, strict=True)]
    first, second, divisor, denominator = _over_one_divisor(one, other)
    weights = _centred(first, size) + sign * _centred(second, size)
    return Kernel(
        weights,
        divisor=divisor,
        bias=one.bias + sign * other.bias,
        range=_range_of(weights, one, other),
        denominator=denominator,
    )


def compose(first: Kernel, then: Kernel) -> Kernel:
    """Return the kernel that is equivalent to applying `first` and then `then`, except at the borders."""
    if first.depth > 1 and then.depth > 1:
        raise KernelError("two kernels of depth 3 cannot follow one another: the first leaves one map")
    size = [a + b - 1 for a, b in zip(first.size, then.size, strict=True)]
    if max(size) > LARGEST_SIDE or first.weights.size * then.weights.size > _MOST_PRODUCTS:
        raise KernelError(f"composed, the kernel would be {size[1]}x{size[0]}, which is too large")
    planes = [
        _convolved(a, b)
        for a in first.weights.reshape(-1, *first.size)
        for b in then.weights.reshape(-1, *then.size)
    ]  # fmt: skip
    weights = np.array(planes) if len(planes) > 1 else planes[0]
    bias = first.bias * float(then.scaled.sum()) + then.bias
    return Kernel(
        weights,
        divisor=first.divisor * then.divisor,
        bias=bias,
        range=_range_of(weights, first, then),
        denominator=first.denominator * then.denominator,
    )


MODIFIERS: dict[str, tuple[Callable[[Kernel], Kernel], str]] = {
    "flip": (Kernel.flipped, "rotated by 180 degrees: correlation becomes convolution and back"),
    "transpose": (transpose, "rows become columns"),
    "sum": (sum_to_one, "scaled so that the weights sum to 1"),
    "zero": (zero_mean, "the mean subtracted, so that the weights sum to 0"),
    "l1": (unit_l1, "scaled so that the magnitudes sum to 1"),
    "l2": (unit_l2, "scaled so that the squares sum to 1"),
}


def _convolved(a: Array, b: Array) -> Array:
    """Compute the full convolution: c[n] = sum over i of a[i] * b[n - i]."""
    small, large = (a, b) if a.size <= b.size else (b, a)
    done = np.zeros((a.shape[0] + b.shape[0] - 1, a.shape[1] + b.shape[1] - 1))
    for (y, x), weight in np.ndenumerate(small):
        if weight:
            done[y : y + large.shape[0], x : x + large.shape[1]] += weight * large
    return done


def _centred(weights: Array, size: list[int]) -> Array:
    edges = [((n - have) // 2,) * 2 for n, have in zip(size, weights.shape[-2:], strict=True)]
    return np.pad(weights, [(0, 0)] * (weights.ndim - 2) + edges)


def _over_one_divisor(one: Kernel, other: Kernel) -> tuple[Array, Array, float, float]:
    """Return both grids brought to a common divisor, that divisor, and the denominator of their sum.

    The divisor is the one a person would write: the kernels' own where both are written with the same one, else the
    least common multiple of the two.
    """
    over = [Fraction(k.divisor) / Fraction(k.denominator) for k in (one, other)]
    if over[0] == over[1]:
        denominator = _least_common(Fraction(one.denominator), Fraction(other.denominator))
        first, second = (k.weights * float(denominator / Fraction(k.denominator)) for k in (one, other))
        return first, second, float(over[0] * denominator), float(denominator)
    a, b = Fraction(one.divisor), Fraction(other.divisor)
    if a.denominator > 1 or b.denominator > 1 or abs(a * b) > 2**53:
        return one.scaled, other.scaled, 1.0, 1.0
    divisor = _least_common(a, b)
    denominator = divisor / _least_common(*over)
    return one.weights * float(divisor / a), other.weights * float(divisor / b), float(divisor), float(denominator)


def _least_common(a: Fraction, b: Fraction) -> Fraction:
    """Return the least positive number that is an integer multiple of both."""
    return Fraction(lcm(a.numerator, b.numerator), gcd(a.denominator, b.denominator))


def _range_of(weights: Array, *operands: Kernel) -> str:
    """Choose the result's range: clip, but for weights that sum to zero the operands' common range, or abs."""
    if abs(weights.sum()) > 1e-9 * np.abs(weights).sum():
        return "clip"
    ranges = {kernel.range or "clip" for kernel in operands}
    return ranges.pop() if len(ranges) == 1 and ranges != {"clip"} else "abs"


def _not_zero(norm: float) -> float:
    if norm == 0:
        raise KernelError("all weights are zero, so they cannot be scaled to length 1")
    return norm


def _size(kernel: Kernel) -> str:
    """Format the kernel's size as WIDTHxHEIGHT."""
    return f"{kernel.size[1]}x{kernel.size[0]}"
