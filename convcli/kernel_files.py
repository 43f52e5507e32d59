"""Kernel files of every kind, by their suffix: YAML, JSON, plain grids, libvips matrices, NumPy arrays, pictures."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from convcli.errors import ConvcliError, KernelError, RecipeError
from convcli.kernel import Kernel
from convcli.rationals import integral, number

LARGEST_SIDE = 2048
_LONGEST_NAME = 200
_LARGEST_TEXT = 16 * 2**20
_PICTURES = (".png", ".tif", ".tiff", ".bmp", ".pgm", ".webp", ".jpg", ".jpeg", ".gif")
_IMAGEMAGICK = re.compile(r"\s*(\d{1,9})x(\d{1,9})(?:\+(\d{1,9})\+(\d{1,9}))?\s*([@<>]?)\s*:", re.ASCII)


def load_file(path: Path) -> list[Kernel]:
    """All kernels of a file, of the kind that its suffix says.

    Raises KernelError where the file is faulty, RecipeError for an unknown suffix, ConvcliError where it cannot be
    read. Nothing in a file is ever executed.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        kinds = ", ".join(SUFFIXES)
        raise RecipeError(
            f"{path}: a kernel file ends in {kinds} or is a picture ({_PICTURES[0]}), not {path.suffix!r}"
        )
    try:
        return reader(path)
    except FileNotFoundError:
        raise ConvcliError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ConvcliError(f"{path} is a folder; a kernel file is expected") from None
    except OSError as error:
        raise ConvcliError(f"{str(path)[:_LONGEST_NAME]}: {error.strerror or error}") from None


def imagemagick(text: str, place: str) -> Kernel | None:
    """The kernel of an ImageMagick string `WxH[+X+Y]: value,value,...`, or None if the text is no such string.

    `nan` and `-` are places outside the kernel and weigh nothing. An origin X,Y that is not the centre is kept by rows
    and columns of zeros. place: what messages call the text.
    """
    match = _IMAGEMAGICK.match(text)
    if not match:
        return None
    width, height = int(match[1]), int(match[2])
    if match[5]:
        raise KernelError(
            f"{place}: {match[5]!r} makes a list of turned kernels; give one, and turn it as in sobel-x@45"
        )
    if not 0 < width <= LARGEST_SIDE or not 0 < height <= LARGEST_SIDE:
        raise KernelError(f"{place}: a kernel has 1 to {LARGEST_SIDE} weights a side, not {width}x{height}")
    words = re.findall(r"[^\s,]+", text[match.end() :])
    if len(words) != width * height:
        raise KernelError(f"{place}: {width}x{height} needs {width * height} values, but {len(words)} are there")
    flat = [_imagemagick_value(word, index, place) for index, word in enumerate(words, 1)]
    weights, divisor, factor = integral(flat, Fraction(1))
    grid = np.array(weights).reshape(height, width)
    x = int(match[3]) if match[3] else (width - 1) // 2
    y = int(match[4]) if match[4] else (height - 1) // 2
    if x >= width or y >= height:
        raise KernelError(f"{place}: the origin +{x}+{y} lies outside of {width}x{height}")
    return Kernel(_origin_in_the_centre(grid, y, x), divisor=divisor, denominator=factor)


def _imagemagick_value(word: str, index: int, place: str) -> Fraction:
    if word == "-" or word.lower() == "nan":
        return Fraction(0)
    try:
        return number(word)
    except ValueError as error:
        raise KernelError(f"{place}: value {index}: {error}") from None


def _origin_in_the_centre(grid: Any, y: int, x: int) -> Any:
    """Zeros around the grid so that the weight at (y, x) stands at the centre, (n - 1) // 2."""
    edges = []
    for size, at in zip(grid.shape, (y, x), strict=True):
        if at == (size - 1) // 2:
            edges.append((0, 0))
        else:
            edges.append((max(size - 1 - 2 * at, 0), max(2 * at - size + 1, 0)))
    return np.pad(grid, edges)


def _yaml(path: Path) -> list[Kernel]:
    from convcli.yaml_files import parse_yaml

    return parse_yaml(_text(path), str(path), path.stem)


def _json(path: Path) -> list[Kernel]:
    import json

    from convcli.yaml_files import parse_json

    text = _text(path)
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise KernelError(f"{path}:{error.lineno}:{error.colno}: not valid JSON: {error.msg}") from None
    except (RecursionError, ValueError):
        raise KernelError(f"{path}: nested too deeply, or a number too long, for a kernel file") from None
    return parse_json(text, str(path), path.stem)


def _grid(path: Path) -> list[Kernel]:
    """Rows of numbers; `#` begins a comment. A text that begins as ImageMagick's strings do is read as one."""
    text = _text(path)
    plain = "\n".join(line.partition("#")[0] for line in text.split("\n"))
    kernel = imagemagick(plain, str(path))
    if kernel is None:
        rows = _rows(plain, str(path), commas=path.suffix.lower() == ".csv")
        if not rows:
            raise KernelError(f"{path}: empty; rows of numbers are expected")
        kernel = _from_rows(rows, Fraction(1))
    return [_named(kernel, path)]


