"""Stride, padding and dilation: compute the size of a feature map from that of its picture, axis by axis.

Along one axis, with the dilated extent K' = D*(K-1)+1 of a kernel of K weights,

    O = floor((W - K' + P_before + P_after) / S) + 1

(Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, overload

from convcli.choices import PADDING_MODES, SYNONYMS, is_one
from convcli.errors import GeometryError

Pads = tuple[tuple[int, int], tuple[int, int]]

LARGEST = 1 << 22  # pixels of a stride, or of border on one side: the engine's tables have an entry for each


@dataclass(frozen=True)
class Geometry:
    """How the kernel moves over the picture; every field is checked and normalized.

    stride, dilation: (vertical, horizontal), at least 1; a stride at most `LARGEST`.
    padding: "valid", "same", "full", or (top, bottom, left, right) in pixels.
    padding_mode: one of `PADDING_MODES`.
    padding_value: the value of the border in mode `constant`, on the 0..255 scale of an 8-bit picture.
    """

    stride: tuple[int, int] = (1, 1)
    padding: str | tuple[int, int, int, int] = "same"
    padding_mode: str = "zeros"
    padding_value: float = 0.0
    dilation: tuple[int, int] = (1, 1)

    @classmethod
    def from_options(
        cls,
        stride: Any = 1,
        padding: Any = "same",
        padding_mode: str = "zeros",
        padding_value: float = 0.0,
        dilation: Any = 1,
    ) -> Geometry:
        """Make a geometry from a user's options: numbers or pairs, and padding in any of its five forms."""
        return cls(
            stride=pair("stride", stride, least=1, most=LARGEST),
            padding=padding_of(padding),
            padding_mode=mode_of(padding_mode),
            padding_value=_finite("padding_value", padding_value),
            dilation=pair("dilation", dilation, least=1),
        )

    def pads(self, size: tuple[int, int], kernel: tuple[int, int]) -> Pads:
        """Return padding in pixels, ((top, bottom), (left, right)), for a picture and a kernel of (height, width)."""
        if isinstance(self.padding, tuple):
            top, bottom, left, right = self.padding
            return (top, bottom), (left, right)
        rows, columns = (
            _named_pads(self.padding, w, k, s, d)
            for w, k, s, d in zip(size, kernel, self.stride, self.dilation, strict=True)
        )
        return rows, columns

    def output(self, size: tuple[int, int], kernel: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of the feature map of a picture.

        Raises GeometryError where the kernel does not fit, or where the border is too wide for the engine.
        """
        rows, columns = self.arithmetic(size, kernel)
        if (widest := max(map(max, self.pads(size, kernel)))) > LARGEST:
            raise GeometryError(
                f"a border of {widest} pixels is wider than the {LARGEST} that can be worked with; "
                "use a smaller padding or dilation"
            )
        return rows, columns

    def arithmetic(self, size: tuple[int, int], kernel: tuple[int, int]) -> tuple[int, int]:
        """Return height and width by the formula alone, without a limit to the border."""
        pads = self.pads(size, kernel)
        rows, columns = (
            _output(axis, w, k, p, s, d)
            for axis, w, k, p, s, d in zip(
                ("height", "width"), size, kernel, pads, self.stride, self.dilation, strict=True
            )
        )
        return rows, columns


def extent(kernel: int, dilation: int) -> int:
    """Return how many pixels a dilated kernel spans: K' = D*(K-1)+1."""
    return dilation * (kernel - 1) + 1


@overload
def output_size(size: int, kernel: int, stride: int = 1, padding: Any = 0, dilation: int = 1) -> int: ...
@overload
def output_size(
    size: tuple[int, int], kernel: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> tuple[int, int]: ...
def output_size(size: Any, kernel: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Any:
    """The size of the feature map: O = floor((W - K' + P_before + P_after) / S) + 1, K' = D*(K-1)+1.

    size: one axis as a whole number, or (height, width).
    kernel, stride, dilation: a number, or (vertical, horizontal).
    padding: "valid", "same", "full", a number for every side, (PY, PX), (top, bottom, left, right) or
        ((top, bottom), (left, right)); for one axis also (before, after).

    Returns a number for one axis, else (height, width).
    Raises GeometryError where a value is impossible or the kernel does not fit.

    >>> output_size(32, 3, padding=1)
    32
    >>> output_size((1080, 1920), 7, stride=2, padding=3)
    (540, 960)
    """
    if _listed(size):
        geometry = Geometry.from_options(stride, padding, dilation=dilation)
        return geometry.arithmetic(pair("size", size, least=1), pair("kernel", kernel, least=1))
    width, taps = whole_number("size", size, least=1), whole_number("kernel", kernel, least=1)
    step, apart = whole_number("stride", stride, least=1, most=LARGEST), whole_number("dilation", dilation, least=1)
    if _listed(padding):
        if len(padding) != 2:
            raise GeometryError(f"padding of one axis is a number or (before, after), not {padding!r}")
        before, after = (whole_number("padding", p, least=0) for p in padding)
    else:
        named = padding_of(padding)
        before, after = _named_pads(named, width, taps, step, apart) if isinstance(named, str) else named[:2]
    return _output("size", width, taps, (before, after), step, apart)


def formula(size: int, kernel: int, pads: tuple[int, int], stride: int, dilation: int) -> str:
    """Return the output-size formula with its numbers, as a line of text ending before the result.

    >>> formula(5, 3, (1, 1), 2, 1)
    'floor((5 - 3 + 1 + 1) / 2) + 1'
    """
    reach = f"({dilation}*({kernel} - 1) + 1)" if dilation > 1 else f"{kernel}"
    return f"floor(({size} - {reach} + {pads[0]} + {pads[1]}) / {stride}) + 1"


def unused(size: int, kernel: int, pads: tuple[int, int], stride: int, dilation: int) -> int:
    """Return how many pixels at the far end (right columns, bottom rows) no kernel position covers."""
    span = size + sum(pads) - extent(kernel, dilation)
    return min(max(span % stride - pads[1], 0), size)


def pair(what: str, value: Any, least: int, most: int | None = None) -> tuple[int, int]:
    """Return a whole number or a pair of them as a checked pair (vertical, horizontal)."""
    if _listed(value):
        if len(value) != 2:
            raise GeometryError(f"{what} must be a whole number or a pair (vertical, horizontal), not {value!r}")
        return whole_number(what, value[0], least, most), whole_number(what, value[1], least, most)
    both = whole_number(what, value, least, most)
    return both, both


def _listed(value: Any) -> bool:
    """Return whether the value is a sequence of values, and not a string."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)


def whole_number(what: str, value: Any, least: int, most: int | None = None) -> int:
    """Return the value as an int, checked to be a whole number from `least` to `most`."""
    try:
        number = index(value)
    except TypeError:
        raise GeometryError(f"{what} must be a whole number, not {value!r}") from None
    if isinstance(value, bool) or number < least:
        raise GeometryError(f"{what} must be at least {least}, not {value!r}")
    if most is not None and number > most:
        raise GeometryError(f"{what} must be at most {most}, not {value!r}")
    return number


def padding_of(value: Any) -> str | tuple[int, int, int, int]:
    """Normalize padding to a name or (top, bottom, left, right)."""
    if isinstance(value, str):
        if value not in ("valid", "same", "full"):
            raise GeometryError(f"padding must be valid, same, full, P, PY,PX or TOP,BOTTOM,LEFT,RIGHT, not {value!r}")
        return value
    if _listed(value):
        if len(value) == 2 and all(_listed(side) and len(side) == 2 for side in value):
            value = (*value[0], *value[1])  # ((top, bottom), (left, right))
        sides = tuple(whole_number("padding", side, least=0) for side in value)
        if len(sides) == 2:
            return sides[0], sides[0], sides[1], sides[1]
        if len(sides) == 4:
            return sides
        raise GeometryError(f"padding takes 1, 2 (PY,PX) or 4 (TOP,BOTTOM,LEFT,RIGHT) numbers, not {len(sides)}")
    side = whole_number("padding", value, least=0)
    return side, side, side, side


def mode_of(name: str) -> str:
    """Return the padding mode of that name, which may be another tool's name for it."""
    mode = SYNONYMS.get(name, name) if isinstance(name, str) else name
    if not is_one(mode, PADDING_MODES):
        raise GeometryError(f"padding_mode must be one of {', '.join(PADDING_MODES)}, not {name!r}")
    return mode


def _named_pads(padding: str, size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    reach = extent(kernel, dilation)
    if padding == "valid":
        return 0, 0
    if padding == "full":
        return reach - 1, reach - 1
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)  # "same": O = ceil(W/S)
    return total // 2, total - total // 2


def _output(axis: str, size: int, kernel: int, pads: tuple[int, int], stride: int, dilation: int) -> int:
    span = size + sum(pads) - extent(kernel, dilation)
    if span < 0:
        raise GeometryError(
            f"the kernel does not fit: {axis} O = {formula(size, kernel, pads, stride, dilation)} < 1; "
            "pad more, or use a smaller kernel or dilation"
        )
    return span // stride + 1


def _finite(what: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise GeometryError(f"{what} must be a number, not {value!r}") from None
    except OverflowError:
        raise GeometryError(f"{what} must be finite, not a number of more than 300 digits") from None
    if not abs(number) < float("inf"):
        raise GeometryError(f"{what} must be finite, not {value!r}")
    return number
