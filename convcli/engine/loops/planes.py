"""The loop of conv2d: register tiles of several feature maps by several vectors of pixels.

    map[m, y, x] = start[m] + sum over taps t of weight[t, m] * source[offset[t] + y*row + x]

Every value is one chain of multiply-adds in the order of the taps, whatever tile it falls into: nothing of the result
depends on how the planes are cut or on the number of threads.

Numba's vectoriser cannot keep a tile of sums in registers over a loop of unknown length, so the tile is written down
as LLVM's vector instructions: for each tap `wide` loads of pixels and `tall` weights feed tall*wide multiply-adds. Four
maps by four vectors need 8 loads for 16 multiply-adds, and a third to a half of the registers hold sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy import uintp

_njit: Any = njit
_intrinsic: Any = intrinsic
jit = _njit(nogil=True, error_model="numpy")
entry = _njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)

TALL = 4  # maps in a tile

_WORD = ir.IntType(64)


def planes(lanes: int, wide: int) -> Callable[..., Any]:
    """The loop for vectors of so many lanes, `wide` of them (3 or 4) in the largest tile."""
    most4, two4, one4 = (_tile(TALL, v, lanes) for v in (wide, 2, 1))
    most1, two1, one1 = (_tile(1, v, lanes) for v in (wide, 2, 1))
    most, lane, take = wide, lanes, _turns()

    @jit
    def row(source, base, offsets, taps, weights, start, m, tall, out, place, plane, columns, spare):
        """One row of `tall` maps from m on, tile by tile; the last tile is pushed back so that it ends at the edge."""
        at = m * taps
        x = uintp(0)
        while x < columns:
            left = (columns - x + uintp(lane - 1)) // uintp(lane)
            v = uintp(most) if left >= uintp(most) else (uintp(2) if left >= uintp(2) else uintp(1))
            if v * uintp(lane) > columns:
                v = uintp(2) if uintp(2 * lane) <= columns else uintp(1)
            span = v * uintp(lane)
            if span > columns:
                if tall == uintp(TALL):
                    one4(source, base, offsets, taps, weights, at, start, m, spare, uintp(0), span)
                else:
                    one1(source, base, offsets, taps, weights, at, start, m, spare, uintp(0), span)
                for a in range(tall):
                    for i in range(columns):
                        out[place + a * plane + i] = spare[a * span + i]
                return
            if x + span > columns:
                x = columns - span
            here, there = base + x, place + x
            if tall == uintp(TALL):
                if v == uintp(most):
                    most4(source, here, offsets, taps, weights, at, start, m, out, there, plane)
                elif v == uintp(2):
                    two4(source, here, offsets, taps, weights, at, start, m, out, there, plane)
                else:
                    one4(source, here, offsets, taps, weights, at, start, m, out, there, plane)
            elif v == uintp(most):
                most1(source, here, offsets, taps, weights, at, start, m, out, there, plane)
            elif v == uintp(2):
                two1(source, here, offsets, taps, weights, at, start, m, out, there, plane)
            else:
                one1(source, here, offsets, taps, weights, at, start, m, out, there, plane)
            x += span

    @jit
    def strided(source, to, x, begin, n, stride):
        """n numbers of x, `stride` apart; the strides that layers have are written out, so that they vectorise."""
        into, seen = source[to : to + n], x[begin : begin + (n - uintp(1)) * stride + uintp(1)]
        if stride == uintp(1):
            for q in range(n):
                into[q] = seen[q]
        elif stride == uintp(2):
            for q in range(n):
                into[q] = seen[uintp(2) * q]
        else:
            for q in range(n):
                into[q] = seen[stride * q]

    @jit
    def fill(source, x, place, depth, height, width, rowmap, first, count, needed, colmap, runs, pitch):
        """Padded rows of some planes: `runs` of x's columns (from, to, first column), and `colmap` around them."""
        stride = uintp(runs.size) // uintp(3)
        for c in range(depth):
            for r in range(needed):
                to = (c * count + r) * pitch
                seen = rowmap[first + r]
                if seen < 0:
                    for q in range(pitch):
                        source[to + q] = 0
                    continue
                origin = place + (c * height + uintp(seen)) * width
                done = uintp(0)
                for phase in range(stride):
                    at = uintp(3) * phase
                    for q in range(done, runs[at]):
                        source[to + q] = x[origin + uintp(colmap[q])] if colmap[q] >= 0 else 0
                    done = runs[at + uintp(1)]
                    strided(source, to + runs[at], x, origin + runs[at + uintp(2)], done - runs[at], stride)
                for q in range(done, pitch):
                    source[to + q] = x[origin + uintp(colmap[q])] if colmap[q] >= 0 else 0

    @entry
    def loop(
        x, weights, start, offsets, rowmap, colmap, runs, out, source, spare,
        images, channels, height, width, maps, groups, taps, rows, columns, step, reach,
        pitch, count, band, turn,
    ):  # fmt: skip
        """All bands of `band` rows of all groups of all images that no other thread has taken: turn[0] are taken."""
        depth, per = uintp(channels // groups), uintp(maps // groups)
        bands = (rows + band - 1) // band
        plane, full = uintp(rows * columns), per // uintp(TALL) * uintp(TALL)
        while True:
            job = take(turn)
            if job >= images * groups * bands:
                return
            part, m0 = uintp(job // bands), uintp(job // bands % groups) * per
            y0 = job % bands * band
            y1 = min(y0 + band, rows)
            needed = uintp((y1 - y0 - 1) * step + reach)
            fill(
                source, x, part * depth * uintp(height * width), depth, uintp(height), uintp(width),
                rowmap, uintp(y0 * step), uintp(count), needed, colmap, runs, uintp(pitch),
            )  # fmt: skip
            for y in range(y0, y1):
                base = uintp((y - y0) * step * pitch)
                to = part * per * plane + uintp(y * columns)
                m = uintp(0)
                while m < per:
                    tall = uintp(TALL) if m < full else uintp(1)
                    row(
                        source, base, offsets, uintp(taps), weights, start, m0 + m, tall,
                        out, to + m * plane, plane, uintp(columns), spare,
                    )  # fmt: skip
                    m += tall

    done: Callable[..., Any] = loop
    return done


def _turns() -> Any:
    """take(turn): add one to turn[0], whatever other threads do to it meanwhile; the number that stood there before."""
    if getattr(config, "DISABLE_JIT", 0):
        return _taken

    @_intrinsic
    def take(context, turn):
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = context.make_array(signature.args[0])(context, builder, args[0]).data
            return builder.atomic_rmw("add", place, _WORD(1), "monotonic")

        return types.intp(turn), emit

    return take


def _taken(turn: Any) -> int:
    before = int(turn[0])
    turn[0] += 1
    return before


def _tile(tall: int, wide: int, lanes: int) -> Any:
    """The tile as a function for the loop above.

    tile(source, base, offsets, taps, weights, at, start, m, out, place, plane): taps from `offsets`, their `tall`
    weights side by side from `at` on; the sums begin with start[m], ...; row a goes to out[place + a*plane].
    """

    if getattr(config, "DISABLE_JIT", 0):
        return _Plain(tall, wide, lanes)

    @_intrinsic
    def tile(context, source, base, offsets, taps, weights, at, start, m, out, place, plane):
        signature = types.void(source, base, offsets, taps, weights, at, start, m, out, place, plane)
        return signature, partial(_emit, tall, wide, lanes)

    return tile


@dataclass(frozen=True)
class _Plain:
    """The same tile without a compiler, for when Numba is told to do without."""

    tall: int
    wide: int
    lanes: int

    def __call__(self, source, base, offsets, taps, weights, at, start, m, out, place, plane):
        span = self.wide * self.lanes
        for a in range(self.tall):
            total = np.full(span, start[m + a])
            for t in range(taps):
                here = base + offsets[t]
                total += weights[at + t * self.tall + a] * source[here : here + span]
            out[place + a * plane : place + a * plane + span] = total


def _emit(tall: int, wide: int, lanes: int, context: Any, builder: Any, signature: Any, args: Any) -> Any:
    _, base, _, taps, _, at, _, m, _, place, plane = args
    source, offsets, weights, start, out = (
        context.make_array(signature.args[i])(context, builder, args[i]).data for i in (0, 2, 4, 6, 8)
    )
    number = source.type.pointee
    size = context.get_abi_sizeof(number)
    vector = ir.VectorType(number, lanes)
    kind = ir.FunctionType(vector, [vector] * 3)
    fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{lanes}f{size * 8}")

    def vector_at(pointer: Any, index: Any) -> Any:
        return builder.bitcast(builder.gep(pointer, [index]), vector.as_pointer())

    def spread(pointer: Any, index: Any) -> Any:
        value = builder.load(builder.gep(pointer, [index]))
        nothing = ir.Constant(vector, ir.Undefined)
        one = builder.insert_element(nothing, value, ir.IntType(32)(0))
        return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes))

    begins = [spread(start, builder.add(m, _WORD(a))) for a in range(tall)]
    starts = [builder.gep(source, [builder.add(base, _WORD(v * lanes))]) for v in range(wide)]
    before, body, after = builder.block, builder.append_basic_block("taps"), builder.append_basic_block("done")
    builder.branch(body)
    builder.position_at_end(body)
    tap, sums = builder.phi(_WORD), [builder.phi(vector) for _ in range(tall * wide)]
    tap.add_incoming(_WORD(0), before)
    for cell, sum_ in enumerate(sums):
        sum_.add_incoming(begins[cell // wide], before)
    offset = builder.load(builder.gep(offsets, [tap]))
    seen = [builder.load(vector_at(pointer, offset), align=size) for pointer in starts]
    beside = builder.add(at, builder.mul(tap, _WORD(tall)))
    factors = [spread(weights, builder.add(beside, _WORD(a))) for a in range(tall)]
    added = [builder.call(fma, [factors[c // wide], seen[c % wide], sum_]) for c, sum_ in enumerate(sums)]
    following = builder.add(tap, _WORD(1))
    tap.add_incoming(following, body)
    for sum_, value in zip(sums, added, strict=True):
        sum_.add_incoming(value, body)
    builder.cbranch(builder.icmp_unsigned("<", following, taps), body, after)
    builder.position_at_end(after)
    for cell, value in enumerate(added):
        to = builder.add(place, builder.add(builder.mul(plane, _WORD(cell // wide)), _WORD(cell % wide * lanes)))
        builder.store(value, vector_at(out, to), align=size)
    return context.get_dummy_value()