def _vips(path: Path) -> list[Kernel]:
    """`WIDTH HEIGHT [SCALE [OFFSET]]`, then the rows; a response is sum / SCALE + OFFSET."""
    try:
        text = _text(path)
    except KernelError:
        raise KernelError(f"{path}: not text; a libvips matrix is expected, not one of MATLAB") from None
    rows = _rows(text, str(path), commas=False, ragged=True)
    if not rows:
        raise KernelError(f"{path}: empty; a line `WIDTH HEIGHT [SCALE OFFSET]` and rows of numbers are expected")
    (line, header), body = rows[0], rows[1:]
    wrong = any(n.denominator != 1 or n < 1 for n in header[:2])
    if not 2 <= len(header) <= 4 or wrong:
        raise KernelError(f"{path}:{line}:1: WIDTH HEIGHT [SCALE [OFFSET]] is expected in the first line")
    width, height = int(header[0]), int(header[1])
    if len(body) != height:
        raise KernelError(f"{path}:{line}:1: {height} rows are announced, but {len(body)} are there")
    for place, row in body:
        if len(row) != width:
            raise KernelError(f"{path}:{place}:1: {len(row)} values, expected {width} as the first line says")
    scale = header[2] if len(header) > 2 else Fraction(1)
    if scale == 0:
        raise KernelError(f"{path}:{line}:1: SCALE must not be zero")
    kernel = _from_rows(body, scale, float(header[3]) if len(header) > 3 else 0.0)
    return [_named(kernel, path)]


def _numpy(path: Path) -> list[Kernel]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        if isinstance(error, FileNotFoundError | IsADirectoryError | PermissionError):
            raise
        raise KernelError(f"{path}: not a NumPy array of numbers in .npy format") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf":
        raise KernelError(f"{path}: an array of whole or floating-point numbers is expected")
    if array.ndim not in (2, 3) or max(array.shape) > LARGEST_SIDE:
        raise KernelError(
            f"{path}: an array (KH, KW) or (3, KH, KW), at most {LARGEST_SIDE} a side, is expected, not {array.shape}"
        )
    try:
        return [_named(Kernel(np.asarray(array)), path)]
    except KernelError as error:
        raise KernelError(f"{path}: {error}") from None


def _picture(path: Path) -> list[Kernel]:
    """The luma of a picture as weights that sum to 1: a point-spread function."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            if max(picture.size) > LARGEST_SIDE:
                raise KernelError(f"{path}: at most {LARGEST_SIDE} pixels a side can be a kernel, not {picture.size}")
            grid = np.asarray(picture.convert(_gray_mode(picture.mode)), dtype=np.float64)
    except (FileNotFoundError, IsADirectoryError, PermissionError, KernelError):
        raise
    except Exception as error:  # Pillow raises all kinds of errors for a damaged file
        raise ConvcliError(f"{path}: cannot be read as a picture: {error}") from None
    total = float(grid.sum())
    if total <= 0:
        raise KernelError(f"{path}: the picture is black, so its weights cannot be scaled to sum to 1")
    return [_named(Kernel(grid, divisor=total), path)]


def _gray_mode(mode: str) -> str:
    """What keeps all bits of a gray picture; colour becomes 8-bit luma."""
    return mode if mode in ("F", "I") else "I" if mode.startswith("I;16") else "L"


def _rows(text: str, file: str, *, commas: bool, ragged: bool = False) -> list[tuple[int, list[Fraction]]]:
    """The numbers of every line that is not blank, with the line's number."""
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
    """The words of a line with their columns; in a CSV a comma stands between each two."""
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
        raise KernelError(f"{place}: {error if word else 'a number is missing'}") from None


def _from_rows(rows: list[tuple[int, list[Fraction]]], divisor: Fraction, bias: float = 0.0) -> Kernel:
    weights, over, factor = integral([value for _, row in rows for value in row], divisor)
    return Kernel(np.array(weights).reshape(len(rows), -1), divisor=over, bias=bias, denominator=factor)


def _named(kernel: Kernel, path: Path) -> Kernel:
    from dataclasses import replace

    return replace(kernel, name=path.stem, origin=str(path))


def _text(path: Path) -> str:
    if path.is_file() and path.stat().st_size > _LARGEST_TEXT:
        raise KernelError(f"{path}: a kernel file of text holds at most {_LARGEST_TEXT // 2**20} MiB")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise KernelError(f"{path}: not a text file in UTF-8") from None


_READERS: dict[str, Callable[[Path], list[Kernel]]] = {
    ".yaml": _yaml, ".yml": _yaml, ".json": _json, ".csv": _grid, ".tsv": _grid, ".txt": _grid, ".mat": _vips,
    ".npy": _numpy, **dict.fromkeys(_PICTURES, _picture),
}  # fmt: skip

# The kinds whose kernels may have other names than the file.
SELF_NAMING = (".yaml", ".yml", ".json")

# What a folder of kernels may hold; pictures count only where one is named.
SUFFIXES = tuple(suffix for suffix in _READERS if suffix not in _PICTURES)
