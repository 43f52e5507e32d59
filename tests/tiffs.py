"""TIFF pages of every kind of sample, packed by hand, and what TIFF 6.0 says that they look like."""

import struct
from dataclasses import dataclass
from itertools import product

import numpy as np

HEIGHT, WIDTH = 5, 7
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK = 0, 1, 2, 3, 5
FULL = {"uint8": 255, "uint16": 65535}
STORED = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4}
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
UNSAID, PREMULTIPLIED, STRAIGHT = 0, 1, 2


@dataclass(frozen=True)
class Kind:
    """A kind of page. extra: the tag ExtraSamples; said: whether it is there."""

    bits: int
    photometric: int
    extra: tuple[int, ...] = ()
    planar: int = 1
    format: int = UNSIGNED
    said: bool = True
    order: str = "<"

    @property
    def samples(self):
        return STORED[self.photometric] + len(self.extra)

    def __str__(self):
        name = {0: "white0", 1: "gray", 2: "rgb", 3: "palette", 5: "cmyk"}[self.photometric]
        extra = "" if not self.extra else "+" + "".join(map(str, self.extra)) + ("" if self.said else "unsaid")
        kind = {UNSIGNED: "u", SIGNED: "i", FLOAT: "f"}[self.format]
        return f"{name}{extra}-{kind}{self.bits}-{'planar' if self.planar == 2 else 'contig'}{self.order}"


def kinds():
    """The table."""
    for bits, photometric, order in product(range(1, 17), (WHITE_IS_ZERO, BLACK_IS_ZERO, PALETTE), "<>"):
        yield Kind(bits, photometric, order=order)
    for bits, photometric, planar in product((1, 2, 4, 5, 7, 8, 10, 12, 14, 16), (RGB, CMYK), (1, 2)):
        yield Kind(bits, photometric, planar=planar)
    extras = ((UNSAID,), (PREMULTIPLIED,), (STRAIGHT,), (UNSAID, STRAIGHT), (PREMULTIPLIED, UNSAID), (UNSAID, UNSAID))
    colors = (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK)
    for bits, photometric, extra, planar in product((8, 12, 16), colors, extras, (1, 2)):
        yield Kind(bits, photometric, extra, planar)
    for bits, photometric, planar in product((8, 16), (BLACK_IS_ZERO, RGB), (1, 2)):
        yield Kind(bits, photometric, (UNSAID,), planar, said=False)
    for bits, extra, planar in product((4, 8, 16), ((UNSAID,), (STRAIGHT,)), (1, 2)):
        yield Kind(bits, PALETTE, extra, planar)
    for bits, photometric in product((8, 16, 32), (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB)):
        yield Kind(bits, photometric, format=SIGNED)
    for bits, photometric in product((20, 24, 32), (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB)):
        yield Kind(bits, photometric)
    for bits, photometric, extra, planar in product((16, 32, 64), colors, ((), (PREMULTIPLIED,), (STRAIGHT,)), (1, 2)):
        yield Kind(bits, photometric, extra, planar, FLOAT)


def readable(kind):
    """Whether such pages are filtered; all others are refused."""
    if kind.format == UNSIGNED and kind.bits <= 16:
        return True
    return kind.format == FLOAT or (kind.photometric == BLACK_IS_ZERO and not kind.extra)


def samples_of(kind, high=False):
    """Random samples (H, W, samples) of this kind; the colours of premultiplied ones are no more than alpha.

    high: use the upper half of 32 unsigned bits too.
    """
    rng = np.random.default_rng(kind.bits)
    shape = (HEIGHT, WIDTH, kind.samples)
    if kind.format == FLOAT:
        samples = rng.random(shape).astype(f"f{kind.bits // 8}")
    elif kind.format == SIGNED:
        samples = rng.integers(-(1 << (kind.bits - 1)), 1 << (kind.bits - 1), shape)
    else:
        samples = rng.integers(0, 1 << (kind.bits if high or kind.bits < 32 else 31), shape)
    if PREMULTIPLIED in kind.extra:
        stored = STORED[kind.photometric]
        samples[..., :stored] = np.minimum(samples[..., :stored], samples[..., [stored + kind.extra.index(1)]])
        samples[0, 0, stored:] = 0
        samples[0, 0, :stored] = 0
    return samples


def colors_of(kind):
    return np.random.default_rng(3).integers(0, 65536, (3, 1 << kind.bits))


