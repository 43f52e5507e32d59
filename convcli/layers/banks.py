"""Banks of filters: kernels by name, grids from a file, tensors of a trained network -> a Conv2d."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import RecipeError
from convcli.layers.conv import Conv2d
from convcli.printable import printable
from convcli.words import counted


@dataclass(frozen=True)
class Filter:
    """weights (KH, KW), the same for every channel, or (C, KH, KW); a bias; a name for the label."""

    weights: NDArray[np.float64]
    bias: float = 0.0
    name: str = ""


def from_kernels(kernels: Sequence[Any], channels: int, each: bool = False, **options: Any) -> Conv2d:
    """A bank of Kernels: each spans the depth and gives one map, or (each) every channel by itself, C maps a kernel."""
    filters = [Filter(k.scaled, k.bias, k.name or f"kernel {i}") for i, k in enumerate(kernels, 1)]
    if not each or channels == 1:
        return bank_of(filters, channels, **options)
    deep = next((k for k in kernels if k.depth > 1), None)
    if deep:
        raise RecipeError(f"{deep.label} has depth {deep.depth}: it needs --channels sum, not each")
    letters = "RGB" if channels == 3 else [str(c) for c in range(channels)]
    spread = [Filter(f.weights[None], f.bias, f"{f.name} {letter}") for letter in letters for f in filters]
    return bank_of(spread, channels, groups=channels, **options)


def bank_of(filters: Sequence[Filter], channels: int, groups: int = 1, **options: Any) -> Conv2d:
    """The layer of these filters. Grids of different sizes are centred in the largest, zeros around them."""
    if not filters:
        raise RecipeError("a bank needs at least one filter")
    if channels % groups:
        raise RecipeError(f"groups={groups} does not divide the {channels} input channels")
    depth = channels // groups
    size = [max(f.weights.shape[axis] for f in filters) for axis in (-2, -1)]
    weight = np.zeros((len(filters), depth, *size), np.float32)
    for index, one in enumerate(filters):
        if one.weights.ndim == 3 and one.weights.shape[0] != depth:
            name = f"filter {printable(repr(one.name))}" if one.name else f"filter {index + 1}"
            raise RecipeError(
                f"{name} has depth {one.weights.shape[0]}, but {counted(depth, 'channel comes', 'channels come')} in"
                + (" per group" if groups > 1 else "")
            )
        kh, kw = one.weights.shape[-2:]
        top, left = (size[0] - kh) // 2, (size[1] - kw) // 2
        weight[index, :, top : top + kh, left : left + kw] = one.weights
    bias = np.array([f.bias for f in filters]) if any(f.bias for f in filters) else None
    layer = Conv2d.from_weights(weight, bias, groups, **options)
    layer.names = tuple(printable(f.name) or f"{i}" for i, f in enumerate(filters))
    return layer


def from_weights(spec: str, bias: bool = True, groups: int = 1, **options: Any) -> Conv2d:
    """The layer whose weights a file holds, as in `model.safetensors:conv1.weight`, with its bias if there is one."""
    from convcli.layers.weights import TensorFile, split_name

    path, wanted = split_name(spec)
    file = TensorFile.open(path)
    name = file.chosen(wanted)
    if len(file.shapes[name]) != 4:
        shape = file.shapes[name]
        raise RecipeError(
            f"{path}: tensor {name!r} has the shape {shape}, rank {len(shape)}; a convolution's weights have rank 4, "
            "(O, C/groups, KH, KW)"
        )
    beside = file.bias_of(name) if bias else None
    return Conv2d.from_weights(file.tensor(name), file.tensor(beside) if beside else None, groups, **options)
