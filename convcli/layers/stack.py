"""Layers one after the other: shapes and memory settled before the first number is computed."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import prod
from typing import Any

from numpy.typing import NDArray

from convcli.errors import ConvcliError
from convcli.layers.base import Layer, Shape, planes_of
from convcli.system.memory import free_memory
from convcli.words import size


class Stack(Layer):
    """Layers in order; each takes what the one before it gave."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        self.layers = tuple(layers)

    @property
    def parameters(self) -> int:
        """All layers' together."""
        return sum(layer.parameters for layer in self.layers)

    def shapes(self, shape: Shape) -> list[Shape]:
        """The shape that comes in, and the one behind each layer. An error names the layer."""
        shapes = [shape]
        for number, layer in enumerate(self.layers, 1):
            try:
                shapes.append(layer.output(shapes[-1]))
            except ConvcliError as error:
                came = "x".join(map(str, shapes[-1]))
                raise type(error)(f"layer {number}, {layer!r}, on {came}: {error}") from None
        return shapes

    def output(self, shape: Shape) -> Shape:
        """The shape behind the last layer."""
        return self.shapes(shape)[-1]

    def memory(self, shape: Shape, itemsize: int = 4) -> int:
        """How many bytes the largest layer's planes in and out take together."""
        shapes = self.shapes(shape)
        return max((prod(a) + prod(b) for a, b in pairwise(shapes)), default=prod(shape)) * itemsize

    def check_memory(self, shape: Shape, itemsize: int = 4) -> None:
        """Raises ConvcliError where planes of that shape would need more memory on their way than is free."""
        needed, free = self.memory(shape, itemsize), free_memory()
        if free is not None and needed > free:
            raise ConvcliError(
                f"the feature maps would need {size(needed)} of memory, but {size(free)} are free; "
                "use fewer filters, a larger stride, or a smaller picture (--resize)"
            )

    def __call__(self, x: Any) -> NDArray[Any]:
        """The last layer's answer. Raises ConvcliError, before computing, where the memory would not suffice."""
        planes = planes_of(x)
        batch = planes.shape[0] if planes.ndim == 4 else 1
        channels, height, width = planes.shape[-3:]
        self.check_memory((channels, height, width), batch * planes.itemsize)
        for layer in self.layers:
            planes = layer(planes)
        return planes

    def __repr__(self) -> str:
        return f"Stack({', '.join(map(repr, self.layers))})"
