"""Float loops for dense kernels, and for sums of separable ones: four rows at a time in register tiles.

    r[y + k*gap, x] = start + sum over j, i of w[j, i] * ring[y*stride + (k*hop + i)*apart, x + places[j]],  k = 0..3

Every value is one chain of multiply-adds in the order of the taps, in whatever tile it is computed. A loaded sample is
used for up to four rows. Numba's vectoriser would store and reload every sum, so the tile is written in LLVM's vector
instructions: sums stay in registers from the first tap to the rounded pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy import uintp

from convcli.engine.loops.prefetch import soon
from convcli.engine.loops.shared import FINISH, Loop, claim, entry, infinite
from convcli.engine.loops.strides import split

BLOCK = 4  # rows of the map that share each load

_WORD, _INT = ir.IntType(64), ir.IntType(32)
_MAGIC = 12582912.0  # 1.5 * 2^23: see `levels`
_intrinsic: Any = intrinsic


def block(finish: str, rows: int, hop: int, lanes: int, wide: int, step: int = 1, channels: int = 0) -> Loop:
    """Build the loop for `rows` kernel rows in a pass; tiles are BLOCK rows by `wide` vectors of `lanes` samples.

    Rows of the map that share loads lie `gap` apart and read the picture `hop` rows of the kernel apart. A row enters
    the ring divided into the `step` phases of the stride, so that only columns that are kept are computed. For a sum
    of separable kernels, rows are filtered horizontally as they enter; the terms then take the place of the columns.
    """
    onto, through = _tile(BLOCK, rows, hop, lanes, wide, False), _tile(BLOCK, rows, hop, lanes, wide, True)
    along, enter, finished = _tile(1, 1, 0, lanes, wide, False), split(step, channels), FINISH[finish]
    span = wide * lanes

    @entry
    def block(
        dst, src, rowmap, colmap, inside, pitch, value, terms, hw, beside, w, places, begin, kept, tile, reach,
        scale, divisor, shift, magnitude, top, stride, apart, gap, step, channels, y0, y1, ring, width, held, line,
        lot, acc, at, counts,
    ):  # fmt: skip
        """dst[y, p] = finish(begin + sum over j, i of w[*, j, i] * ring[y*stride + (pass*rows+i)*apart, p + places[j]])

        The ring holds rows of the picture in phases, or for each term the row filtered with hw at offsets `beside`.
        begin: the initial value of the sums, then zeros. counts: samples saturated below, above, and not finite.
        """
        columns = places.size
        passes, sources = w.size // (rows * columns), rows + (BLOCK - 1) * hop
        across, length = hw.size // max(terms, 1), width // max(terms, 1)
        mask = np.uint32(0x7FFFFFFF) if magnitude < 0 else np.uint32(0xFFFFFFFF)
        none = uintp(0)
        for x0 in range(0, kept, tile):
            m = min(tile, kept - x0)
            held[:] = -1
            for first in range(y0, y1, BLOCK * gap):
                for y in range(first, min(first + gap, y1)):
                    for i in range((passes - 1) * rows + sources):
                        r = y * stride + i * apart
                        slot = r % held.size
                        if not claim(held, slot, r):
                            continue
                        q = ring[slot * width : (slot + 1) * width]
                        row = rowmap[r] if r < rowmap.size else -1
                        entering = line if terms > 0 else q
                        if row < 0:
                            entering[:] = value
                        else:
                            size, base = m + reach, row * pitch
                            enter(entering, lot, size, src, base, x0, colmap, inside, pitch, value, step, channels)
                            soon(src, base + BLOCK * pitch + x0 * step, base + BLOCK * pitch + (x0 + m) * step)
                            for f in range(step if src.itemsize == 4 else 0):
                                counts[2] += infinite(entering[f * lot : f * lot + size])
                        at[0] = none
                        for k in range(terms):
                            for x in range(0, m, span):
                                to = uintp(slot * width + k * length + x)
                                along(
                                    line, at, uintp(x), hw, uintp(k * across), uintp(across), beside, begin,
                                    uintp(span), none, ring, to, none, scale, shift, mask, top, counts,
                                )  # fmt: skip
                    whole = divisor == 0 and y + (BLOCK - 1) * gap < y1
                    full = m // span * span if whole else 0  # up to here the tiles turn sums into pixels themselves
                    for part in range(passes):
                        for k in range(sources):
                            at[k] = uintp((y * stride + (part * rows + k) * apart) % held.size * width)
                        weights = uintp(part * rows * columns)
                        for x in range(0, m, span):
                            here = uintp(x)
                            start, place, further = begin, none, none
                            if part > 0:
                                start, place, further = acc, here, uintp(tile + span)
                            if part == passes - 1 and x < full:
                                through(
                                    ring, at, here, w, weights, uintp(columns), places, start, place, further,
                                    dst, uintp(y * kept + x0 + x), uintp(gap * kept), scale, shift, mask, top, counts,
                                )  # fmt: skip
                            else:
                                onto(
                                    ring, at, here, w, weights, uintp(columns), places, start, place, further,
                                    acc, here, uintp(tile + span), scale, shift, mask, top, counts,
                                )  # fmt: skip
                    if full < m:
                        for k in range(BLOCK):
                            if y + k * gap < y1:
                                rest = acc[k * (tile + span) + full : k * (tile + span) + m]
                                to = (y + k * gap) * kept + x0 + full
                                out = dst[to : to + rest.size]
                                finished(out, rest, rest.size, scale, divisor, shift, magnitude, top, counts)

    return block


def _tile(block: int, rows: int, hop: int, lanes: int, wide: int, finished: bool) -> Any:
    """Build the tile, a function that the loop above calls.

    tile(ring, at, x, w, first, columns, places, start, place, further, out, to, pitch, scale, shift, mask, top, counts)

    The sums of row k of `block` start from start[place + k*further ...] and are written to out[to + k*pitch ...], as
    they are, or finished as `levels` and `floats` do.
    """
    if getattr(config, "DISABLE_JIT", 0):
        return _Plain(block, rows, hop, lanes * wide, finished)

    @_intrinsic
    def tile(
        context, ring, at, x, w, first, columns, places, start, place, further, out, to, pitch, scale, shift, mask, top,
        counts,
    ):  # fmt: skip
        signature = types.void(
            ring,
            at,
            x,
            w,
            first,
            columns,
            places,
            start,
            place,
            further,
            out,
            to,
            pitch,
            scale,
            shift,
            mask,
            top,
            counts,
        )
        return signature, partial(_emit, block, rows, hop, lanes, wide, finished)

    return tile


@dataclass(frozen=True)
class _Plain:
    """The same tile in Python, for when Numba's compiler is disabled."""

    block: int
    rows: int
    hop: int
    span: int
    finished: bool

    def __call__(
        self, ring, at, x, w, first, columns, places, start, place, further, out, to, pitch, scale, shift, mask, top,
        counts,
    ):  # fmt: skip
        finish = FINISH["floats" if out.dtype.kind == "f" else "levels"]
        for k in range(self.block):
            total = np.array(start[place + k * further : place + k * further + self.span])
            for j in range(columns):
                for i in range(self.rows):
                    here = at[k * self.hop + i] + x + places[j]
                    total += w[first + j * self.rows + i] * ring[here : here + self.span]
            row = out[to + k * pitch : to + k * pitch + self.span]
            if self.finished:
                magnitude = np.float32(1 if mask == 0xFFFFFFFF else -1)
                finish(row, total, self.span, scale, np.float32(0), shift, magnitude, top, counts)
            else:
                row[:] = total


