"""Exact parsing of numbers as people write them: `3`, `-0.5`, `1e-3`, `1/9`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from math import lcm

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"
_FORM = re.compile(rf"({_NUMBER})(?:/({_NUMBER}))?", re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?\.?(?:nan|inf|infinity)", re.IGNORECASE)

# Grids of decimals whose common denominator is larger stay in floating point.
_LARGEST_DENOMINATOR = 10**6
_LARGEST_EXACT = 2**53


def number(text: str) -> Fraction:
    """Parse a number exactly: decimal or scientific notation, or a fraction of two numbers in these notations.

    Raises ValueError with a message that can follow a location: "'x' is not a number", and why where that helps.
    """
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text!r} is not a finite number")
    match = _FORM.fullmatch(text) if len(text) <= 60 else None
    if not match:
        plain = text.replace("_", "")
        meant = f"; did you mean {plain}?" if plain != text and _FORM.fullmatch(plain) else ""
        raise ValueError(f"{text[:60]!r} is not a number{meant}")
    above, below = Fraction(match[1]), Fraction(match[2] or 1)
    if below == 0:
        raise ValueError(f"{text!r} divides by zero")
    value = above / below
    if abs(value) > 10**300:
        raise ValueError(f"{text!r} is too large")
    return value


def integral(weights: Iterable[Fraction], divisor: Fraction) -> tuple[list[float], float, float]:
    """Rewrite weights and divisor as integers if their common denominator is small, else as floats.

    Returns the weights, the divisor, and the factor that both were multiplied by.

    >>> integral([Fraction(1, 9), Fraction(2, 9)], Fraction(1))
    ([1.0, 2.0], 9.0, 9.0)
    """
    exact, common = list(weights), 1
    for weight in exact:
        common = lcm(common, weight.denominator)
        if common > _LARGEST_DENOMINATOR:  # checked in the loop, for it could grow to thousands of digits
            return [float(w) for w in exact], float(divisor), 1.0
    factor = common * divisor.denominator
    whole, over = [w * factor for w in exact], divisor * factor
    if max(map(abs, [*whole, over])) > _LARGEST_EXACT:
        return [float(w) for w in exact], float(divisor), 1.0
    return [float(w) for w in whole], float(over), float(factor)
