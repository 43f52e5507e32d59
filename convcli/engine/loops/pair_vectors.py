"""Sums over 8-bit pictures with x86 vector instructions that neither Numba nor LLVM's vectoriser uses.

PMADDUBSW multiplies bytes of the picture by small integers and adds each product to its neighbour's. The samples of two
taps are interleaved for it, so the 16-bit sums of one vector of samples come in two halves; packing them into bytes
restores the order of the samples. The instructions do both within lanes of 16 bytes.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from convcli.engine.loops.prefetch import hint

_intrinsic: Any = intrinsic

_BYTE, _SHORT, _INT, _WORD = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_NAMES = {32: "llvm.x86.avx2.{}", 64: "llvm.x86.avx512.{}.512"}
_MULTIPLY = {32: "pmadd.ub.sw", 64: "pmaddubs.w"}
_AHEAD = 1024  # how many samples before their use the lowest row is prefetched


def taken(count: int) -> Any:
    """Build take(a): a tuple of the first `count` numbers of an array, which the loops keep in registers."""

    @_intrinsic
    def take(context, a):
        kind = types.UniTuple(a.dtype, count)

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            data = context.make_array(signature.args[0])(context, builder, args[0]).data
            numbers = [builder.load(builder.gep(data, [_WORD(t)])) for t in range(count)]
            return context.make_tuple(builder, kind, numbers)

        return kind(a), emit

    return take


def weigh(finish: str, size: int) -> Any:
    """Build a function that computes `size` samples of a row, from the sums to the levels.

    weigh(out, src, x, lanes, stream, offsets, weights, init, magnitude, half, shift, inverse):
        out[x + i] = level(init + sum over t of weights[t] * src[offsets[t] + x + i]),  i = 0..size-1

    finish: the divisor. whole: 1; shifted: 2^shift, and half is 2^(shift-1) - 1; odd: 2*half + 1; even: 2*half.
        In the last two shift is the divisor's binary logarithm, rounded down, and `inverse` the multiplier of Granlund
        and Montgomery, "Division by Invariant Integers using Multiplication" (1994).
    stream: whether to write past the caches; for a result that does not fit in them that avoids reading the memory
        that is overwritten. out[x] must then be aligned to `size`, and `fence` be called at the end.
    offsets, weights: tuples; of two neighbouring weights no product may exceed 16 bits, nor their sum.
    Returns how many of the samples whose bits are set in `lanes` saturate: below, and 2^32 times those above.
    """

    @_intrinsic
    def weigh(context, out, src, x, lanes, stream, offsets, weights, init, magnitude, half, shift, inverse):
        arguments = (out, src, x, lanes, stream, offsets, weights, init, magnitude, half, shift, inverse)
        return types.int64(*arguments), partial(_emit, finish, size)

    return weigh


def across(size: int) -> Any:
    """Build a function that filters `size` samples of a row horizontally and stores them in a ring as two halves.

    across(ring, place, src, x, offsets, weights): ring[place..place+size] = sum over t of
        weights[t] * src[offsets[t] + x + i],  i = 0..size-1, in the order of the halves; the tuples are as in `weigh`.
    """

    @_intrinsic
    def across(context, ring, place, src, x, offsets, weights):
        return types.void(ring, place, src, x, offsets, weights), partial(_emit_across, size)

    return across


def down(finish: str, size: int) -> Any:
    """Build a function that filters rows of a ring vertically, from the sums to the levels; the rest as in `weigh`.

    down(out, x, lanes, ring, place, (offsets, weights), init, magnitude, half, shift, inverse):
        out[x + i] = level(init + sum over t of weights[t] * ring[offsets[t] + place + i])
    """

    @_intrinsic
    def down(context, out, x, lanes, ring, place, rows, init, magnitude, half, shift, inverse):
        arguments = (out, x, lanes, ring, place, rows, init, magnitude, half, shift, inverse)
        return types.int64(*arguments), partial(_emit_rows, _weighed, finish, size)

    return down


def slide(finish: str, size: int) -> Any:
    """Build a function that moves sums over rows of a ring down by one row; the rest as in `weigh`.

    slide(out, x, lanes, ring, place, (sums, enter, leave), init, magnitude, half, shift, inverse):
        sums[place + i] += ring[enter + place + i] - ring[leave + place + i], and
        out[x + i] = level(init + sums[place + i])
    """

    @_intrinsic
    def slide(context, out, x, lanes, ring, place, rows, init, magnitude, half, shift, inverse):
        arguments = (out, x, lanes, ring, place, rows, init, magnitude, half, shift, inverse)
        return types.int64(*arguments), partial(_emit_rows, _slid, finish, size)

    return slide


class _Vectors:
    """Instructions on vectors of `size` bytes, or of half as many 16-bit numbers."""

    def __init__(self, builder: Any, size: int) -> None:
        self.builder, self.size = builder, size
        self.bytes, self.shorts = ir.VectorType(_BYTE, size), ir.VectorType(_SHORT, size // 2)

    def bytes_at(self, pointer: Any, index: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(pointer, [index]), self.bytes.as_pointer())

    def shorts_at(self, pointer: Any, index: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(pointer, [index]), self.shorts.as_pointer())

    def spread(self, value: Any) -> Any:
        """Return a vector with a 16-bit number in every lane."""
        nothing, count = ir.Constant(self.shorts, ir.Undefined), self.size // 2
        one = self.builder.insert_element(nothing, value, _INT(0))
        return self.builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(_INT, count), [0] * count))

    def constant(self, value: int) -> Any:
        return ir.Constant(self.shorts, [value] * (self.size // 2))

    def interleaved(self, pair: list[Any], half: int) -> Any:
        """Interleave two vectors a and b: a0 b0 a1 b1 ... of the lower or upper half of each 16-byte lane."""
        order = [
            lane + 8 * half + i + from_b * self.size
            for lane in range(0, self.size, 16)
            for i in range(8)
            for from_b in (0, 1)
        ]
        return self.builder.shuffle_vector(*pair, ir.Constant(ir.VectorType(_INT, self.size), order))

    def multiplied(self, samples: Any, weights: Any) -> Any:
        """Multiply samples by weights and add each two neighbouring products."""
        return self._call(_MULTIPLY[self.size], self.shorts, samples, weights)

    def packed(self, halves: list[Any], signed: bool) -> Any:
        """Pack the 16-bit numbers of two halves into bytes, with saturation."""
        return self._call("packsswb" if signed else "packuswb", self.bytes, *halves)

    def greater(self, a: Any, b: Any) -> Any:
        return self.builder.select(self.builder.icmp_signed(">", a, b), a, b)

    def high(self, a: Any, b: Any) -> Any:
        """Return the upper 16 bits of unsigned products."""
        wide = ir.VectorType(_INT, self.size // 2)
        product = self.builder.mul(self.builder.zext(a, wide), self.builder.zext(b, wide))
        return self.builder.trunc(self.builder.lshr(product, ir.Constant(wide, [16] * (self.size // 2))), self.shorts)

    def counted(self, found: Any, lanes: Any) -> Any:
        """Count the true elements of `found`, one for each byte, among those whose bits are set in `lanes`."""
        bits = self.builder.bitcast(found, ir.IntType(self.size))
        bits = self.builder.zext(bits, _WORD) if self.size < 64 else bits
        return self.builder.ctpop(self.builder.and_(bits, lanes))

    def _call(self, name: str, result: Any, *args: Any) -> Any:
        kind = ir.FunctionType(result, [arg.type for arg in args])
        function = cgutils.get_or_insert_function(self.builder.module, kind, _NAMES[self.size].format(name))
        return self.builder.call(function, args)


def _emit(finish: str, size: int, context: Any, builder: Any, signature: Any, args: Any) -> Any:
    _, _, x, lanes, stream, offsets, weights, init, *how = args
    out, src = (_data(context, builder, signature, args, i) for i in (0, 1))
    v, taps = _Vectors(builder, size), _zipped(builder, offsets, weights)
    sums = _summed(v, src, x, taps, v.spread(init))
    hint(builder, builder.gep(src, [builder.add(builder.add(taps[-1][0], x), _WORD(_AHEAD))]))
    return _finish(v, finish, signature.args[7].signed, sums, builder.gep(out, [x]), lanes, stream, *how)


def _emit_across(size: int, context: Any, builder: Any, signature: Any, args: Any) -> Any:
    _, place, _, x, offsets, weights = args
    ring, src = (_data(context, builder, signature, args, i) for i in (0, 2))
    v, taps = _Vectors(builder, size), _zipped(builder, offsets, weights)
    for half, total in enumerate(_summed(v, src, x, taps, v.constant(0))):
        builder.store(total, v.shorts_at(ring, builder.add(place, _WORD(half * size // 2))), align=2)
    hint(builder, builder.gep(src, [builder.add(x, _WORD(_AHEAD))]))
    return context.get_dummy_value()


def _emit_rows(sums_of: Any, finish: str, size: int, context: Any, builder: Any, signature: Any, args: Any) -> Any:
    _, x, lanes, _, place, rows, init, *how = args
    out, ring = (_data(context, builder, signature, args, i) for i in (0, 3))
    v, rows = _Vectors(builder, size), cgutils.unpack_tuple(builder, rows)
    places = [builder.add(place, _WORD(half * size // 2)) for half in (0, 1)]
    totals = [builder.add(s, v.spread(init)) for s in sums_of(v, context, signature.args[5], rows, ring, places)]
    plainly = ir.Constant(ir.IntType(1), 0)
    return _finish(v, finish, signature.args[6].signed, totals, builder.gep(out, [x]), lanes, plainly, *how)


def _weighed(v: _Vectors, context: Any, kind: Any, rows: list[Any], ring: Any, places: list[Any]) -> list[Any]:
    builder, sums = v.builder, [v.constant(0), v.constant(0)]
    for offset, weight in _zipped(builder, *rows):
        factor = v.spread(weight)
        for half, place in enumerate(places):
            seen = builder.load(v.shorts_at(ring, builder.add(offset, place)), align=2)
            sums[half] = builder.add(sums[half], builder.mul(seen, factor))
    return sums


def _slid(v: _Vectors, context: Any, kind: Any, rows: list[Any], ring: Any, places: list[Any]) -> list[Any]:
    builder, totals = v.builder, []
    sums, *edges = rows
    sums = context.make_array(kind.types[0])(context, builder, sums).data
    for place in places:
        new, old = (builder.load(v.shorts_at(ring, builder.add(row, place)), align=2) for row in edges)
        to = v.shorts_at(sums, place)
        total = builder.add(builder.load(to, align=2), builder.sub(new, old))
        builder.store(total, to, align=2)
        totals.append(total)
    return totals


def _data(context: Any, builder: Any, signature: Any, args: Any, i: int) -> Any:
    return context.make_array(signature.args[i])(context, builder, args[i]).data


def _zipped(builder: Any, *tuples: Any) -> list[Any]:
    return list(zip(*(cgutils.unpack_tuple(builder, one) for one in tuples), strict=True))


def _summed(v: _Vectors, src: Any, x: Any, taps: list[Any], begin: Any) -> list[Any]:
    """Return the two halves of the sums over taps, pairs of an offset and a weight, for the samples from x on."""
    builder, sums = v.builder, [begin, begin]
    if len(taps) % 2:
        taps = [*taps, (taps[-1][0], _SHORT(0))]
    for (first, a), (second, b) in zip(taps[::2], taps[1::2], strict=True):
        samples = [builder.load(v.bytes_at(src, builder.add(o, x)), align=1) for o in (first, second)]
        both = builder.or_(builder.and_(a, _SHORT(255)), builder.shl(b, _SHORT(8)))
        weight = builder.bitcast(v.spread(both), v.bytes)
        sums = [builder.add(s, v.multiplied(v.interleaved(samples, h), weight)) for h, s in enumerate(sums)]
    return sums


def _finish(
    v: _Vectors, finish: str, signed: bool, sums: list[Any], out: Any, lanes: Any, stream: Any, magnitude: Any,
    half: Any, shift: Any, inverse: Any,
) -> Any:  # fmt: skip
    """Store the levels of the sums; returns how many saturate, in the form that `weigh` returns."""
    builder, nought = v.builder, ir.Constant(v.bytes, None)
    if signed:
        sums = [v.greater(s, builder.mul(s, v.spread(magnitude))) for s in sums]
    levels, below, above = _FINISH[finish](v, sums, signed, v.spread(half), v.spread(shift), v.spread(inverse))
    to = builder.bitcast(out, v.bytes.as_pointer())
    with builder.if_else(stream) as (past, plainly):
        with past:
            builder.store(levels, to, align=v.size).set_metadata("nontemporal", builder.module.add_metadata([_INT(1)]))
        with plainly:
            builder.store(levels, to, align=1)
    count = builder.shl(v.counted(above(nought), lanes), _WORD(32))
    return builder.add(count, v.counted(below(nought), lanes)) if below else count


Finished = tuple[Any, Any, Any]  # the levels; functions that give which samples saturate below, and above


def _whole(v: _Vectors, sums: list[Any], signed: bool, half: Any, shift: Any, inverse: Any) -> Finished:
    if not signed:
        most = v.constant(255)
        capped = [v.builder.select(v.builder.icmp_unsigned(">", s, most), most, s) for s in sums]
        return v.packed(capped, signed=False), None, _beyond(v, sums)
    high = v.packed([v.builder.ashr(s, v.constant(8)) for s in sums], signed=True)
    below, above = (partial(v.builder.icmp_signed, sign, high) for sign in "<>")
    return v.packed(sums, signed=False), below, above


def _shifted(v: _Vectors, sums: list[Any], signed: bool, half: Any, shift: Any, inverse: Any) -> Finished:
    builder, one = v.builder, v.constant(1)
    below, sums = _positive(v, sums, builder.add(half, one), signed)
    odd = [builder.and_(builder.lshr(s, shift), one) for s in sums]
    levels = [builder.lshr(builder.add(builder.add(s, half), o), shift) for s, o in zip(sums, odd, strict=True)]
    return v.packed(levels, signed=False), below, _beyond(v, levels)


def _odd(v: _Vectors, sums: list[Any], signed: bool, half: Any, shift: Any, inverse: Any) -> Finished:
    """Divide by an odd divisor: no sum is a tie, so adding half of it and truncating rounds correctly."""
    below, sums = _positive(v, sums, half, signed)
    levels = [_quotient(v, v.builder.add(s, half), shift, inverse) for s in sums]
    return v.packed(levels, signed=False), below, _beyond(v, levels)


def _even(v: _Vectors, sums: list[Any], signed: bool, half: Any, shift: Any, inverse: Any) -> Finished:
    """Divide by an even divisor: a sum is a tie if, half the divisor added, it is a multiple; it is rounded to even."""
    builder, one, levels = v.builder, v.constant(1), []
    below, sums = _positive(v, sums, half, signed)
    for s in sums:
        number = builder.add(s, half)
        level = _quotient(v, number, shift, inverse)
        tie = builder.icmp_signed("==", builder.mul(level, builder.add(half, half)), number)
        levels.append(builder.sub(level, builder.select(tie, builder.and_(level, one), v.constant(0))))
    return v.packed(levels, signed=False), below, _beyond(v, levels)


_FINISH = {"whole": _whole, "shifted": _shifted, "odd": _odd, "even": _even}


def _quotient(v: _Vectors, number: Any, shift: Any, inverse: Any) -> Any:
    """Divide unsigned numbers by the divisor, truncating."""
    part = v.high(number, inverse)
    rest = v.builder.lshr(v.builder.sub(number, part), v.constant(1))
    return v.builder.lshr(v.builder.add(rest, part), shift)


def _positive(v: _Vectors, sums: list[Any], margin: Any, signed: bool) -> tuple[Any, list[Any]]:
    """Return a function that gives which sums are below -margin, and the sums with 0 in place of negative ones."""
    if not signed:
        return None, sums
    below = v.packed([v.builder.add(s, margin) for s in sums], signed=True)
    return partial(v.builder.icmp_signed, "<", below), [v.greater(s, v.constant(0)) for s in sums]


def _beyond(v: _Vectors, levels: list[Any]) -> Any:
    """Return a function that gives which levels are above 255."""
    high = v.packed([v.builder.lshr(q, v.constant(8)) for q in levels], signed=False)
    return partial(v.builder.icmp_signed, "!=", high)