def _emit(
    block: int, rows: int, hop: int, lanes: int, wide: int, finished: bool,
    context: Any, builder: Any, signature: Any, args: Any,
) -> Any:  # fmt: skip
    _, _, x, _, first, columns, _, _, place, further, _, to, pitch, scale, shift, mask, top, _ = args
    ring, at, w, places, start, out, counts = (
        context.make_array(signature.args[i])(context, builder, args[i]).data for i in (0, 1, 3, 6, 7, 10, 17)
    )
    vector = ir.VectorType(ir.FloatType(), lanes)
    kind = ir.FunctionType(vector, [vector] * 3)
    fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{lanes}f32")

    def near(pointer: Any, index: Any, kind: Any = vector) -> Any:
        return builder.bitcast(builder.gep(pointer, [index]), kind.as_pointer())

    def cell(origin: Any, apart: Any, k: int, v: int) -> Any:
        return builder.add(origin, builder.add(builder.mul(apart, _WORD(k)), _WORD(v * lanes)))

    def splat(value: Any) -> Any:
        nothing = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
        one = builder.insert_element(nothing, value, _INT(0))
        return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(_INT, lanes), [0] * lanes))

    serves = [[k for k in range(block) if 0 <= s - k * hop < rows] for s in range(rows + (block - 1) * hop)]
    sources = {s: builder.add(builder.load(builder.gep(at, [_WORD(s)])), x) for s, ks in enumerate(serves) if ks}
    cells = [(k, v) for k in range(block) for v in range(wide)]
    begins = [builder.load(near(start, cell(place, further, k, v)), align=4) for k, v in cells]
    before, body, after = builder.block, builder.append_basic_block("columns"), builder.append_basic_block("done")
    builder.branch(body)
    builder.position_at_end(body)
    column, sums = builder.phi(_WORD), {c: builder.phi(vector) for c in cells}
    column.add_incoming(_WORD(0), before)
    for c, value in zip(cells, begins, strict=True):
        sums[c].add_incoming(value, before)
    beside = builder.add(first, builder.mul(column, _WORD(rows)))
    factors = [splat(builder.load(builder.gep(w, [builder.add(beside, _WORD(i))]))) for i in range(rows)]
    across, added = builder.load(builder.gep(places, [column])), dict(sums)
    for s, source in sources.items():
        here = builder.add(source, across)
        for v in range(wide):
            seen = builder.load(near(ring, builder.add(here, _WORD(v * lanes))), align=4)
            for k in serves[s]:
                added[k, v] = builder.call(fma, [factors[s - k * hop], seen, added[k, v]])
    following = builder.add(column, _WORD(1))
    column.add_incoming(following, body)
    for c in cells:
        sums[c].add_incoming(added[c], body)
    builder.cbranch(builder.icmp_unsigned("<", following, columns), body, after)
    builder.position_at_end(after)
    pixel, size = ir.FloatType(), 4
    if finished:
        bits = ir.VectorType(_INT, lanes)
        scales, shifts, masks = splat(scale), splat(shift), splat(mask)
        for c in cells:
            value = builder.bitcast(builder.call(fma, [added[c], scales, shifts]), bits)
            added[c] = builder.bitcast(builder.and_(value, masks), vector)
        pixel, size = out.type.pointee, context.get_abi_sizeof(out.type.pointee)
        if pixel != ir.FloatType():
            added = _rounded(builder, added, pixel, splat(top), counts)
    for k, v in cells:
        builder.store(added[k, v], near(out, cell(to, pitch, k, v), ir.VectorType(pixel, lanes)), align=size)
    return context.get_dummy_value()


