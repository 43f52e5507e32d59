"""Register tiles of conv2d: several feature maps by several vectors of pixels, in LLVM's vector instructions.

Numba's vectoriser cannot keep a tile of sums in registers over a loop of unknown length, so the loop over the taps is
written in instructions: for each tap `wide` loads of pixels and `tall` weights feed tall*wide multiply-adds. Four maps
by four vectors need 8 loads for 16 multiply-adds. Two tiles of four maps by three vectors, for two rows, leave eight of
32 registers for loaded values.
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

_intrinsic: Any = intrinsic

_WORD = ir.IntType(64)


def turns() -> Any:
    """Build take(turn): add one to turn[0] atomically, and return its previous value."""
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


def tile(tall: int, wide: int, lanes: int) -> Any:
    """Build a function that computes a tile in one row of `tall` maps.

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


def pair(tall: int, wide: int, lanes: int) -> Any:
    """Build a function that computes a tile in two rows of `tall` maps, from turned rows.

    pair(source, base, offsets, common, own, weights, at, start, m, out, place, below, plane, alone): the taps of four
    sums, u and v of `common` taps, then p and q of `own`, lie in `offsets` one after the other, and so do their
    weights, `tall` side by side, from `at` on. The upper row start + (u + v) + p goes to out[place + a*plane], and
    unless it is `alone` the lower row start + (u - v) + q to out[below + a*plane].
    Returns 1 where all sums are finite, else 0.
    """
    if getattr(config, "DISABLE_JIT", 0):
        return _PlainPair(tall, wide, lanes)

    @_intrinsic
    def pair(context, source, base, offsets, common, own, weights, at, start, m, out, place, below, plane, alone):
        arguments = (source, base, offsets, common, own, weights, at, start, m, out, place, below, plane, alone)
        return types.uintp(*arguments), partial(_emit_pair, tall, wide, lanes)

    return pair


@dataclass(frozen=True)
class _Plain:
    """The tile of one row in Python, for when Numba's compiler is disabled."""

    tall: int
    wide: int
    lanes: int

    def __call__(self, source, base, offsets, taps, weights, at, start, m, out, place, plane):
        span = self.wide * self.lanes
        for a in range(self.tall):
            total = np.full(span, start[m + a])
            for t in range(taps):
                here = int(base) + int(offsets[t])
                total += weights[at + t * self.tall + a] * source[here : here + span]
            out[place + a * plane : place + a * plane + span] = total


@dataclass(frozen=True)
class _PlainPair:
    """The tile of two rows in Python."""

    tall: int
    wide: int
    lanes: int

    def __call__(
        self, source, base, offsets, common, own, weights, at, start, m, out, place, below, plane, alone
    ):  # fmt: skip
        span, sound = self.wide * self.lanes, 1
        for a in range(self.tall):

            def add(total: Any, first: int, count: int, a: int = a) -> Any:
                for t in range(first, first + count):
                    here = int(base) + int(offsets[t])
                    total = total + weights[at + t * self.tall + a] * source[here : here + span]
                return total

            u, v = (add(np.zeros(span, out.dtype), n * common, common) for n in (0, 1))
            upper = add(start[m + a] + (u + v), 2 * common, own)
            lower = add(start[m + a] + (u - v), 2 * common + own, own)
            out[place + a * plane : place + a * plane + span] = upper
            if not alone:
                out[below + a * plane : below + a * plane + span] = lower
            sound = sound and int(np.isfinite(upper).all() and np.isfinite(lower).all())
        return sound


