"""Arrays as NumPy keeps them, looked at before room is made for them: a head may claim any shape."""

from __future__ import annotations

from typing import IO, Any

import numpy as np
from numpy.lib.format import read_array, read_array_header_1_0, read_array_header_2_0, read_magic
from numpy.typing import NDArray


def head(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype of the array that begins here. Raises ValueError where none does."""
    reader = read_array_header_1_0 if read_magic(stream) == (1, 0) else read_array_header_2_0
    shape, _, dtype = reader(stream)
    if any(side < 0 for side in shape):
        raise ValueError("a side is negative")
    return shape, dtype


def array(stream: IO[bytes], size: int) -> NDArray[Any]:
    """The array that begins at the beginning of a stream of `size` bytes. Raises ValueError where it is not all there.

    Nothing is ever unpickled.
    """
    shape, dtype = head(stream)
    if not dtype.hasobject and nbytes(shape, dtype) > size - stream.tell():
        raise ValueError(f"its head claims {shape} of {dtype}, which is more than it holds")
    stream.seek(0)
    return np.asarray(read_array(stream, allow_pickle=False))


def nbytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """The bytes of such an array, however many."""
    count = dtype.itemsize
    for side in shape:
        count *= side
    return count
