"""What depends on the machine: which processor it is, and how machine code gets into memory."""

from __future__ import annotations

import ctypes
import os
import struct
from functools import cache
from pathlib import Path
from typing import Any

from convcli.engine import elf

# Symbols that a loop may leave undefined. None of the first is ever reached: arrays come in without an owner to
# release, so they are pointed at abort(). Any other undefined symbol means that the object is not what we compiled.
_UNREACHED = ("NRT_MemInfo_call_dtor", "NRT_Free", "NRT_decref", "NRT_incref")
_LIBC = ("memset", "memcpy", "memmove")

_MALFORMED = (ValueError, LookupError, StopIteration, struct.error)  # what a file that is no object file leads to
_MODALIAS = Path("/sys/devices/system/cpu/modalias")  # Linux's name for the processor, by which it finds its drivers
_AVX2, _AVX512BW = "0125", "013E"  # there: 32 * word + bit of Linux's arch/x86/include/asm/cpufeatures.h, in hex
_TOLD = ("NUMBA_DISABLE_JIT", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_ENABLE_AVX")
_keep: list[Any] = []  # execution engines: their code lives as long as they do


@cache
def llvm() -> Any:
    """llvmlite's binding, set up for this processor. Its import takes longer than a small picture does."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for symbol in _UNREACHED:
        llvm.add_symbol(symbol, _address(symbol))
    return llvm


def processor() -> str:
    """The processor's kind and features, as CPUID tells them: in the kernel's words, or where it has none in LLVM's."""
    try:
        words = _MODALIAS.read_text()
    except OSError:
        words = ""
    if ":type:x86," in words and ":feature:" in words:
        return words
    features = llvm().get_host_cpu_features().flatten()
    return "\0".join((llvm().get_process_triple(), llvm().get_host_cpu_name(), features))


@cache
def vector_bytes() -> int:
    """How long the processor's vectors are: 64, 32 or 16 bytes; 16 where Numba is told what to compile for."""
    if any(os.environ.get(name) for name in _TOLD):
        return 16
    _, found, listed = processor().partition(":feature:")
    features = listed.strip().split(",")
    if not found:
        told = llvm().get_host_cpu_features()
        features = [number for number, name in ((_AVX2, "avx2"), (_AVX512BW, "avx512bw")) if told.get(name)]
    return 64 if _AVX512BW in features else 32 if _AVX2 in features else 16


def sound(binary: bytes) -> bool:
    """Whether it is an object that leaves only such symbols undefined as we know of."""
    try:
        return set(elf.undefined(binary)) <= {*_UNREACHED, *_LIBC}
    except _MALFORMED:
        return False


def load(symbol: str, binary: bytes) -> int:
    """The address of the symbol in the object file, made executable."""
    try:
        return elf.place(binary, symbol, {name: _address(name) for name in (*_UNREACHED, *_LIBC)})
    except (*_MALFORMED, OSError):
        return _load_by_llvm(symbol, binary)


def _load_by_llvm(symbol: str, binary: bytes) -> int:
    machine = llvm().Target.from_default_triple().create_target_machine()
    engine = llvm().create_mcjit_compiler(llvm().parse_assembly(""), machine)
    engine.add_object_file(llvm().ObjectFileRef.from_data(binary))
    engine.finalize_object()
    _keep.append(engine)
    return int(engine.get_function_address(symbol))


def _address(symbol: str) -> int:
    """Where an undefined symbol is found."""
    libc = ctypes.CDLL(None) if os.name == "posix" else ctypes.cdll.msvcrt
    return ctypes.cast(libc.abort if symbol in _UNREACHED else libc[symbol], ctypes.c_void_p).value or 0
