"""Memory for results. What the system gives anew it hands out page by page, zeroed: for 36 MB that takes as long as a
3x3 kernel. So the memory of a result that nobody holds any more serves the next one of its size.

What waits for that is _MOST bytes at most, for as long as the process lives or until `release`.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.threads import lock_over_forks

_LEAST = 1 << 20  # bytes below which the allocator itself keeps memory at hand
_MOST = 1 << 28  # bytes that wait at most

_waiting: list[_Memory] = []
_lock = lock_over_forks()


class _Memory(np.ndarray[Any, np.dtype[np.uint8]]):
    """Bytes that results are made of, one after the other."""


class _Loan(np.ndarray[Any, np.dtype[np.uint8]]):
    """A view of the memory that a result and all views of it hold: when it goes, none of them is left."""

    def __del__(self) -> None:
        if isinstance(self.base, _Memory):
            _return(self.base)


def empty_result(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array like numpy.empty's: its memory is nobody else's, and what it holds is not defined."""
    size = prod(shape) * dtype.itemsize
    if not _LEAST <= size <= _MOST:
        return np.empty(shape, dtype)
    memory = _taken(size)
    if memory is None:
        memory = _Memory(size, np.uint8)
    return np.ndarray(shape, dtype, buffer=memory.view(_Loan))


def release() -> None:
    """Give what waits for the next result back to the system: for a process that lives on and filters no more."""
    _waiting.clear()


def _taken(size: int) -> _Memory | None:
    with _lock:
        for place, memory in enumerate(_waiting):
            if memory.size == size:
                return _waiting.pop(place)
    return None


def _return(memory: _Memory) -> None:
    _waiting.append(memory)  # without the lock: the last reference may go while this very thread has it
    while sum(m.size for m in _waiting) > _MOST:
        _waiting.pop(0)
