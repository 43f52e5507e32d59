"""Instructions for the processor's caches that Numba lacks: prefetch and store fence."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from convcli.engine.loops.shared import jit

_intrinsic: Any = intrinsic
_plain = bool(getattr(config, "DISABLE_JIT", 0))

_INT = ir.IntType(32)
LINE = 64  # bytes of a cache line


def hint(builder: Any, pointer: Any, write: bool = False) -> None:
    """Prefetch the memory at the pointer, for reading or writing; any address is allowed, even an invalid one."""
    pointer = builder.bitcast(pointer, ir.IntType(8).as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [pointer.type, _INT, _INT, _INT])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
    builder.call(function, [pointer, _INT(int(write)), _INT(3), _INT(1)])  # into all caches, as data


@_intrinsic
def _soon(context, src, i):
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        hint(builder, builder.gep(context.make_array(signature.args[0])(context, builder, args[0]).data, [args[1]]))
        return context.get_dummy_value()

    return types.void(src, i), emit


@jit
def soon(src, first, last):
    """Prefetch src[first:last] for reading."""
    for i in range(first, last, LINE // src.itemsize):
        _soon(src, i)


@_intrinsic
def fence(context):
    """Make everything written past the caches visible to all threads."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse.sfence"), [])
        return context.get_dummy_value()

    return types.void(), emit


if _plain:

    def soon(src, first, last):
        """Do nothing, since nothing is compiled."""
