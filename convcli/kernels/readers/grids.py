"""Parse kernel texts that consist of numbers only: plain grids and CSV, libvips matrices, ImageMagick strings."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from convcli.errors import KernelError
from convcli.kernel import LARGEST_SIDE, Kernel
from convcli.kernels.numerals import integral, number

_IMAGEMAGICK = re.compile(r"\s*(\d{1,9})x(\d{1,9})(?:\+(\d{1,9})\+(\d{1,9}))?\s*([@<>]?)\s*:", re.ASCII)


def imagemagick(text: str, fault: Callable[[int, str], KernelError]) -> Kernel | None:
    """Parse an ImageMagick kernel `WxH[+X+Y]: value,value,...`; None if the text is not of that form.

    `nan` and `-` mark places outside the kernel and become 0. An origin X,Y other than the centre is moved there by
    padding with zeros. fault: makes the error for an index in the text and a message.
    """
    match = _IMAGEMAGICK.match(text)
    if not match:
        return None
    width, height = int(match[1]), int(match[2])
    if match[5]:
        turned = f"{match[5]!r} makes a list of turned kernels; give one, and turn it as in sobel-x@45"
        raise fault(match.start(5), turned)
    if not 0 < width <= LARGEST_SIDE or not 0 < height <= LARGEST_SIDE:
        raise fault(match.start(1), f"a kernel has 1 to {LARGEST_SIDE} weights a side, not {width}x{height}")
    x = int(match[3]) if match[3] else (width - 1) // 2
    y = int(match[4]) if match[4] else (height - 1) // 2
    if x >= width or y >= height:
        raise fault(match.start(3) - 1, f"the origin +{x}+{y} lies outside of {width}x{height}")
    words = list(re.finditer(r"[^\s,]+", text[match.end() :]))
    flat = [_imagemagick_value(word[0], match.end() + word.start(), fault) for word in words[: width * height]]
    if len(words) != width * height:
        at = match.end() + words[width * height].start() if len(words) > width * height else len(text.rstrip())
        raise fault(at, f"{width}x{height} needs {width * height} values, but {len(words)} are there")
    weights, divisor, factor = integral(flat, Fraction(1))
    grid = np.array(weights).reshape(height, width)
    return Kernel(_origin_in_the_centre(grid, y, x), divisor=divisor, denominator=factor)


def _imagemagick_value(word: str, at: int, fault: Callable[[int, str], KernelError]) -> Fraction:
    if word == "-" or word.lower() == "nan":
        return Fraction(0)
    try:
        return number(word)
    except ValueError as error:
        raise fault(at, str(error)) from None


def _origin_in_the_centre(grid: Any, y: int, x: int) -> Any:
    """Pad the grid with zeros so that the weight at (y, x) comes to the centre, (n - 1) // 2."""
    edges = []
    for size, at in zip(grid.shape, (y, x), strict=True):
        if at == (size - 1) // 2:
            edges.append((0, 0))
        else:
            edges.append((max(size - 1 - 2 * at, 0), max(2 * at - size + 1, 0)))
    return np.pad(grid, edges)


def plain_grid(text: str, file: str, commas: bool) -> Kernel:
    """Parse rows of numbers, in which `#` begins a comment, or an ImageMagick kernel.

    file: the name of the text in messages. commas: whether the numbers are separated by commas, as in CSV.
    """
    plain = "\n".join(line.partition("#")[0] for line in text.split("\n"))

    def fault(at: int, message: str) -> KernelError:
        before = plain[:at].split("\n")
        return KernelError(f"{file}:{len(before)}:{len(before[-1]) + 1}: {message}")

    kernel = imagemagick(plain, fault)
    if kernel is None:
        rows = _rows(plain, file, commas=commas)
        if not rows:
            raise KernelError(f"{file}: empty; rows of numbers are expected")
        kernel = _from_rows(rows, Fraction(1))
    return kernel


def vips_matrix(text: str, file: str) -> Kernel:
    """Parse `WIDTH HEIGHT [SCALE [OFFSET]]` and the rows after it; a response is sum / SCALE + OFFSET."""
    rows = _rows(text, file, commas=False, ragged=True)
    if not rows:
        raise KernelError(f"{file}: empty; a line `WIDTH HEIGHT [SCALE OFFSET]` and rows of numbers are expected")
    (line, header), body = rows[0], rows[1:]
    wrong = any(n.denominator != 1 or n < 1 for n in header[:2])
    if not 2 <= len(header) <= 4 or wrong:
        raise KernelError(f"{file}:{line}:1: WIDTH HEIGHT [SCALE [OFFSET]] is expected in the first line")
    width, height = int(header[0]), int(header[1])
    if len(body) != height:
        raise KernelError(f"{file}:{line}:1: {height} rows are announced, but {len(body)} are there")
    for place, row in body:
        if len(row) != width:
            raise KernelError(f"{file}:{place}:1: {len(row)} values, expected {width} as the first line says")
    scale = header[2] if len(header) > 2 else Fraction(1)
    if scale == 0:
        raise KernelError(f"{file}:{line}:1: SCALE must not be zero")
    return _from_rows(body, scale, float(header[3]) if len(header) > 3 else 0.0)


def _rows(text: str, file: str, *, commas: bool, ragged: bool = False) -> list[tuple[int, list[Fraction]]]:
    """Parse every non-blank line into its line number and its numbers."""
    rows: list[tuple[int, list[Fraction]]] = []
    for line, words in enumerate(text.split("\n"), 1):
        if not words.strip():
            continue
        row = [_number(word, f"{file}:{line}:{column}") for column, word in _words(words, commas)]
        if rows and len(row) != len(rows[0][1]) and not ragged:
            expected = f"expected {len(rows[0][1])} as in line {rows[0][0]}"
            raise KernelError(f"{file}:{line}:1: the row has {len(row)} values, {expected}")
        rows.append((line, row))
    return rows


def _words(line: str, commas: bool) -> list[tuple[int, str]]:
    """Split a line into (column, word), at commas in a CSV and else at blanks."""
    if commas and "," in line:
        found, column = [], 1
        for part in line.rstrip("\r").split(","):
            found.append((column + len(part) - len(part.lstrip()), part.strip()))
            column += len(part) + 1
        return found
    return [(match.start() + 1, match[0]) for match in re.finditer(r"[^\s,]+" if not commas else r"\S+", line)]


def _number(word: str, place: str) -> Fraction:
    try:
        return number(word)
    except ValueError as error:
        hint = "; commas or blanks stand between numbers" if ";" in word else ""
        raise KernelError(f"{place}: {error if word else 'a number is missing'}{hint}") from None


def _from_rows(rows: list[tuple[int, list[Fraction]]], divisor: Fraction, bias: float = 0.0) -> Kernel:
    weights, over, factor = integral([value for _, row in rows for value in row], divisor)
    return Kernel(np.array(weights).reshape(len(rows), -1), divisor=over, bias=bias, denominator=factor)
