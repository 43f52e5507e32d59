"""Machine code of the loops: compiled once with Numba, kept in a cache, loaded without importing Numba.

Importing Numba and setting up its compiler takes a second and more, loading an object file some milliseconds. A loop
is named by a string, `taps:6` or `sweep:levels`, and compiled for the types of the arguments it is first called with.
The object files lie in a folder of the user's own; whoever can write there can run code as the user, so a folder or a
file that others can write to is not used. A file carries its own digest, and its name the digest of everything that
made it: our source, the versions, the processor. What does not match is compiled again, never run.

The calling convention is Numba's own (`int f(void **ret, void **exc, args...)`, 0 or -2 is well; an array is passed as
meminfo, parent, size, itemsize, data, shape, stride). It is private to Numba, as is the way to the object file: the
version is part of the digest, and the tests call every loop through here.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import stat
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

# Symbols that a loop may leave undefined. None of them is ever reached: arrays come in without an owner to release, so
# they are pointed at abort(). Any other undefined symbol means that the object is not what we compiled.
_UNREACHED = ("NRT_MemInfo_call_dtor", "NRT_Free", "NRT_decref", "NRT_incref")
_LIBC = ("memset", "memcpy", "memmove")

_SCALARS: dict[str, Any] = {
    "u1": ctypes.c_uint8, "u2": ctypes.c_uint16, "u4": ctypes.c_uint32, "u8": ctypes.c_size_t,
    "i2": ctypes.c_int16, "i4": ctypes.c_int32, "i8": ctypes.c_ssize_t, "f4": ctypes.c_float, "f8": ctypes.c_double,
}  # fmt: skip

_HOMES = {
    "taps": "integers", "separable": "integers", "sweep": "floats", "block": "floats", "box": "boxes",
    "fft": "fourier", "planes": "planes",
}  # fmt: skip

Call = Callable[..., None]
_calls: dict[tuple[str, str], Call] = {}
_compiled: list[str] = []
_lock = threading.Lock()
_keep: list[Any] = []  # execution engines: their code lives as long as they do


def run(name: str, *args: Any) -> None:
    """Call the loop of that name, compiling it if this machine has not met it with such arguments."""
    prepare(name, *args)(*args)


def prepare(name: str, *args: Any) -> Call:
    """The loop of that name for such arguments, ready to be called from any thread."""
    key = name, " ".join(map(_code, args))
    call = _calls.get(key)
    if call is None:
        with _lock:
            call = _calls.get(key) or _calls.setdefault(key, _obtain(*key))
    return call


def loops() -> list[str]:
    """The loops that this process has ready, with the types of their arguments, in the order of their first use."""
    return [f"{name} ({' '.join(dict.fromkeys(codes.split()))})" for name, codes in _calls]


def compiled() -> int:
    """How many loops this process has compiled, for want of kept machine code."""
    return len(_compiled)


def _code(value: Any) -> str:
    """The type of an argument: a dtype's code, with [] behind it for a flat array."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype.str[1:]}[]"
    return value.dtype.str[1:] if isinstance(value, np.generic) else "i8"


def _obtain(name: str, codes: str) -> Call:
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return _find_loop(name)
    symbol, binary = _cached(name, codes) or _compile(name, codes)
    return _bind(_load(symbol, binary), codes.split())


def _find_loop(name: str) -> Call:
    from importlib import import_module

    factory, *options = name.split(":")
    loops = import_module(f"convcli.engine.loops.{_HOMES[factory]}")
    loop: Call = getattr(loops, factory)(*(int(o) if o.isdigit() else o for o in options))
    return loop


@cache
def vector_bytes() -> int:
    """How long the processor's vectors are: 64, 32 or 16 bytes."""
    features = _llvm().get_host_cpu_features()
    return 64 if features.get("avx512f") else 32 if features.get("avx2") else 16


# ---------------------------------------------------------------- compiling


def _compile(name: str, codes: str) -> tuple[str, bytes]:
    """The loop's symbol and its object file, from Numba; kept if there is a place."""
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
    _store(name, codes, symbol, binary)
    return symbol, binary


def _say(message: str) -> None:
    if sys.stderr is not None and sys.stderr.isatty():
        print(f"convcli: {message}", file=sys.stderr, flush=True)


# ---------------------------------------------------------------- loading


