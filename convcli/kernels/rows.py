"""Parse kernels written out inline: rows separated by `;`, numbers by spaces or commas, a divisor after ` / `."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np

from convcli.kernel import Kernel
from convcli.kernels.grammar import column_error
from convcli.kernels.numerals import integral, number

_DIVISOR = re.compile(r"(?<=\s)/(?=\s)")


def inline(text: str, whole: str = "", before: int = 0) -> Kernel:
    """Parse rows of weights into a kernel: `1 2 1; 2 4 2; 1 2 1 / 16`.

    Decimals and fractions with a small common denominator become integer weights over a divisor, so that the result is
    exact. Raises KernelError with the column of the error. If the rows are part of a longer text, `whole` is that text
    and `before` is their position in it.
    """
    try:
        return _kernel(text)
    except _Fault as fault:
        raise column_error(whole or text, before + fault.column, fault.message) from None


class _Fault(Exception):
    def __init__(self, column: int, message: str) -> None:
        self.column, self.message = column, message


def _kernel(text: str) -> Kernel:
    parts = _DIVISOR.split(text)
    if len(parts) > 2:
        column = len(parts[0]) + len(parts[1]) + 2
        raise _Fault(column, "a second divisor; one ` / D` at the end is expected")
    rows = _rows(parts[0])
    flat = [weight for row in rows for weight in row]
    divisor = Fraction(1) if len(parts) == 1 else _divisor(parts[1], len(parts[0]) + 1, sum(flat, Fraction(0)))
    weights, over, factor = integral(flat, divisor)
    return Kernel(np.array(weights).reshape(len(rows), -1), divisor=over, origin="inline", denominator=factor)


def _rows(grid: str) -> list[list[Fraction]]:
    rows: list[list[Fraction]] = []
    column = 1
    for index, row in enumerate(re.split(r"[;\n]", grid), 1):
        numbers = _numbers(row, column)
        if not numbers:
            raise _Fault(column, f"row {index} is empty; a row of numbers is expected")
        if rows and len(numbers) != len(rows[0]):
            raise _Fault(column, f"row {index} has {len(numbers)} values, expected {len(rows[0])} as in row 1")
        rows.append(numbers)
        column += len(row) + 1
    return rows


def _numbers(row: str, column: int) -> list[Fraction]:
    empty = re.search(r"^\s*,|,\s*,|,\s*$", row)
    if empty:
        raise _Fault(column + empty.start(), "a number is missing beside the comma")
    return [_number(match[0], column + match.start()) for match in re.finditer(r"[^\s,]+", row)]


def _number(word: str, column: int) -> Fraction:
    try:
        return number(word)
    except ValueError as error:
        hint = "; set a divisor off by spaces: ` / 16`" if word.startswith("/") or word.endswith("/") else ""
        if re.match("[A-Za-z]{2}", word):
            hint = hint or "; between `;` stand rows of numbers"
        raise _Fault(column, f"{error}{hint}") from None


def _divisor(after: str, column: int, total: Fraction) -> Fraction:
    word = after.strip()
    place = column + 1 + len(after) - len(after.lstrip())
    if not word or re.search(r"[\s,;]", word):
        raise _Fault(place, f"one divisor is expected after ` / `, not {word!r}")
    divisor = total if word == "sum" else _number(word, place)
    if divisor == 0:
        why = "the weights sum to zero" if word == "sum" else "the divisor must not be zero"
        raise _Fault(place, why)
    return divisor
