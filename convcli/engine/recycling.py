"""Reuse the memory of results.

The system zeroes fresh memory page by page: for 36 MB that takes as long as a 3x3 kernel. So the memory of a result
that is no longer referenced is reused for the next result of its size. At most _MOST bytes are held for that, until
`release` or the end of the process.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.threads import lock_over_forks

_LEAST = 1 << 20  # bytes below which the allocator itself reuses memory
_MOST = 1 << 28  # most bytes held for reuse

_waiting: list[_Memory] = []
_lock = lock_over_forks()


class _Memory(np.ndarray[Any, np.dtype[np.uint8]]):
    """A block of memory that one result after another uses."""


class _Loan(np.ndarray[Any, np.dtype[np.uint8]]):
    """A view of the memory, referenced by a result and all its views: it is freed when the last of them is."""

    def __del__(self) -> None:
        if isinstance(self.base, _Memory):
            _return(self.base)


def empty_result(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an uninitialized array, as numpy.empty does, in reused memory where there is some."""
    size = prod(shape) * dtype.itemsize
    if not _LEAST <= size <= _MOST:
        return np.empty(shape, dtype)
    memory = _taken(size)
    if memory is None:
        memory = _Memory(size, np.uint8)
    return np.ndarray(shape, dtype, buffer=memory.view(_Loan))


def release() -> None:
    """Return the memory held for reuse to the system: for a process that goes on without filtering."""
    _waiting.clear()


def _taken(size: int) -> _Memory | None:
    with _lock:
        for place, memory in enumerate(_waiting):
            if memory.size == size:
                return _waiting.pop(place)
    return None


def _return(memory: _Memory) -> None:
    _waiting.append(memory)  # without the lock: this thread may hold it when the last reference is dropped
    while sum(m.size for m in _waiting) > _MOST:
        _waiting.pop(0)
