"""Load kernel files by their suffix: YAML, JSON, plain grids, libvips matrices, NumPy arrays, pictures."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from errno import EFBIG
from io import BytesIO
from pathlib import Path

import numpy as np

from convcli.errors import ConvcliError, KernelError, RecipeError
from convcli.files.reading import read_regular
from convcli.kernel import LARGEST_SIDE, Kernel
from convcli.kernels.readers import npy
from convcli.kernels.readers.plain_yaml import plain_yaml

_LONGEST_NAME = 200
_LARGEST_TEXT = 32 * 2**20
_LARGEST_ARRAY = 3 * 16 * LARGEST_SIDE**2 + 2**16  # bytes: three grids of the widest floats, and the header
_PICTURES = (".png", ".tif", ".tiff", ".bmp", ".pgm", ".webp", ".jpg", ".jpeg", ".gif")


def load_file(path: Path) -> list[Kernel]:
    """Load all kernels of a file, in the format that its suffix names.

    Raises KernelError if the file is faulty, RecipeError for an unknown suffix, ConvcliError if the file cannot be
    read. Nothing in a file is ever executed.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        kinds = ", ".join(SUFFIXES)
        raise RecipeError(
            f"{path}: a kernel file ends in {kinds} or is a picture ({_PICTURES[0]}), not {path.suffix!r}"
        )
    if not _can_be(path):
        raise ConvcliError(f"{str(path)[:_LONGEST_NAME]!r} is no name that a file can have")
    with _told(path):
        return reader(path)


def may_hold(path: Path, name: str) -> bool:
    """Whether a kernel of that name may be in the file: the file has that name, or its text contains it.

    A text with backslashes may also contain the name in escaped form. This test is a hundred times as fast as parsing.
    Raises as `load_file` if the file cannot be read.
    """
    if path.stem == name:
        return True
    if path.suffix.lower() not in SELF_NAMING:
        return False
    with _told(path):
        text = _text(path)
    return name in text or "\\" in text


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn the system's errors about the file into ones with a message for the user."""
    try:
        yield
    except FileNotFoundError:
        raise ConvcliError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ConvcliError(f"{path} is a folder; a kernel file is expected") from None
    except OSError as error:
        if error.errno == EFBIG:
            raise KernelError(f"{path}: too long for a kernel file; {error.strerror}") from None
        raise ConvcliError(f"{str(path)[:_LONGEST_NAME]} can't be read: {error.strerror or error}") from None


def _can_be(path: Path) -> bool:
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def _yaml(path: Path) -> list[Kernel]:
    text, file = _text(path), str(path)
    kernel = plain_yaml(text, file, path.stem)
    if kernel:
        return [kernel]
    from convcli.kernels.readers.yaml_tree import parse_yaml

    return parse_yaml(text, file, path.stem)


def _json(path: Path) -> list[Kernel]:
    import json

    from convcli.kernels.readers.yaml_tree import parse_json

    text = _text(path)
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise KernelError(f"{path}:{error.lineno}:{error.colno}: not valid JSON: {error.msg}") from None
    except (RecursionError, ValueError):
        raise KernelError(f"{path}: nested too deeply, or a number too long, for a kernel file") from None
    return parse_json(text, str(path), path.stem)


def _grid(path: Path) -> list[Kernel]:
    from convcli.kernels.readers.grids import plain_grid

    return [_named(plain_grid(_text(path), str(path), commas=path.suffix.lower() == ".csv"), path)]


def _vips(path: Path) -> list[Kernel]:
    from convcli.kernels.readers.grids import vips_matrix

    try:
        text = _text(path)
    except KernelError:
        raise KernelError(f"{path}: not text; a libvips matrix is expected, not one of MATLAB") from None
    return [_named(vips_matrix(text, str(path)), path)]


def _numpy(path: Path) -> list[Kernel]:
    content = read_regular(path, _LARGEST_ARRAY)
    try:
        shape, dtype = npy.head(BytesIO(content))
        if dtype.hasobject:
            raise ValueError
    except ValueError:
        raise KernelError(f"{path}: not a NumPy array of numbers in .npy format") from None
    if dtype.kind not in "iuf":
        raise KernelError(f"{path}: an array of whole or floating-point numbers is expected")
    if len(shape) not in (2, 3) or max(shape) > LARGEST_SIDE:
        raise KernelError(
            f"{path}: an array (KH, KW) or (3, KH, KW), at most {LARGEST_SIDE} a side, is expected, not {shape}"
        )
    try:
        array = npy.array(BytesIO(content), len(content))
    except ValueError as error:
        raise KernelError(f"{path}: {error}") from None
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        *grid, row, value = (int(i) + 1 for i in wrong[0])
        place = f"{f'grid {grid[0]}, ' if grid else ''}row {row}, value {value}"
        raise KernelError(f"{path}: {place}: {array[tuple(wrong[0])]} is not a finite number")
    try:
        return [_named(Kernel(np.asarray(array)), path)]
    except KernelError as error:
        raise KernelError(f"{path}: {error}") from None


def _picture(path: Path) -> list[Kernel]:
    """Read the luma of a picture as weights that sum to 1: a point-spread function."""
    from convcli.images import Reading
    from convcli.images.luma import luma

    with Reading(path, frame=0) as reading:
        if max(reading.size) > LARGEST_SIDE:
            height, width = reading.size
            raise KernelError(f"{path}: at most {LARGEST_SIDE} pixels a side can be a kernel, not {width}x{height}")
        pixels = next(reading.frames()).pixels
    try:
        grid = luma(pixels).astype(np.float64)
    except RecipeError as error:
        raise KernelError(f"{path}: {error}") from None
    total = float(grid.sum())
    if not np.isfinite(total):
        raise KernelError(f"{path}: NaN or infinity is among the pixels")
    if total <= 0:
        raise KernelError(f"{path}: the picture is black, so its weights cannot be scaled to sum to 1")
    return [_named(Kernel(grid, divisor=total), path)]


def _named(kernel: Kernel, path: Path) -> Kernel:
    return replace(kernel, name=path.stem, origin=str(path))


def _text(path: Path) -> str:
    try:
        return read_regular(path, _LARGEST_TEXT).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise KernelError(f"{path}: not a text file in UTF-8") from None


_READERS: dict[str, Callable[[Path], list[Kernel]]] = {
    ".yaml": _yaml, ".yml": _yaml, ".json": _json, ".csv": _grid, ".tsv": _grid, ".txt": _grid, ".mat": _vips,
    ".npy": _numpy, **dict.fromkeys(_PICTURES, _picture),
}  # fmt: skip

# Formats whose kernels may have names other than the file's.
SELF_NAMING = (".yaml", ".yml", ".json")

# Suffixes of kernel files in a kernel folder; a picture is read as a kernel only if the user names it.
SUFFIXES = tuple(suffix for suffix in _READERS if suffix not in _PICTURES)
