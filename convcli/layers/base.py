"""What every layer can tell of itself, and how it takes an array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import RecipeError
from convcli.kernel import refuse_mask

Shape = tuple[int, int, int]  # channels, height, width


@dataclass(frozen=True)
class Reach:
    """What one value of a map looks at along (height, width): how far it reaches, and how far the next one is."""

    extent: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)


class Layer:
    """A layer: planes (C, H, W) or (N, C, H, W), float32 or float64, in; planes of the same dtype out."""

    @property
    def type(self) -> str:
        """The layer's name in PyTorch's words."""
        return type(self).__name__

    @property
    def parameters(self) -> int:
        """How many numbers training would settle."""
        return 0

    def __call__(self, x: Any) -> NDArray[Any]:
        """The layer's answer. Raises ConvcliError where the planes do not fit."""
        planes = planes_of(x)
        return self._apply(planes) if planes.ndim == 4 else self._apply(planes[None])[0]

    def output(self, shape: Shape) -> Shape:
        """The shape (C, H, W) of the answer to planes of that shape. Raises where they do not fit."""
        return shape

    def window(self, shape: Shape) -> Reach:
        """How far one value looks."""
        return Reach()

    def formula(self, shape: Shape) -> tuple[str, str] | None:
        """The output size with its numbers, for height and width; None where the size stays."""
        return None

    def multiply_adds(self, shape: Shape) -> int:
        """How many multiplications by a parameter, each with its addition, one picture of that shape takes."""
        return 0

    def _apply(self, x: NDArray[Any]) -> NDArray[Any]:
        raise NotImplementedError


class PlaneLayer(Layer):
    """A layer that treats every plane by itself: one after the other, which keeps what arises on the way small."""

    def _apply(self, x: NDArray[Any]) -> NDArray[Any]:
        shape = self.output((x.shape[1], x.shape[2], x.shape[3]))
        out = np.empty((x.shape[0], *shape), x.dtype)
        for planes, results in zip(x, out, strict=True):
            for plane, result in zip(planes, results, strict=True):
                result[...] = self._plane(plane)
        return out

    def _plane(self, plane: NDArray[Any]) -> NDArray[Any]:
        raise NotImplementedError


def planes_of(x: Any) -> NDArray[Any]:
    """The array, if it is planes that a layer takes."""
    refuse_mask("a layer's input", x)
    array = np.asarray(x)
    if array.dtype not in (np.float32, np.float64):
        raise RecipeError(f"a layer takes float32 or float64, not {array.dtype}; convert it with astype")
    if array.ndim not in (3, 4):
        raise RecipeError(f"a layer takes planes of the shape (N, C, H, W) or (C, H, W), not {array.shape}")
    return array
