"""Activations: a function of each value by itself."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import RecipeError
from convcli.layers.base import PlaneLayer

Array = NDArray[Any]


def relu(x: Array) -> Array:
    """max(x, 0); NaN stays."""
    return np.asarray(np.maximum(x, x.dtype.type(0)))


def leaky_relu(x: Array, slope: float = 0.01) -> Array:
    """x where it is positive, else slope * x."""
    return np.asarray(np.where(x > 0, x, x * x.dtype.type(slope)))


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow: exp never sees a positive number."""
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, small) / (1 + small), x.dtype)


def gelu(x: Array) -> Array:
    """x * Phi(x), Phi the normal distribution's own function (Hendrycks & Gimpel 2016); not the tanh approximation."""
    wide = x.astype(np.float64, copy=False)
    return np.asarray(0.5 * wide * erfc(-wide / sqrt(2)), x.dtype)


_NEAR = (
    (1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2,
     3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)  # fmt: skip
_MIDDLE = (
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
     2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
     1.23033935479799725e3),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
     3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
)  # fmt: skip
_FAR = (
    (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
     1.60837851487422766e-2, 6.58749161529837803e-4),
    (1.0, 2.56852019228982242e0, 1.87295284992346047e0, 5.27905102951428412e-1, 6.05183413124413191e-2,
     2.33520497626869185e-3),
)  # fmt: skip


def erfc(x: Array) -> Array:
    """The complementary error function of float64 values.

    Rational approximations on three intervals: Cody, "Rational Chebyshev approximations for the error function",
    Math. Comp. 23 (1969).
    """
    y = np.abs(x)
    result = np.full(y.shape, np.nan)
    near, far = y <= 0.46875, y > 4
    middle = (y > 0.46875) & ~far
    result[near] = 1 - y[near] * _ratio(_NEAR, y[near] ** 2)
    result[middle] = np.exp(-(y[middle] ** 2)) * _ratio(_MIDDLE, y[middle])
    tail = y[far]
    with np.errstate(divide="ignore", under="ignore", over="ignore"):
        small = 1 / tail**2
        correction = 1 / sqrt(np.pi) - small * _ratio(_FAR, small)
        result[far] = np.exp(-(tail**2)) * correction / tail
    return np.where(x < 0, 2 - result, result)


def _ratio(polynomials: tuple[tuple[float, ...], tuple[float, ...]], x: Array) -> Array:
    above, below = polynomials
    return np.asarray(np.polyval(above, x) / np.polyval(below, x))


# Word -> (PyTorch's name, function).
ACTIVATIONS: dict[str, tuple[str, Callable[..., Array]]] = {
    "relu": ("ReLU", relu),
    "leaky-relu": ("LeakyReLU", leaky_relu),
    "sigmoid": ("Sigmoid", sigmoid),
    "tanh": ("Tanh", np.tanh),
    "gelu": ("GELU", gelu),
    "abs": ("Abs", np.abs),
}


class Activation(PlaneLayer):
    """One of relu, leaky-relu, sigmoid, tanh, gelu, abs.

    slope: of leaky-relu on the negative side, 0.01 if not given.
    """

    def __init__(self, name: str, slope: float | None = None) -> None:
        if name not in ACTIVATIONS:
            raise RecipeError(f"activation must be one of {', '.join(ACTIVATIONS)}, not {name!r}")
        if slope is not None and (name != "leaky-relu" or not np.isfinite(slope)):
            raise RecipeError(f"slope is a finite number, for leaky-relu only, not {slope!r} for {name}")
        self.name, self.slope = name, slope

    @property
    def type(self) -> str:
        """PyTorch's name for it."""
        return ACTIVATIONS[self.name][0]

    def _plane(self, x: Array) -> Array:
        function = ACTIVATIONS[self.name][1]
        return function(x) if self.slope is None else function(x, self.slope)

    def __repr__(self) -> str:
        return f"{self.type}({'' if self.slope is None else f'negative_slope={self.slope}'})"
