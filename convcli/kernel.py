"""A kernel: the weights that slide over the picture, and what belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.choices import RANGES, is_one
from convcli.errors import KernelError, RecipeError
from convcli.printable import printable

LARGEST_SIDE = 2048  # of a kernel that is read from a file or made of others


@dataclass(frozen=True, eq=False)
class Kernel:
    """Weights with a divisor, a bias and a default range; immutable.

    A response is `sum(weights * pixels) / divisor + bias`.

    weights: (KH, KW), or (3, KH, KW) for a kernel of depth 3; kept as read-only float64.
    divisor: not zero.
    bias: added after the division, on the 0..255 scale of an 8-bit picture.
    denominator: the factor by which the weights as written, and the divisor, were multiplied to make the weights whole.
    range: how responses become pixels by default: one of `RANGES`, or None (clip).

    Raises KernelError for empty, ragged or non-numeric weights, NaN or infinity, a zero divisor, or one so small that
    the quotients are infinite.
    """

    weights: NDArray[np.float64]
    divisor: float = 1.0
    bias: float = 0.0
    range: str | None = None
    name: str = ""
    description: str = ""
    source: str = ""
    tags: tuple[str, ...] = field(default=())
    origin: str = ""
    denominator: float = 1.0

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        for key in ("name", "description", "source", "origin"):
            if not isinstance(getattr(self, key), str):
                raise KernelError(f"kernel: {key} must be text, not {getattr(self, key)!r}")
        set_(self, "weights", _checked_weights(self.weights, self.label))
        for key in ("divisor", "bias", "denominator"):
            set_(self, key, _checked_number(getattr(self, key), f"{self.label}: {key}"))
        if self.divisor == 0:
            raise KernelError(f"{self.label}: divisor must not be zero")
        with np.errstate(over="ignore"):
            if not np.isfinite(self.scaled).all():
                raise KernelError(f"{self.label}: weights over the divisor {self.divisor:g} are too large")
        if self.range is not None and not is_one(self.range, RANGES):
            raise KernelError(f"{self.label}: range must be one of {', '.join(RANGES)}, not {self.range!r}")
        if isinstance(self.tags, str) or not isinstance(self.tags, Sequence) or not all(map(_is_text, self.tags)):
            raise KernelError(f"{self.label}: tags must be a list of words, not {self.tags!r}")
        set_(self, "tags", tuple(self.tags))

    @property
    def label(self) -> str:
        """The kernel's name for a message."""
        return f"kernel {printable(repr(self.name))}" if self.name else "kernel"

    @property
    def shown(self) -> str:
        """The kernel's name as it is shown to users; a placeholder for a kernel without one."""
        return printable(self.name) or "kernel"

    @property
    def depth(self) -> int:
        """How many channels the kernel spans by itself: 3, or 1 for a flat kernel."""
        return self.weights.shape[0] if self.weights.ndim == 3 else 1

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in weights."""
        return self.weights.shape[-2], self.weights.shape[-1]

    @cached_property
    def scaled(self) -> NDArray[np.float64]:
        """The weights over the divisor."""
        return self.weights / self.divisor + 0.0  # a zero over a negative divisor becomes plain zero

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the greatest response that pixels within 0..255 can give."""
        positive = float(self.scaled[self.scaled > 0].sum())
        negative = float(self.scaled[self.scaled < 0].sum())
        return 255 * negative + self.bias, 255 * positive + self.bias

    def flipped(self) -> Kernel:
        """Rotated by 180 degrees: turns cross-correlation into convolution in the mathematical sense."""
        return replace(self, weights=self.weights[..., ::-1, ::-1])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Kernel):
            return NotImplemented
        return self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[Any, ...]:
        w = self.weights
        words = (self.name, self.description, self.source, self.tags)
        return (w.shape, w.tobytes(), self.divisor, self.bias, self.range, *words)


def refuse_mask(what: str, value: Any, error: type[RecipeError] = RecipeError) -> None:
    """Raise the error for a masked array, since masks are not supported."""
    if isinstance(value, np.ndarray) and hasattr(value, "mask"):
        raise error(f"{what} must not be a masked array, whose mask would be lost; fill it first: a.filled(0)")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _checked_number(value: Any, what: str) -> float:
    """Return the value as a float, if it is a finite real number."""
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    try:
        if number and np.isfinite(float(value)):
            return float(value) + 0.0  # a negative zero becomes zero
    except OverflowError:
        raise KernelError(f"{what} must be a finite number, not one of more than 300 digits") from None
    raise KernelError(f"{what} must be a finite number, not {value!r}")


def _checked_weights(weights: Any, label: str) -> NDArray[np.float64]:
    """Return a read-only float64 copy of the weights. Raises KernelError where they are wrong."""
    refuse_mask(f"{label}: weights", weights, KernelError)
    ragged = isinstance(weights, Sequence) and _ragged(weights)
    if ragged:
        raise KernelError(f"{label}: every row of the weights must be equally long")
    try:
        given = np.asarray(weights)
        if given.dtype.kind not in "biufO":
            raise TypeError
        array = given.astype(np.float64) + 0.0  # a negative zero becomes zero
    except (TypeError, ValueError, OverflowError):
        raise KernelError(f"{label}: weights must be numbers in rows, (KH, KW) or (3, KH, KW)") from None
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[0] != 3):
        raise KernelError(f"{label}: weights must have the shape (KH, KW) or (3, KH, KW), not {array.shape}")
    if array.size == 0:
        raise KernelError(f"{label}: weights are empty")
    if not np.isfinite(array).all():
        raise KernelError(f"{label}: weights must be finite, but NaN or infinity is among them")
    array.setflags(write=False)
    return array


def _ragged(rows: Any) -> bool:
    nested = [row for row in rows if isinstance(row, Sequence | np.ndarray) and not isinstance(row, str)]
    if not nested:
        return False
    return len(nested) != len(rows) or len({len(row) for row in nested}) > 1 or any(map(_ragged, nested))
