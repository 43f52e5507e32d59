"""The processor's identity and the length of its vectors."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

_MODALIAS = Path("/sys/devices/system/cpu/modalias")  # Linux's description of the processor, used to match drivers
_AVX2, _AVX512BW = "0125", "013E"  # features in it: 32 * word + bit in Linux's arch/x86/include/asm/cpufeatures.h, hex
_TOLD = ("NUMBA_DISABLE_JIT", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_ENABLE_AVX")


@cache
def llvm() -> Any:
    """Import llvmlite's binding and set it up for this processor. That takes longer than filtering a small picture."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


def identity() -> str:
    """Return the processor's model and CPUID features as text: from the Linux kernel, elsewhere from LLVM."""
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
    """Return the length of the processor's vectors: 64, 32 or 16 bytes; 16 where Numba's target is set by the user."""
    if any(os.environ.get(name) for name in _TOLD):
        return 16
    _, found, listed = identity().partition(":feature:")
    features = listed.strip().split(",")
    if not found:
        told = llvm().get_host_cpu_features()
        features = [number for number, name in ((_AVX2, "avx2"), (_AVX512BW, "avx512bw")) if told.get(name)]
    return 64 if _AVX512BW in features else 32 if _AVX2 in features else 16
