"""The convolutional layer, with PyTorch's arguments, names and initialisation."""

from __future__ import annotations

from math import prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.planes import conv2d
from convcli.engine.planes.checks import check_channels, pads_of, real_array
from convcli.errors import RecipeError
from convcli.geometry import Geometry, Pads, extent, formula, pair, whole_number
from convcli.layers.base import Layer, Reach, Shape
from convcli.words import counted


class Conv2d(Layer):
    """A bank of filters that slides over planes: `torch.nn.Conv2d` without the framework.

    in_channels, out_channels: planes in, and filters, each of which makes one feature map.
    kernel_size, stride, dilation: a number, or (vertical, horizontal).
    padding: a number, (vertical, horizontal), ((top, bottom), (left, right)), "valid", "same", "same-lower" or "full".
    groups: input and output channels are split into so many parts that do not see each other.
    bias: whether each filter adds a number of its own; `bias` is None without.
    padding_mode: zeros, replicate, reflect, symmetric or circular.
    seed: of the generator behind the first weights; None takes a new one every time.
    dtype: float32 or float64.

    weight is (out_channels, in_channels/groups, KH, KW), bias (out_channels,). Both begin uniform within
    +-1/sqrt(fan in), as PyTorch's do: Kaiming uniform with a = sqrt 5 (He et al. 2015, "Delving deep into rectifiers").
    Setting them checks the shape and takes the layer's dtype.

    >>> layer = Conv2d(3, 16, kernel_size=3, padding=1)
    >>> layer
    Conv2d(3, 16, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    >>> layer.parameters
    448
    >>> layer(np.zeros((1, 3, 32, 32), np.float32)).shape
    (1, 16, 32, 32)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        seed: int | None = 0,
        dtype: Any = np.float32,
    ) -> None:
        self.in_channels = whole_number("in_channels", in_channels, least=1)
        self.out_channels = whole_number("out_channels", out_channels, least=1)
        self.kernel_size = pair("kernel_size", kernel_size, least=1)
        self.groups = whole_number("groups", groups, least=1)
        self.padding = padding
        self._geometry = Geometry.from_options(stride, 0, padding_mode, 0, dilation)
        self._pads((1, 1))  # a wrong padding is told now
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise RecipeError(f"dtype must be float32 or float64, not {self.dtype}")
        check_channels(self.in_channels, (self.out_channels, self.in_channels // self.groups), self.groups)
        self.names: tuple[str, ...] = ()
        random = np.random.default_rng(seed)
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        bound = 1 / sqrt(prod(shape[1:]))
        self._weight = random.uniform(-bound, bound, shape).astype(self.dtype)
        self._bias = random.uniform(-bound, bound, shape[:1]).astype(self.dtype) if bias else None

    @classmethod
    def from_weights(cls, weight: Any, bias: Any = None, groups: int = 1, **options: Any) -> Conv2d:
        """A layer that has these weights (O, C/groups, KH, KW) and, if any, this bias (O,)."""
        array = real_array("weight", weight)
        if array.ndim != 4:
            raise RecipeError(f"weights of a convolution have the shape (O, C/groups, KH, KW), not {array.shape}")
        if 0 in array.shape:
            raise RecipeError(f"weights of the shape {array.shape} are empty")
        dtype = np.float64 if array.dtype == np.float64 else np.float32
        out, depth, *size = array.shape
        groups = whole_number("groups", groups, least=1)
        layer = cls(depth * groups, out, tuple(size), groups=groups, bias=bias is not None, dtype=dtype, **options)
        layer.weight = array
        if bias is not None:
            layer.bias = bias
        return layer

    @property
    def stride(self) -> tuple[int, int]:
        """(vertical, horizontal)."""
        return self._geometry.stride

    @property
    def dilation(self) -> tuple[int, int]:
        """(vertical, horizontal)."""
        return self._geometry.dilation

    @property
    def padding_mode(self) -> str:
        """What the border holds."""
        return self._geometry.padding_mode

    @property
    def weight(self) -> NDArray[Any]:
        """(out_channels, in_channels/groups, KH, KW)."""
        return self._weight

    @weight.setter
    def weight(self, value: Any) -> None:
        self._weight = self._fitting("weight", value, self._weight.shape)

    @property
    def bias(self) -> NDArray[Any] | None:
        """(out_channels,), or None."""
        return self._bias

    @bias.setter
    def bias(self, value: Any) -> None:
        self._bias = None if value is None else self._fitting("bias", value, (self.out_channels,))

    @property
    def parameters(self) -> int:
        """How many weights and biases there are."""
        return self._weight.size + (0 if self._bias is None else self._bias.size)

    def output(self, shape: Shape) -> Shape:
        """The shape (C, H, W) of the maps."""
        if shape[0] != self.in_channels:
            raise RecipeError(f"{self.type} takes {counted(self.in_channels, 'channel')}, but {shape[0]} come in")
        pads = self._pads(shape[1:])
        settled = Geometry(self.stride, (*pads[0], *pads[1]), self.padding_mode, 0, self.dilation)
        return (self.out_channels, *settled.output(shape[1:], self.kernel_size))

    def window(self, shape: Shape) -> Reach:
        """The dilated kernel, and the stride."""
        reach = [extent(k, d) for k, d in zip(self.kernel_size, self.dilation, strict=True)]
        return Reach((reach[0], reach[1]), self.stride)

    def formula(self, shape: Shape) -> tuple[str, str]:
        """floor((W - K' + P_before + P_after) / S) + 1 with its numbers."""
        pads = self._pads(shape[1:])
        numbers = zip(shape[1:], self.kernel_size, pads, self.stride, self.dilation, strict=True)
        rows, columns = (formula(*axis) for axis in numbers)
        return rows, columns

    def multiply_adds(self, shape: Shape) -> int:
        """One for every weight of a filter at every place of its map."""
        return prod(self.output(shape)) * prod(self._weight.shape[1:])

    def _apply(self, x: NDArray[Any]) -> NDArray[Any]:
        g = self._geometry
        return conv2d(x, self._weight, self._bias, g.stride, self.padding, g.dilation, self.groups, g.padding_mode)

    def _pads(self, size: tuple[int, int]) -> Pads:
        return pads_of(self.padding, self._geometry, size, self.kernel_size)

    def _fitting(self, what: str, value: Any, shape: tuple[int, ...]) -> NDArray[Any]:
        array = real_array(what, value).astype(self.dtype)
        if array.shape != shape:
            raise RecipeError(f"{what} of {self!r} has the shape {shape}, not {array.shape}")
        return array

    def __repr__(self) -> str:
        parts = [f"{self.in_channels}", f"{self.out_channels}", f"kernel_size={self.kernel_size}"]
        parts.append(f"stride={self.stride}")
        if isinstance(self.padding, str):
            parts.append(f"padding={self.padding}")
        else:
            (top, bottom), (left, right) = self._pads((1, 1))
            even = top == bottom and left == right
            if any((top, bottom, left, right)):
                parts.append(f"padding={(top, left) if even else ((top, bottom), (left, right))}")
        if self.dilation != (1, 1):
            parts.append(f"dilation={self.dilation}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self._bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return f"Conv2d({', '.join(parts)})"
