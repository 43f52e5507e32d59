"""Columns of a stride: split a row into as many phases as the stride has columns, or keep only the first phase.

    row[f*lot + i*channels + c] = padded[(i*step + f)*channels + c],  f = 0..step-1

Positions that the stride keeps are then adjacent, and a tap is an offset into one of the phases.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic
from numpy import uintp

from convcli.engine.loops.shared import Loop, jit, load

RUN = 16  # pixels of each phase that vector instructions make at a time

_WORD, _INT, _FLOAT = ir.IntType(64), ir.IntType(32), ir.FloatType()
_intrinsic: Any = intrinsic
_plain = bool(getattr(config, "DISABLE_JIT", 0))


def split(step: int, channels: int) -> Loop:
    """Build the function that splits a row: `size` samples of each phase, from sample x0 of the phase on.

    If step is 0, step and channels are known only at run time.
    """
    if step == 1:

        @jit
        def plain(row, lot, size, src, base, x0, colmap, inside, width, value, step, channels):
            load(row[:size], src, base, x0, colmap, inside, width, value)

        return plain

    run, quick, deal = RUN, step > 0 and not _plain, _deal(step, channels, step)

    @jit
    def each(row, lot, first, last, src, base, start, colmap, value, step, channels):
        """Copy pixels first..last of each phase, one by one."""
        for f in range(step):
            for i in range(first, last):
                for c in range(channels):
                    p = start + (i * step + f) * channels + c
                    s = colmap[p] if p < colmap.size else -1
                    row[f * lot + i * channels + c] = src[base + s] if s >= 0 else value

    @jit
    def dealt(row, lot, size, src, base, x0, colmap, inside, width, value, step, channels):
        unit, start, pixels = step * channels, x0 * step, size // channels
        a = min(max(-(-(inside - start) // unit), 0), pixels)  # pixels a..b of all phases lie in the picture
        b = max(min((inside + width - start) // unit, pixels), a)
        if quick and b - a >= run:
            each(row, lot, 0, a, src, base, start, colmap, value, step, channels)
            for i in range(a, b, run):
                at = min(i, b - run)
                deal(src, uintp(base + start - inside + at * unit), row, uintp(at * channels), uintp(lot))
            a = b
        else:
            a = 0
        each(row, lot, a, pixels, src, base, start, colmap, value, step, channels)

    return dealt


def keep(step: int, channels: int) -> Loop:
    """Build keep(to, row, n, step, channels): copy every step-th pixel of n samples, in place if `to` is the row.

    If step is 0, step and channels are known only at run time.
    """
    if step == 1:

        @jit
        def all_kept(to, row, n, step, channels):
            pass

        return all_kept

    run, quick, deal = RUN, step > 1 and not _plain, _deal(step, channels, 1)

    @jit
    def keep(to, row, n, step, channels):
        if step > 1:
            first, pixels = 0, (n // channels + step - 1) // step
            if quick:
                while (first + run) * step * channels <= n:
                    deal(row, uintp(first * step * channels), to, uintp(first * channels), uintp(0))
                    first += run
            for i in range(first, pixels):
                for c in range(channels):
                    to[i * channels + c] = row[i * step * channels + c]

    return keep


def _deal(step: int, channels: int, phases: int) -> Any:
    """Build deal(src, at, row, to, lot): copy RUN pixels of each phase by LLVM's vector shuffle, which Numba lacks.

    All pixels are read before any is written, so src and row may be the same array.
    """

    @_intrinsic
    def deal(context, src, at, row, to, lot):
        return types.void(src, at, row, to, lot), partial(_emit, step, channels, phases)

    return deal


def _emit(step: int, channels: int, phases: int, context: Any, builder: Any, signature: Any, args: Any) -> Any:
    _, at, _, to, lot = args
    src, row = (context.make_array(signature.args[i])(context, builder, args[i]).data for i in (0, 2))
    sample, count = src.type.pointee, RUN * step * channels
    kind = ir.VectorType(sample, count)
    place = builder.bitcast(builder.gep(src, [at]), kind.as_pointer())
    pixels = builder.load(place, align=context.get_abi_sizeof(sample))
    for f in range(phases):
        for v in range(channels):
            lanes = range(v * RUN, (v + 1) * RUN)
            order = [(lane // channels * step + f) * channels + lane % channels for lane in lanes]
            part = builder.shuffle_vector(
                pixels, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(_INT, RUN), order)
            )
            if sample != row.type.pointee:
                part = builder.uitofp(part, ir.VectorType(_FLOAT, RUN))
            here = builder.add(to, builder.add(builder.mul(lot, _WORD(f)), _WORD(v * RUN)))
            to_here = builder.bitcast(builder.gep(row, [here]), part.type.as_pointer())
            builder.store(part, to_here, align=context.get_abi_sizeof(row.type.pointee))
    return context.get_dummy_value()
