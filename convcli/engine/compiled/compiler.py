"""Machine code of the loops: compiled once with Numba, cached on disk, loaded without importing Numba.

Importing Numba and setting up its compiler takes more than a second, loading an object file some milliseconds. A loop
is named by a string, `taps:6` or `sweep:levels`, and compiled for the types of the arguments it is first called with.
`cache` finds and stores the object files, `loader` loads them into memory.

The calling convention is Numba's own (`int f(void **ret, void **exc, args...)`, returning 0 or -2 on success; an array
is passed as meminfo, parent, size, itemsize, data, shape, stride). It is private to Numba, as is the access to the
object file: so Numba's version is part of the digest, and the tests call every loop through this module.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.compiled import cache, loader
from convcli.engine.threads import lock_over_forks

_SCALARS: dict[str, Any] = {
    "u1": ctypes.c_uint8, "u2": ctypes.c_uint16, "u4": ctypes.c_uint32, "u8": ctypes.c_size_t,
    "i2": ctypes.c_int16, "i4": ctypes.c_int32, "i8": ctypes.c_ssize_t, "f4": ctypes.c_float, "f8": ctypes.c_double,
}  # fmt: skip

_HOMES = {
    "taps": "integers", "separable": "integers", "pairs": "pairs", "separable_pairs": "pairs", "sliding_pairs": "pairs",
    "sweep": "sweep", "block": "blocks", "box": "boxes", "fft": "fourier", "planes": "planes",
}  # fmt: skip

Call = Callable[..., None]
_calls: dict[tuple[str, str], Call] = {}
_compiled: list[str] = []
_lock = lock_over_forks()  # Numba has locks of its own, which are free whenever this one is


def prepare(name: str, *args: Any) -> Call:
    """Return the loop of that name for these types of arguments, ready to be called from any thread."""
    key = name, " ".join(map(_code, args))
    call = _calls.get(key)
    if call is None:
        with _lock:
            call = _calls.get(key) or _calls.setdefault(key, _obtain(*key))
    return call


def loops() -> list[str]:
    """Return the loops that this process has loaded, with the types of their arguments, in the order of first use."""
    return [f"{name} ({' '.join(dict.fromkeys(codes.split()))})" for name, codes in _calls]


def compiled() -> int:
    """Return how many loops this process has compiled because they were not cached."""
    return len(_compiled)


def _code(value: Any) -> str:
    """Return the type of an argument as text: a dtype's code, followed by [] for a flat array."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype.str[1:]}[]"
    return value.dtype.str[1:] if isinstance(value, np.generic) else "i8"


def _obtain(name: str, codes: str) -> Call:
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return _find_loop(name)
    symbol, binary = cache.find(name, codes) or _compile(name, codes)
    return Loop(loader.load(symbol, binary), codes.split())


def _find_loop(name: str) -> Call:
    from importlib import import_module

    factory, *options = name.split(":")
    loops = import_module(f"convcli.engine.loops.{_HOMES[factory]}")
    loop: Call = getattr(loops, factory)(*(int(o) if o.isdigit() else o for o in options))
    return loop


# ---------------------------------------------------------------- compiling


def _compile(name: str, codes: str) -> tuple[str, bytes]:
    """Compile a loop with Numba and cache it if possible; returns its symbol and its object file."""
    _say(f"compiling {name.split(':')[0]} for this machine (once) ...")
    from numba import types

    _compiled.append(name)
    kinds = {code: getattr(types, np.dtype(code).name) for code in _SCALARS}
    signature = [types.Array(kinds[c[:-2]], 1, "C") if c.endswith("[]") else kinds[c] for c in codes.split()]
    loop: Any = _find_loop(name)
    loop.compile(tuple(signature))
    library = loop.overloads[loop.signatures[0]].library
    symbol: str = loop.overloads[loop.signatures[0]].fndesc.llvm_func_name
    binary = bytes(library._get_compiled_object())
    _keep(name, codes, symbol, binary)
    return symbol, binary


def _keep(name: str, codes: str, symbol: str, binary: bytes) -> None:
    if not cache.store(name, codes, symbol, binary):
        _say(f"{cache.folder()} cannot be used to keep machine code; set CONVCLI_CACHE_DIR to a folder of your own")


def _say(message: str) -> None:
    if sys.stderr is not None and sys.stderr.isatty():
        print(f"convcli: {message}", file=sys.stderr, flush=True)


# ---------------------------------------------------------------- calling


class Loop:
    """Machine code of a loop as a function; it runs without the GIL."""

    def __init__(self, address: int, codes: list[str]) -> None:
        self._function = ctypes.CFUNCTYPE(ctypes.c_int)(address)
        self._scalars = [_SCALARS.get(code) for code in codes]

    def __call__(self, *args: Any) -> None:
        """Call the loop with arrays and numbers of the types that it was compiled for."""
        self.run(self.packed(args))

    def packed(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Convert arguments to Numba's calling convention, preceded by pointers for a result and for an error.

        An array becomes seven arguments, of which the fifth is its address.
        """
        packed: list[Any] = [ctypes.byref(ctypes.c_void_p()), ctypes.byref(ctypes.c_void_p())]
        nothing, size = ctypes.c_void_p(), ctypes.c_ssize_t
        for scalar, value in zip(self._scalars, args, strict=True):
            if scalar:
                packed.append(scalar(value if isinstance(value, int) else value.item()))
                continue
            length, each, address = size(value.size), size(value.itemsize), ctypes.c_void_p(value.ctypes.data)
            packed += (nothing, nothing, length, each, address, length, each)
        return tuple(packed)

    def run(self, packed: tuple[Any, ...]) -> None:
        """Call the loop with packed arguments; the caller keeps references to the arrays meanwhile."""
        status = self._function(*packed)
        if status not in (0, -2):
            raise RuntimeError(f"a compiled loop failed with status {status}")


class Bound:
    """A loop with all its arguments except the first two arrays, which are passed to each call.

    The other arrays are working memory, so only one call at a time may run. Packing the arguments once saves more time
    than a small picture takes.
    """

    def __init__(self, call: Call, args: tuple[Any, ...]) -> None:
        self.call, self.rest = call, args[2:]
        self._packed = call.packed(args) if isinstance(call, Loop) else ()

    def __call__(self, first: NDArray[Any], second: NDArray[Any]) -> None:
        """Call the loop with two arrays of the same dtypes and lengths as those that it was bound with."""
        if not isinstance(self.call, Loop):
            self.call(first, second, *self.rest)
            return
        self._packed[6].value, self._packed[13].value = first.ctypes.data, second.ctypes.data
        self.call.run(self._packed)