def _rounded(builder: Any, values: dict[Any, Any], pixel: Any, top: Any, counts: Any) -> dict[Any, Any]:
    """Round and saturate values to pixels as `levels` does; adds to counts[0] and counts[1]."""
    lanes = top.type.count

    def each(number: float) -> Any:
        return ir.Constant(top.type, [number] * lanes)

    flags = ir.IntType(lanes)
    ones = cgutils.get_or_insert_function(builder.module, ir.FunctionType(flags, [flags]), f"llvm.ctpop.i{lanes}")
    pixels, changed = {}, ir.Constant(flags, 0)
    for c, value in values.items():
        positive = builder.select(builder.fcmp_ordered(">", value, each(0.0)), value, each(0.0))
        kept = builder.select(builder.fcmp_ordered("<", positive, top), positive, top)
        changed = builder.or_(changed, builder.bitcast(builder.fcmp_unordered("!=", kept, value), flags))
        bits = builder.bitcast(builder.fadd(kept, each(_MAGIC)), ir.VectorType(_INT, lanes))
        pixels[c] = builder.trunc(bits, ir.VectorType(pixel, lanes))  # the low bits of the sum are the integer
    with builder.if_then(builder.icmp_unsigned("!=", changed, ir.Constant(flags, 0)), likely=False):
        beyond = ("<", each(-0.5)), (">=", builder.fadd(top, each(0.5)))
        for side, (sign, limit) in enumerate(beyond):
            place = builder.gep(counts, [_WORD(side)])
            total = builder.load(place)
            for value in values.values():
                found = builder.call(ones, [builder.bitcast(builder.fcmp_ordered(sign, value, limit), flags)])
                total = builder.add(total, builder.zext(found, _WORD))
            builder.store(total, place)
    return pixels