class _Writer:
    """Writes the vector instructions of a tile."""

    def __init__(self, tall: int, wide: int, lanes: int, context: Any, builder: Any, source: Any) -> None:
        self.tall, self.wide, self.lanes, self.builder = tall, wide, lanes, builder
        number = source.type.pointee
        self.size = context.get_abi_sizeof(number)
        self.vector = ir.VectorType(number, lanes)
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        self.fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{lanes}f{self.size * 8}")

    def spread(self, pointer: Any, index: Any) -> Any:
        """Load the number at that index into every lane of a vector."""
        value = self.builder.load(self.builder.gep(pointer, [index]))
        nothing = ir.Constant(self.vector, ir.Undefined)
        one = self.builder.insert_element(nothing, value, ir.IntType(32)(0))
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(one, nothing, lanes)

    def begins(self, start: Any, m: Any) -> list[Any]:
        """Return the initial sums of the tile: start[m], start[m + 1], ... spread over vectors."""
        return [self.spread(start, self.builder.add(m, _WORD(a))) for a in range(self.tall)]

    def add(
        self, tiles: list[list[Any]], source: Any, base: Any, looks: list[Any], taps: Any, weights: list[Any]
    ) -> Any:
        """Add so many taps, at least one, to the sums of tiles, and return them; looks: each tile's offsets."""
        builder, tall, wide = self.builder, self.tall, self.wide
        starts = [builder.gep(source, [builder.add(base, _WORD(v * self.lanes))]) for v in range(wide)]
        before, body, after = builder.block, builder.append_basic_block("taps"), builder.append_basic_block("done")
        builder.branch(body)
        builder.position_at_end(body)
        tap, cells = builder.phi(_WORD), [[builder.phi(self.vector) for _ in sums] for sums in tiles]
        tap.add_incoming(_WORD(0), before)
        beside = builder.mul(tap, _WORD(tall))
        added: list[list[Any]] = []
        for sums, look, beginning in zip(cells, looks, weights, strict=True):
            offset = builder.load(builder.gep(look, [tap]))
            seen = [builder.load(self._vectors(pointer, offset), align=self.size) for pointer in starts]
            factors = [self.spread(beginning, builder.add(beside, _WORD(a))) for a in range(tall)]
            added.append([builder.call(self.fma, [factors[c // wide], seen[c % wide], x]) for c, x in enumerate(sums)])
        following = builder.add(tap, _WORD(1))
        tap.add_incoming(following, body)
        for sums, begins, ends in zip(cells, tiles, added, strict=True):
            for cell, begin, end in zip(sums, begins, ends, strict=True):
                cell.add_incoming(begin, before)
                cell.add_incoming(end, body)
        builder.cbranch(builder.icmp_unsigned("<", following, taps), body, after)
        builder.position_at_end(after)
        return added

    def store(self, sums: list[Any], out: Any, place: Any, plane: Any) -> None:
        """Store row a of the tile at out[place + a*plane]."""
        builder = self.builder
        for cell, value in enumerate(sums):
            row = builder.add(place, builder.mul(plane, _WORD(cell // self.wide)))
            to = builder.add(row, _WORD(cell % self.wide * self.lanes))
            builder.store(value, self._vectors(out, to), align=self.size)

    def finite(self, sums: list[Any]) -> Any:
        """Return one bit: whether every sum is finite. Others minus themselves give NaN."""
        builder, bits = self.builder, ir.IntType(self.lanes)
        left = [builder.fsub(value, value) for value in sums]
        while len(left) > 1:
            halves = zip(left[::2], left[1::2], strict=False)
            left = [builder.fadd(a, b) for a, b in halves] + left[len(left) & ~1 :]
        odd = builder.fcmp_unordered("uno", left[0], left[0])
        return builder.icmp_unsigned("==", builder.bitcast(odd, bits), bits(0))

    def _vectors(self, pointer: Any, index: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(pointer, [index]), self.vector.as_pointer())


def _pointers(context: Any, builder: Any, signature: Any, args: Any, *places: int) -> list[Any]:
    return [context.make_array(signature.args[i])(context, builder, args[i]).data for i in places]


def _emit(tall: int, wide: int, lanes: int, context: Any, builder: Any, signature: Any, args: Any) -> Any:
    _, base, _, taps, _, at, _, m, _, place, plane = args
    source, offsets, weights, start, out = _pointers(context, builder, signature, args, 0, 2, 4, 6, 8)
    write = _Writer(tall, wide, lanes, context, builder, source)
    begins = [begin for begin in write.begins(start, m) for _ in range(wide)]
    (sums,) = write.add([begins], source, base, [offsets], taps, [builder.gep(weights, [at])])
    write.store(sums, out, place, plane)
    return context.get_dummy_value()


def _emit_pair(tall: int, wide: int, lanes: int, context: Any, builder: Any, signature: Any, args: Any) -> Any:
    _, base, _, common, own, _, at, _, m, _, place, below, plane, alone = args
    source, offsets, weights, start, out = _pointers(context, builder, signature, args, 0, 2, 5, 7, 9)
    write = _Writer(tall, wide, lanes, context, builder, source)

    def add(tiles: list[list[Any]], first: Any, count: Any) -> Any:
        firsts = [first, builder.add(first, count)]
        factors = [builder.gep(weights, [builder.add(at, builder.mul(f, _WORD(tall)))]) for f in firsts]
        return write.add(tiles, source, base, [builder.gep(offsets, [f]) for f in firsts], count, factors)

    zero = [ir.Constant(write.vector, None)] * (tall * wide)
    u, v = add([zero, zero], _WORD(0), common)
    begins = [begin for begin in write.begins(start, m) for _ in range(wide)]
    halves = [
        [builder.fadd(begin, combine(x, y)) for begin, x, y in zip(begins, u, v, strict=True)]
        for combine in (builder.fadd, builder.fsub)
    ]
    upper, lower = add(halves, builder.add(common, common), own)
    write.store(upper, out, place, plane)
    with builder.if_then(builder.icmp_unsigned("==", alone, _WORD(0))):
        write.store(lower, out, below, plane)
    return builder.zext(write.finite(upper + lower), _WORD)
