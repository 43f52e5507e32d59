"""Batch normalisation as a trained network applies it: with the statistics that training left behind."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.planes.checks import real_array
from convcli.errors import RecipeError
from convcli.layers.base import Layer, Shape


class BatchNorm2d(Layer):
    """(x - running_mean) / sqrt(running_var + eps) * weight + bias, channel by channel (Ioffe & Szegedy 2015).

    All four are (C,); weight None is ones, bias None is zeros.
    """

    def __init__(
        self, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
    ) -> None:
        given = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
        arrays = {
            what: real_array(f"batch-norm: {what}", array).astype(np.float64)
            for what, array in given.items()
            if array is not None
        }
        mean = arrays["running_mean"]
        for what, array in arrays.items():
            if array.ndim != 1 or array.shape != mean.shape:
                raise RecipeError(f"batch-norm: {what} has the shape {array.shape}, but running_mean {mean.shape}")
            if not np.isfinite(array).all():
                raise RecipeError(f"batch-norm: {what} holds NaN or infinity")
        if arrays["running_var"].min(initial=0) < 0 or not eps > 0:
            raise RecipeError("batch-norm: running_var must not be negative, and eps must be positive")
        self.num_features, self.eps = mean.size, eps
        self._affine = weight is not None, bias is not None
        self._scale = arrays.get("weight", np.ones(mean.size)) / np.sqrt(arrays["running_var"] + eps)
        self._shift = arrays.get("bias", np.zeros(mean.size)) - arrays["running_mean"] * self._scale

    @property
    def parameters(self) -> int:
        """Weight and bias; the statistics are not trained."""
        return self.num_features * sum(self._affine)

    def output(self, shape: Shape) -> Shape:
        """The same shape."""
        if shape[0] != self.num_features:
            raise RecipeError(f"batch-norm has the statistics of {self.num_features} channels, but {shape[0]} come in")
        return shape

    def multiply_adds(self, shape: Shape) -> int:
        """One for every value."""
        return prod(shape)

    def _apply(self, x: NDArray[Any]) -> NDArray[Any]:
        self.output((x.shape[1], x.shape[2], x.shape[3]))
        scale, shift = (array.astype(x.dtype)[:, None, None] for array in (self._scale, self._shift))
        y = x * scale
        y += shift
        return np.asarray(y)

    def __repr__(self) -> str:
        return f"BatchNorm2d({self.num_features}, eps={self.eps:g})"
