"""The registry of kernels with parameters (`gaussian:sigma=2`): a family is a function from parameters to a Kernel."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.choices import suggestion
from convcli.docstrings import docstring
from convcli.errors import KernelError
from convcli.kernel import Kernel
from convcli.kernels.numerals import number

LARGEST_SIZE = 1023

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Family:
    """A parametric kernel: the function that makes it, and what `kernels list` and `show` print about it."""

    name: str
    make: Callable[..., Kernel]
    description: str
    source: str
    range: str
    tags: tuple[str, ...]

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """The family's parameters by name; one with the default None is derived from the others."""
        return inspect.signature(self.make).parameters

    def kernel(self, values: Mapping[str, str]) -> Kernel:
        """Make the kernel from parameters as text. Raises KernelError with the parameter and what was expected."""
        made = self.make(**self.chosen(values))
        spec = ",".join(f"{key}={text}" for key, text in values.items())
        return replace(
            made,
            name=f"{self.name}:{spec}" if spec else self.name,
            description=made.description or self.description,
            source=made.source or self.source,
            range=made.range or self.range,
            tags=self.tags,
            origin="built-in",
        )

    def chosen(self, values: Mapping[str, str]) -> dict[str, Any]:
        """Parse parameters given as text. Raises KernelError."""
        return {key: self.value(key, text) for key, text in values.items()}

    def settled(self, values: Mapping[str, str]) -> dict[str, Any]:
        """Return the value of every parameter: parsed from the text given, else the default, which may be None."""
        return {name: parameter.default for name, parameter in self.parameters.items()} | self.chosen(values)

    def value(self, key: str, text: str) -> Any:
        """Parse the value of a parameter into the type that it has in the family. Raises KernelError."""
        if key not in self.parameters:
            hint = suggestion(key, self.parameters, f"it takes {', '.join(self.parameters) or 'no parameters'}")
            raise KernelError(f"{self.name} has no parameter {key!r}; {hint}")
        kind = str(self.parameters[key].annotation)
        if kind.startswith("str"):
            return text
        try:
            value = number(text)
        except ValueError as error:
            raise KernelError(f"{self.name}: {key}: {error}") from None
        if "int" not in kind:
            return float(value)
        if value.denominator != 1:
            raise KernelError(f"{self.name}: {key} must be a whole number, not {text}")
        return int(value)


FAMILIES: dict[str, Family] = {}
# Alias of a family -> its name.
ALIASES: dict[str, str] = {}


def family(
    *, source: str, range: str = "clip", tags: tuple[str, ...], aliases: tuple[str, ...] = ()
) -> Callable[[Callable[..., Kernel]], Any]:
    """Register a function as the family of its name; the first line of its docstring is the description."""

    def register(make: Callable[..., Kernel]) -> Callable[..., Kernel]:
        name = make.__name__.replace("_", "-")
        description = docstring(make).partition("\n")[0]
        FAMILIES[name] = Family(name, make, description, source, range, tags)
        ALIASES.update(dict.fromkeys(aliases, name))
        return make

    return register


def checked_size(name: str, size: int, least: int = 1) -> int:
    """Return the size. Raises KernelError if no kernel can have it."""
    if not least <= size <= LARGEST_SIZE:
        raise KernelError(f"{name}: size must be {least} to {LARGEST_SIZE}, not {size}")
    return size


def sigma_size(name: str, size: int | None, sigma: float) -> int:
    """Return the size if given, else one that extends three sigma to each side."""
    checked_positive(name, "sigma", sigma)
    if size is not None:
        return checked_size(name, size)
    reach = ceil(min(3 * sigma, 1e9))
    if 2 * reach + 1 > LARGEST_SIZE:
        raise KernelError(f"{name}: a sigma of {sigma:g} needs more than {LARGEST_SIZE} weights a side; give a size")
    return 2 * reach + 1


def checked_radius(name: str, radius: float, least: float = 0) -> float:
    """Return the radius. Raises KernelError if no kernel can have it."""
    if not least <= radius <= LARGEST_SIZE // 2:
        raise KernelError(f"{name}: radius must be {least:g} to {LARGEST_SIZE // 2}, not {radius:g}")
    return radius


def checked_positive(name: str, key: str, value: float) -> float:
    """Return the value. Raises KernelError unless it is greater than zero."""
    if not value > 0:
        raise KernelError(f"{name}: {key} must be greater than 0, not {value:g}")
    return value


def offsets(height: int, width: int) -> tuple[Array, Array]:
    """Return the vertical and horizontal offset of each weight from the centre, two arrays (height, width)."""
    y, x = np.mgrid[:height, :width]
    return y - (height - 1) / 2, x - (width - 1) / 2


def balanced(name: str, weights: Array) -> Array:
    """Scale the positive weights to sum to 1 and the negative ones to -1, in place, so that all sum to zero."""
    positive, negative = weights > 0, weights < 0
    if not positive.any() or not negative.any():
        raise KernelError(f"{name}: the grid is too small for this sigma; a larger size is needed")
    weights[positive] /= weights[positive].sum()
    weights[negative] /= -weights[negative].sum()
    return weights
