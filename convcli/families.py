"""Kernels with parameters: `gaussian:sigma=2,size=9`. A family is a function from parameters to a Kernel."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import KernelError
from convcli.kernel import Kernel
from convcli.rationals import number

LARGEST_SIZE = 2047

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Family:
    """A parametric kernel: how it is made, and what `kernels list` and `show` tell of it."""

    name: str
    make: Callable[..., Kernel]
    description: str
    source: str
    range: str
    tags: tuple[str, ...]

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """Its parameters by name; a default of None means that it follows from the others."""
        return inspect.signature(self.make).parameters

    def kernel(self, values: Mapping[str, str]) -> Kernel:
        """The kernel for parameters as text. Raises KernelError naming the parameter and what was expected."""
        chosen = {key: self._value(key, text) for key, text in values.items()}
        made = self.make(**chosen)
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

    def _value(self, key: str, text: str) -> Any:
        if key not in self.parameters:
            near = get_close_matches(key, self.parameters, 1)
            takes = ", ".join(self.parameters) or "no parameters"
            hint = f"did you mean {near[0]!r}?" if near else f"it takes {takes}"
            raise KernelError(f"{self.name} has no parameter {key!r}; {hint}")
        kind = str(self.parameters[key].annotation)
        if kind == "str":
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


def family(*, source: str, range: str = "clip", tags: tuple[str, ...]) -> Callable[[Callable[..., Kernel]], Any]:
    """Register a function as the family of its name; the first line of its docstring is the description."""

    def register(make: Callable[..., Kernel]) -> Callable[..., Kernel]:
        name = make.__name__.replace("_", "-")
        description = (make.__doc__ or "").splitlines()[0]
        FAMILIES[name] = Family(name, make, description, source, range, tags)
        return make

    return register


@family(source="Normal distribution; sampled, cut off at 3 sigma, renormalised", tags=("blur", "smooth"))
def gaussian(sigma: float = 1.0, size: int | None = None) -> Kernel:
    """Blurs softly, the same in all directions; sigma is the spread in pixels."""
    taps = bell(sigma, _size("gaussian", size, sigma))
    return Kernel(np.outer(taps, taps))


@family(source="Moving average", tags=("blur", "smooth"))
def box(size: int = 3) -> Kernel:
    """Blurs: every pixel becomes the mean of a square around it."""
    n = checked_size("box", size)
    return Kernel(np.ones((n, n)), divisor=n * n)


def bell(sigma: float, size: int) -> Array:
    """A sampled normal distribution of `size` taps that sum to 1."""
    x = np.arange(size) - (size - 1) / 2
    taps = np.exp(-(x**2) / (2 * sigma**2))
    return np.asarray(taps / taps.sum())


def _size(name: str, size: int | None, sigma: float) -> int:
    """The size asked for, or three sigma to each side."""
    if not sigma > 0:
        raise KernelError(f"{name}: sigma must be greater than 0, not {sigma:g}")
    return checked_size(name, 2 * ceil(3 * sigma) + 1 if size is None else size)


def checked_size(name: str, size: int, least: int = 1) -> int:
    """The size, if it is one that a kernel can have."""
    if not least <= size <= LARGEST_SIZE:
        raise KernelError(f"{name}: size must be {least} to {LARGEST_SIZE}, not {size}")
    return size
