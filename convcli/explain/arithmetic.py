"""The way from the products to the pixel, step by step, with the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from convcli.explain.pixel import Explanation, Patch, Response
from convcli.filtering.linear_light import from_linear
from convcli.ranges import Limits, full_scale, range_map, stretched

_FEW = 9  # so many products fit on a line


@dataclass(frozen=True)
class Step:
    """One line of the way from the sum to the pixel: what is done, with the numbers, and what comes out."""

    name: str
    text: str
    value: float


def steps(explanation: Explanation, response: Response) -> list[Step]:
    """The way from the sum of the products to the pixel, in order."""
    e, found = explanation, to_response(explanation, response)
    found += to_pixel(found[-1].value, e.range, e.limits, e.dtype, e.stored)
    return ended(found, response.pixel)


def ended(way: list[Step], pixel: float) -> list[Step]:
    """The way, ending in the pixel that is written: with a step more where the sums in float32 come to another one."""
    *before, last = way
    near = abs(last.value - pixel) <= 1e-6 * abs(pixel)
    if near or plain(last.value) == plain(pixel):
        return [*before, Step(last.name, last.text, pixel)]
    return [*way, Step("float32", f"{plain(last.value)} in the engine's arithmetic", pixel)]


def share_of(window: Patch) -> Step:
    """What one channel adds to the sum, where the kernel spans the depth."""
    return Step("sum", _sum_of((window,)), window.total)


def to_response(e: Explanation, response: Response) -> list[Step]:
    """From the sum of the products to the response."""
    divisor, bias = e.kernel.divisor, e.bias
    found = [Step("sum", _sum_of(response.windows), response.total)]
    if divisor != 1 or bias:
        over = f"{plain(response.total)} / {_signed(divisor)}" if divisor != 1 else plain(response.total)
        found.append(
            Step(
                "response",
                over + (f" {'-' if bias < 0 else '+'} {plain(abs(bias))}" if bias else ""),
                response.total / divisor + bias,
            )
        )
    return found


def to_pixel(
    r: float, range_: str, limits: tuple[float, float], dtype: np.dtype[Any], stored: np.dtype[Any] | None = None
) -> list[Step]:
    """From the response to the pixel: range, rounding, saturation; none for "raw".

    stored: where the picture is linear light, the dtype of the file's sRGB values, to which it goes back.
    """
    if range_ == "raw":
        return []
    found, mapped = [], _mapped(r, range_, limits, dtype)
    if range_ == "abs":
        found.append(Step("abs", f"|{plain(r)}|", mapped))
    elif range_ == "offset":
        found.append(Step("offset", f"{plain(r)} + {plain(range_map('offset', dtype).offset)}", mapped))
    elif range_ == "normalize":
        low, high = limits
        stretch = f"({plain(r)} - {_signed(low)}) / ({plain(high)} - {_signed(low)}) * {plain(full_scale(dtype))}"
        found.append(Step("normalize", stretch, mapped))
    if stored is not None:
        return found + _to_stored(mapped, stored)
    if dtype.kind != "f":
        rounded, top = float(np.rint(mapped)), full_scale(dtype)
        if rounded != mapped:
            found.append(Step("round", f"{plain(mapped)} half to even", rounded))
        if not 0 <= rounded <= top:
            found.append(Step("saturate", f"{plain(rounded)} to 0..{plain(top)}", min(max(rounded, 0.0), top)))
    return found


def _to_stored(light: float, dtype: np.dtype[Any]) -> list[Step]:
    """From linear light to the value that the file holds."""
    found, inside = [], min(max(light, 0.0), 1.0)
    if inside != light:
        found.append(Step("saturate", f"{plain(light)} to 0..1", inside))
    pixel = from_linear(np.array([inside], np.float32), dtype)
    return [*found, Step("to sRGB", f"{plain(inside)} of linear light", float(pixel[0]))]


def plain(number: float) -> str:
    """A number without needless digits; a true minus sign is not used, so that it can be pasted."""
    if float(number).is_integer() and abs(number) < 1e15:
        return str(int(number))
    return f"{number:.7g}"


def pair(both: tuple[int, int]) -> str:
    """One number for down and across, where it is the same."""
    return str(both[0]) if both[0] == both[1] else f"{both[0]},{both[1]}"


def _signed(number: float) -> str:
    """A number behind an operator."""
    return f"({plain(number)})" if number < 0 else plain(number)


def _sum_of(windows: tuple[Patch, ...]) -> str:
    """The terms of the sum: the products of one window where they are few, else the sum of each window."""
    terms = [w.total for w in windows]
    if len(windows) == 1:
        products = [float(p) for p in windows[0].products.ravel() if p]
        terms = products if 0 < len(products) <= _FEW else terms
    first, *others = terms
    return plain(first) + "".join(f" {'-' if t < 0 else '+'} {plain(abs(t))}" for t in others)


def _mapped(r: float, range_: str, limits: tuple[float, float], dtype: np.dtype[Any]) -> float:
    if range_ == "abs":
        return abs(r)
    if range_ == "offset":
        return r + range_map("offset", dtype).offset
    if range_ == "normalize":
        low, high = limits
        # In float32, as the whole map is stretched: next to a half, the last digit decides.
        return float(stretched(np.array([r], np.float32), dtype, Limits(low, high, infinite=int(not isfinite(r))))[0])
    return r
