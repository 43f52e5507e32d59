"""Words to layers, for the command line and layer files: `relu`, `leaky-relu:0.2`, `max-pool:3,stride=2,padding=1`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from convcli.choices import suggestion
from convcli.errors import RecipeError
from convcli.layers.activation import ACTIVATIONS, Activation
from convcli.layers.base import Layer
from convcli.layers.norm import BatchNorm2d
from convcli.layers.pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d

_POOL_KEYS = ("kernel_size", "stride", "padding", "ceil_mode")

# Word -> the keys it takes, the first of which may be written without its name.
STEPS: dict[str, tuple[str, ...]] = {
    **{name: ("slope",) if name == "leaky-relu" else () for name in ACTIVATIONS},
    "max-pool": (*_POOL_KEYS, "dilation"),
    "average-pool": (*_POOL_KEYS, "count_include_pad"),
    "global-average-pool": (),
    "batch-norm": ("tensors", "eps"),
}
_MAKERS: dict[str, Callable[..., Layer]] = {"max-pool": MaxPool2d, "average-pool": AvgPool2d}


def step_of(text: str, weights: Path | None = None) -> Layer:
    """The layer that a word of the command line means: `name`, `name:value`, `name:value,key=value`.

    A pair is written with an x: `max-pool:3x2`. weights: the file where batch-norm finds its tensors.
    """
    name, colon, rest = text.partition(":")
    known = _keys(name)
    given: dict[str, Any] = {}
    for position, part in enumerate(rest.split(",") if colon else ()):
        key, equals, value = (word.strip() for word in part.partition("="))
        if not equals and position == 0 and known:
            key, value = known[0], key
        elif not equals:
            raise RecipeError(f"{text!r}: {part!r} is not of the form key=value")
        if key in given:
            raise RecipeError(f"{text!r}: {key} is given twice")
        given[key] = value
    return layer_of(name, given, weights)


def layer_of(name: str, given: dict[str, str], weights: Path | None = None) -> Layer:
    """The layer of that name with arguments as text."""
    known = _keys(name)
    for key in given:
        if key not in known:
            hint = suggestion(key, known, f"it takes {', '.join(known) or 'nothing'}")
            raise RecipeError(f"{name}: unknown key {key!r}; {hint}")
    if name in ACTIVATIONS:
        return Activation(name, _number(name, "slope", given["slope"]) if "slope" in given else None)
    if name == "global-average-pool":
        return GlobalAvgPool2d()
    if name == "batch-norm":
        return _batch_norm(given, weights)
    if "kernel_size" not in given:
        raise RecipeError(f"{name} needs a window, as in {name}:3 or {name}:3,stride=2,padding=1")
    return _MAKERS[name](**{key: _argument(name, key, value) for key, value in given.items()})


def _keys(name: str) -> tuple[str, ...]:
    if name not in STEPS:
        hint = suggestion(name, STEPS, f"choose from {', '.join(STEPS)}")
        raise RecipeError(f"unknown layer {name!r}; {hint}")
    return STEPS[name]


def _batch_norm(given: dict[str, str], weights: Path | None) -> BatchNorm2d:
    """From the four tensors `<prefix>.weight`, `.bias`, `.running_mean`, `.running_var` of a weights file."""
    from convcli.layers.weights import TensorFile, split_name

    if "tensors" not in given:
        raise RecipeError("batch-norm needs the name its tensors begin with, as in batch-norm:bn1")
    try:
        path, prefix = split_name(given["tensors"])
    except RecipeError:
        if weights is None:
            raise RecipeError(
                "batch-norm takes its tensors from a weights file: --weights MODEL:NAME, or batch-norm:MODEL:PREFIX"
            ) from None
        path, prefix = weights, given["tensors"]
    file = TensorFile.open(path)
    mean, var = (file.tensor(f"{prefix}.{part}") for part in ("running_mean", "running_var"))
    weight, bias = (
        file.tensor(f"{prefix}.{p}") if f"{prefix}.{p}" in file.shapes else None for p in ("weight", "bias")
    )
    eps = _number("batch-norm", "eps", given["eps"]) if "eps" in given else 1e-5
    return BatchNorm2d(mean, var, weight, bias, eps)


def _argument(name: str, key: str, value: str) -> Any:
    if key in ("ceil_mode", "count_include_pad"):
        if value.lower() not in ("true", "false"):
            raise RecipeError(f"{name}: {key} is true or false, not {value!r}")
        return value.lower() == "true"
    try:
        numbers = tuple(int(part) for part in value.lower().split("x"))
    except ValueError:
        raise RecipeError(f"{name}: {key} is a whole number or a pair as 3x2, not {value!r}") from None
    return numbers[0] if len(numbers) == 1 else numbers


def _number(name: str, key: str, value: str) -> float:
    from convcli.kernels.numerals import number

    try:
        return float(number(value))
    except ValueError as error:
        raise RecipeError(f"{name}: {key}: {error}") from None