def tiff(kind, samples):
    """The page as an uncompressed file of one strip a plane."""
    planes = [samples[..., [i]] for i in range(kind.samples)] if kind.planar == 2 else [samples]
    strips = [b"".join(_packed(row, kind) for row in plane) for plane in planes]
    head = 8
    starts = np.cumsum([head, *map(len, strips)])
    tags = {
        256: (3, [WIDTH]), 257: (3, [HEIGHT]), 258: (3, [kind.bits] * kind.samples), 259: (3, [1]),
        262: (3, [kind.photometric]), 273: (4, starts[:-1].tolist()), 277: (3, [kind.samples]), 278: (3, [HEIGHT]),
        279: (4, [len(s) for s in strips]), 284: (3, [kind.planar]),
    }  # fmt: skip
    if kind.format != UNSIGNED:
        tags[339] = (3, [kind.format] * kind.samples)
    if kind.extra and kind.said:
        tags[338] = (3, list(kind.extra))
    if kind.photometric == PALETTE:
        tags[320] = (3, colors_of(kind).ravel().tolist())
    at = int(starts[-1] + starts[-1] % 2)
    values_at, table, values = at + 2 + 12 * len(tags) + 4, b"", b""
    for tag, (type_, numbers) in sorted(tags.items()):
        field = struct.pack(f"{kind.order}{len(numbers)}{'H' if type_ == 3 else 'I'}", *numbers)
        if len(field) > 4:
            values, field = values + field, struct.pack(kind.order + "I", values_at + len(values))
        table += struct.pack(kind.order + "HHI", tag, type_, len(numbers)) + field.ljust(4, b"\0")
    magic = struct.pack(kind.order + "2sHI", b"II" if kind.order == "<" else b"MM", 42, at)
    directory = struct.pack(kind.order + "H", len(tags)) + table + bytes(4)
    return magic + b"".join(strips).ljust(at - head, b"\0") + directory + values


def _packed(row, kind):
    """A row of samples: whole bytes in the file's order, others bit by bit, filled up to a byte."""
    if kind.format == FLOAT:
        return row.astype(f"{kind.order}f{kind.bits // 8}").tobytes()
    if kind.bits in (8, 16, 32):
        letter = "u" if kind.format == UNSIGNED else "i"
        return row.astype(f"{kind.order}{letter}{kind.bits // 8}").tobytes()
    bits = "".join(format(int(v), f"0{kind.bits}b") for v in row.ravel())
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8)


def meant(kind, samples):
    """Colours, and alpha or None, with white and opaque at 1; whole numbers that have no white are themselves."""
    stored = STORED[kind.photometric]
    if kind.format == SIGNED or (kind.format == UNSIGNED and kind.bits > 16):
        return samples[..., 0].astype(float), None
    full = 1 if kind.format == FLOAT else (1 << kind.bits) - 1
    colors = samples[..., :stored].astype(float) / full
    if kind.photometric == PALETTE:
        colors = np.moveaxis(colors_of(kind), 0, 1)[samples[..., 0]] / 65535
    at = next((i for i, use in enumerate(kind.extra) if use in (PREMULTIPLIED, STRAIGHT)), None)
    alpha = None if at is None else samples[..., stored + at].astype(float) / full
    if alpha is not None and kind.extra[at] == PREMULTIPLIED:
        colors = np.where(alpha[..., None] > 0, colors / np.where(alpha > 0, alpha, 1)[..., None], 0)
    if kind.photometric == WHITE_IS_ZERO:
        colors = 1 - colors
    return colors.squeeze(2) if colors.shape[2] == 1 else colors, alpha


def off(kind, samples, pixels, alpha):
    """How far pixels (any depth) are from what is meant, of full scale; where alpha is 0 only alpha counts."""
    want, clear = meant(kind, samples)
    full = FULL.get(pixels.dtype.name, 1)
    if want.shape != pixels.shape or (clear is None) != (alpha is None):
        return f"{pixels.dtype} {pixels.shape}, alpha {alpha is not None}"
    scale = max(1.0, np.abs(want).max()) if full == 1 else 1
    difference = np.abs(pixels / full - want) / scale
    if clear is not None:
        difference[clear == 0] = 0
        difference = max(difference.max(), np.abs(alpha / full - clear).max())
    return float(np.max(difference))


def tolerance(kind):
    """Half a step, or a whole one where 8-bit colours are cut off rather than rounded; of floats, their precision."""
    if kind.format == FLOAT or kind.bits > 16 or kind.format == SIGNED:
        return 1e-6 if kind.bits > 16 else 2e-3
    return 1.001 / 255 if kind.bits <= 8 else 0.501 / 65535