@cache
def _llvm() -> Any:
    """llvmlite's binding, set up for this processor."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    libc = ctypes.CDLL(None) if os.name == "posix" else ctypes.cdll.msvcrt
    unreachable = ctypes.cast(libc.abort, ctypes.c_void_p).value
    for symbol in _UNREACHED:
        llvm.add_symbol(symbol, unreachable)
    return llvm


def _load(symbol: str, binary: bytes) -> int:
    """The address of the symbol in the object file, made executable."""
    llvm = _llvm()
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(binary))
    engine.finalize_object()
    _keep.append(engine)
    return int(engine.get_function_address(symbol))


def _bind(address: int, codes: list[str]) -> Call:
    """A Python function that calls the code at the address; it holds no GIL while it runs."""
    pointer, size = ctypes.c_void_p, ctypes.c_ssize_t
    spread = [[pointer, pointer, size, size, pointer, size, size] if c.endswith("[]") else [_SCALARS[c]] for c in codes]
    kinds: list[Any] = [kind for argument in spread for kind in argument]
    function = ctypes.CFUNCTYPE(ctypes.c_int, pointer, pointer, *kinds)(address)

    def call(*args: Any) -> None:
        flat: list[Any] = []
        for value in args:
            if isinstance(value, np.ndarray):
                flat += (None, None, value.size, value.itemsize, value.ctypes.data, value.size, value.itemsize)
            else:
                flat.append(value if isinstance(value, int) else value.item())
        result, problem = ctypes.c_void_p(), ctypes.c_void_p()
        status = function(ctypes.addressof(result), ctypes.addressof(problem), *flat)
        if status not in (0, -2):
            raise RuntimeError(f"a compiled loop failed with status {status}")

    return call


# ---------------------------------------------------------------- the cache


def folder() -> Path:
    """Where the machine code is kept: CONVCLI_CACHE_DIR, else convcli in the user's cache folder (XDG)."""
    given = os.environ.get("CONVCLI_CACHE_DIR")
    if given:
        return Path(given)
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # a user without a home; nothing can be kept below a device
        base = os.devnull
    return Path(base) / "convcli"


@cache
def _maker() -> bytes:
    """What decides the machine code besides the loop's name and types: source, versions, processor."""
    source = b"".join(path.read_bytes() for path in sorted(Path(__file__).with_name("loops").glob("*.py")))
    llvm = _llvm()
    features = llvm.get_host_cpu_features().flatten()
    words = (sys.version, _version("numba"), _version("llvmlite"), llvm.get_process_triple(), llvm.get_host_cpu_name())
    return b"\0".join((source, Path(__file__).read_bytes(), *(w.encode() for w in (*words, features))))


def _version(package: str) -> str:
    """The package's version, from its own file: neither is the package imported, nor the slow way to its metadata."""
    from importlib.util import find_spec

    spec = find_spec(package)
    try:
        return Path(spec.origin if spec and spec.origin else "").with_name("_version.py").read_text()
    except (OSError, ValueError):
        from importlib.metadata import version

        return version(package)


def _path(name: str, codes: str) -> Path:
    digest = hashlib.sha256(b"\0".join((name.encode(), codes.encode(), _maker()))).hexdigest()[:32]
    return folder() / f"{name.replace(':', '-')}-{digest}.o"


def _ours(path: Path) -> bool:
    """Whether the file or folder is the user's and nobody else can write to it."""
    info = path.stat(follow_symlinks=False)
    if not hasattr(os, "getuid"):  # Windows keeps a user's folders from others by other means
        return True
    return info.st_uid == os.getuid() and not info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _cached(name: str, codes: str) -> tuple[str, bytes] | None:
    """What is kept for this loop: None where nothing is, or where it is not to be trusted."""
    path = _path(name, codes)
    try:
        if not (_ours(path.parent) and _ours(path)):
            return None
        content = path.read_bytes()
    except OSError:
        return None
    digest, length = content[:32], int.from_bytes(content[32:34], "little")
    if hashlib.sha256(content[32:]).digest() != digest:
        return None
    symbol, binary = content[34 : 34 + length].decode(), content[34 + length :]
    return (symbol, binary) if _sound(binary) else None


def _store(name: str, codes: str, symbol: str, binary: bytes) -> None:
    """Keep the machine code: written to a temporary name, then renamed, so that a reader finds all of it or nothing."""
    path = _path(name, codes)
    body = len(symbol).to_bytes(2, "little") + symbol.encode() + binary
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _ours(path.parent):
            raise PermissionError
        for leftover in path.parent.glob(".making-*"):  # of a process that was killed; one at work takes seconds
            if leftover.stat().st_mtime < time.time() - 3600:
                leftover.unlink(missing_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".making-")
    except OSError:
        _say(f"{path.parent} cannot be used to keep machine code; set CONVCLI_CACHE_DIR to a folder of your own")
        return
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(body).digest() + body)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)


def _sound(binary: bytes) -> bool:
    """Whether the object leaves only such symbols undefined as we know of."""
    return set(_undefined(binary)) <= {*_UNREACHED, *_LIBC}


def _undefined(binary: bytes) -> list[str]:
    """The undefined symbols of a 64-bit little-endian ELF object (System V ABI, chapter 4)."""
    if binary[:6] != b"\x7fELF\x02\x01":
        return ["not an object file"]
    start, size, count = (*struct.unpack_from("<Q", binary, 40), *struct.unpack_from("<HH", binary, 58))
    sections = [struct.unpack_from("<IIQQQQIIQQ", binary, start + i * size) for i in range(count)]
    names = []
    for _, kind, _, _, offset, length, link, _, _, entry in sections:
        if kind != 2:  # the symbol table
            continue
        strings = sections[link][4]
        for at in range(offset + entry, offset + length, entry):
            name, _, _, section = struct.unpack_from("<IBBH", binary, at)
            if section == 0 and name:
                names.append(binary[strings + name : binary.index(b"\0", strings + name)].decode())
    return names
