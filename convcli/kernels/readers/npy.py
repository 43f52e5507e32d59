"""Read NumPy's .npy format, with the size checked before memory is allocated: a header may claim any shape."""

from __future__ import annotations

from typing import IO, Any

import numpy as np
from numpy.lib.format import read_array, read_array_header_1_0, read_array_header_2_0, read_magic
from numpy.typing import NDArray


def head(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read the header at the stream's position: the array's shape and dtype. Raises ValueError if there is none."""
    reader = read_array_header_1_0 if read_magic(stream) == (1, 0) else read_array_header_2_0
    shape, _, dtype = reader(stream)
    if any(side < 0 for side in shape):
        raise ValueError("a side is negative")
    return shape, dtype


def array(stream: IO[bytes], size: int) -> NDArray[Any]:
    """Read the array at the start of a stream of `size` bytes. Raises ValueError if it is incomplete.

    Nothing is ever unpickled.
    """
    shape, dtype = head(stream)
    if not dtype.hasobject and nbytes(shape, dtype) > size - stream.tell():
        raise ValueError(f"its head claims {shape} of {dtype}, which is more than it holds")
    stream.seek(0)
    return np.asarray(read_array(stream, allow_pickle=False))


def nbytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Return the number of bytes of such an array, without overflow."""
    count = dtype.itemsize
    for side in shape:
        count *= side
    return count
