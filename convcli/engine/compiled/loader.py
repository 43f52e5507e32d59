"""Load machine code into memory, by our own loader of object files or by LLVM's."""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Any

from convcli.engine.compiled import elf
from convcli.engine.compiled.processor import llvm

# Symbols that a loop may leave undefined. The first are never called, since arrays are passed without an owner to
# release, so they resolve to abort(). Any other undefined symbol means that the object is not what we compiled.
_UNREACHED = ("NRT_MemInfo_call_dtor", "NRT_Free", "NRT_decref", "NRT_incref")
_LIBC = ("memset", "memcpy", "memmove")

_MALFORMED = (ValueError, LookupError, StopIteration, struct.error)  # raised for a file that is not an object file
_keep: list[Any] = []  # execution engines: their code lives as long as they do


def sound(binary: bytes) -> bool:
    """Return whether this is an object file whose undefined symbols are all known to us."""
    try:
        return set(elf.undefined(binary)) <= {*_UNREACHED, *_LIBC}
    except _MALFORMED:
        return False


def load(symbol: str, binary: bytes) -> int:
    """Load the object file into executable memory and return the symbol's address."""
    try:
        return elf.place(binary, symbol, {name: _address(name) for name in (*_UNREACHED, *_LIBC)})
    except (*_MALFORMED, OSError):
        return _load_by_llvm(symbol, binary)


def _load_by_llvm(symbol: str, binary: bytes) -> int:
    for unreached in _UNREACHED:
        llvm().add_symbol(unreached, _address(unreached))
    machine = llvm().Target.from_default_triple().create_target_machine()
    engine = llvm().create_mcjit_compiler(llvm().parse_assembly(""), machine)
    engine.add_object_file(llvm().ObjectFileRef.from_data(binary))
    engine.finalize_object()
    _keep.append(engine)
    return int(engine.get_function_address(symbol))


def _address(symbol: str) -> int:
    """Return the address that an undefined symbol resolves to."""
    libc = ctypes.CDLL(None) if os.name == "posix" else ctypes.cdll.msvcrt
    return ctypes.cast(libc.abort if symbol in _UNREACHED else libc[symbol], ctypes.c_void_p).value or 0
