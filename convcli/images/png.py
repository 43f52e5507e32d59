"""Writing PNG: bands of rows are filtered with NumPy and deflated on threads, then joined in order.

Deflate with run-length matches only is enough for filtered photographs: it is many times as fast as zlib's full search
and the file is about as small. zlib-ng produces the same bytes as zlib in half the time; for a full search, zlib
compresses better. The file does not depend on the number of threads.

PNG specification, third edition: https://www.w3.org/TR/png-3/
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from struct import pack
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from zlib_ng import zlib_ng

from convcli.images.parallel import mapped

Bytes = NDArray[np.uint8]
Chunk = tuple[bytes, bytes]

_COLOR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}  # samples a pixel -> gray, gray and alpha, RGB, RGBA
_BAND = 1 << 20  # bytes deflated together; a smaller band costs matches at its start
_STRIP = 1 << 16  # bytes filtered together: the intermediate arrays fit in the cache
_RUNS, _SEARCH = (1, zlib.Z_RLE), (4, zlib.Z_FILTERED)  # level and strategy of deflate
_EVERY = (_RUNS, _SEARCH, (9, zlib.Z_FILTERED), (9, zlib.Z_DEFAULT_STRATEGY))
_BASE = 65521  # of Adler-32


def write_png(
    stream: BinaryIO,
    pixels: NDArray[Any],
    alpha: NDArray[Any] | None = None,
    chunks: Iterable[Chunk] = (),
    *,
    compression: str = "fast",
    threads: int = 1,
) -> None:
    """Write one picture as PNG.

    pixels: uint8 or uint16, (H, W) or (H, W, 3). alpha: the same dtype, (H, W).
    chunks: (name, data) to write before the pixels: iCCP, eXIf, pHYs, tEXt ...
    compression: "fast"; "max" for a small file at any cost of time; "none".
    """
    _begin(stream, pixels, alpha, chunks)
    for part in deflated(pixels, alpha, compression, threads):
        _chunk(stream, b"IDAT", part)
    _chunk(stream, b"IEND", b"")


def write_apng(
    stream: BinaryIO,
    frames: Sequence[tuple[NDArray[Any], NDArray[Any] | None, float]],
    loop: int,
    chunks: Iterable[Chunk] = (),
    *,
    compression: str = "fast",
    threads: int = 1,
) -> None:
    """Write an animation. frames: (pixels, alpha, duration in milliseconds), whole pictures of one size and kind.

    loop: how often the animation is shown, 0 for ever.
    """
    count = (b"acTL", pack(">II", len(frames), loop))
    _begin(stream, *frames[0][:2], [*chunks, count])
    number = 0
    for index, (pixels, alpha, duration) in enumerate(frames):
        height, width = pixels.shape[:2]
        milliseconds = min(round(duration), 0xFFFF)
        _chunk(stream, b"fcTL", pack(">IIIIIHHBB", number, width, height, 0, 0, milliseconds, 1000, 0, 0))
        number += 1
        for part in deflated(pixels, alpha, compression, threads):
            if index == 0:
                _chunk(stream, b"IDAT", part)
            else:
                _chunk(stream, b"fdAT", pack(">I", number) + part)
                number += 1
    _chunk(stream, b"IEND", b"")


def _begin(stream: BinaryIO, pixels: NDArray[Any], alpha: NDArray[Any] | None, chunks: Iterable[Chunk]) -> None:
    samples = (1 if pixels.ndim == 2 else pixels.shape[2]) + (alpha is not None)
    height, width = pixels.shape[:2]
    stream.write(b"\x89PNG\r\n\x1a\n")
    header = pack(">IIBBBBB", width, height, 8 * pixels.dtype.itemsize, _COLOR_TYPE[samples], 0, 0, 0)
    for name, data in [(b"IHDR", header), *chunks]:
        _chunk(stream, name, data)


def deflated(pixels: NDArray[Any], alpha: NDArray[Any] | None, compression: str, threads: int) -> Iterator[bytes]:
    """Yield the zlib stream of a picture's filtered rows, in parts."""
    height, row = pixels.shape[0], pixels[0].nbytes + (0 if alpha is None else alpha[0].nbytes)
    step = max(1, _BAND // row)
    spans = list(pairwise([*range(0, height, step), height]))

    def band(span: tuple[int, int]) -> tuple[bytes, int, int]:
        return _band(pixels, alpha, span, compression, last=span[1] == height)

    yield b"\x78\x01"
    check = 1
    for data, adler, length in mapped(band, spans, threads):
        check = adler32_combine(check, adler, length)
        yield data
    yield pack(">I", check)


def _band(
    pixels: NDArray[Any], alpha: NDArray[Any] | None, span: tuple[int, int], compression: str, last: bool
) -> tuple[bytes, int, int]:
    """Return the raw deflate data of a band of rows, ending on a whole byte; and Adler-32 and length of its input."""
    start, stop = span
    above = max(start - 1, 0)
    rows = _bytes_of(pixels[above:stop], None if alpha is None else alpha[above:stop])
    apart = rows.shape[1] // pixels.shape[1]
    rows, previous = (rows[1:], rows[:-1]) if start else (rows, np.vstack([np.zeros_like(rows[:1]), rows[:-1]]))
    filtered = _filter(rows, previous, apart)
    if compression == "none":
        data = _packed(filtered, 0, zlib.Z_DEFAULT_STRATEGY, last)
    elif compression == "max":
        data = min((_packed(filtered, *packer, last) for packer in _EVERY), key=len)
    else:
        data = _packed(filtered, *_quick(filtered), last)
    return data, zlib_ng.adler32(filtered.data), filtered.size


def _quick(filtered: Bytes) -> tuple[int, int]:
    """Choose level and strategy: run-length matches, unless a full search saves one byte in thirty on a sample.

    It does so only for a few very smooth pictures.
    """
    rows = len(filtered)
    sample = np.ascontiguousarray(filtered[rows * 31 // 64 : rows * 33 // 64 + 1])
    runs, search = (len(_packed(sample, *packer, True)) for packer in (_RUNS, _SEARCH))
    return _SEARCH if search < 0.97 * runs else _RUNS


def _packed(filtered: Bytes, level: int, strategy: int, last: bool) -> bytes:
    library: Any = zlib_ng if strategy == zlib.Z_RLE else zlib
    packer = library.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
    data: bytes = packer.compress(filtered.data) + packer.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)
    return data


def _bytes_of(pixels: NDArray[Any], alpha: NDArray[Any] | None) -> Bytes:
    """Return rows of interleaved samples as PNG stores them, most significant byte first: (rows, bytes)."""
    if alpha is not None:
        pixels = np.dstack([pixels, alpha])
    if pixels.dtype.itemsize == 2:
        pixels = pixels.astype(">u2", copy=False)
    return np.ascontiguousarray(pixels).view(np.uint8).reshape(pixels.shape[0], -1)


def _none(x: Bytes, a: Bytes, b: Bytes, c: Bytes) -> Bytes:
    return x


def _sub(x: Bytes, a: Bytes, b: Bytes, c: Bytes) -> Bytes:
    return x - a


def _up(x: Bytes, a: Bytes, b: Bytes, c: Bytes) -> Bytes:
    return x - b


def _average(x: Bytes, a: Bytes, b: Bytes, c: Bytes) -> Bytes:
    return x - ((a & b) + ((a ^ b) >> 1))  # the mean, rounded down, without a wider type


def _paeth(x: Bytes, a: Bytes, b: Bytes, c: Bytes) -> Bytes:
    """Subtract from x the one of a, b, c that is nearest to a + b - c; the first of equally near ones.

    The distances are |b - c|, |a - c| and, if c lies between a and b, the difference of these two; else their sum,
    which is never the least. So 8-bit arithmetic with masks suffices, in a third of the time of wider integers.
    """
    to_a, to_b = _distance(b, c), _distance(a, c)
    outside = ((a < c) != (b < c)).view(np.uint8) - np.uint8(1)
    to_c = _distance(to_a, to_b) | outside
    nearest = c ^ ((b ^ c) & _mask(to_b <= to_c))
    nearest ^= (a ^ nearest) & _mask((to_a <= to_b) & (to_a <= to_c))
    return x - nearest


def _distance(a: Bytes, b: Bytes) -> Bytes:
    difference: Bytes = np.maximum(a, b) - np.minimum(a, b)
    return difference


def _mask(true: NDArray[np.bool_]) -> Bytes:
    """Return bytes with all bits set where `true` is True."""
    mask: Bytes = np.negative(true.view(np.uint8))
    return mask


_FILTERS: tuple[Callable[[Bytes, Bytes, Bytes, Bytes], Bytes], ...] = (_none, _sub, _up, _average, _paeth)


def _filter(rows: Bytes, previous: Bytes, apart: int) -> Bytes:
    """Return the filtered rows, each after the number of its filter: (rows, 1 + bytes).

    The whole band gets one filter: that with the smallest sum of magnitudes over every eighth row.
    """
    sample = _neighbours(rows[::8], previous[::8], apart)
    costs = [np.abs(f(*sample).view(np.int8), dtype=np.int16).sum() for f in _FILTERS]
    best = int(np.argmin(costs))
    out = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    out[:, 0] = best
    step = max(1, _STRIP // rows.shape[1])
    for top in range(0, rows.shape[0], step):
        strip = slice(top, top + step)
        out[strip, 1:] = _FILTERS[best](*_neighbours(rows[strip], previous[strip], apart))
    return out


def _neighbours(rows: Bytes, previous: Bytes, apart: int) -> tuple[Bytes, Bytes, Bytes, Bytes]:
    """Return the inputs of a filter: the bytes, and those to the left, above, and above to the left."""
    return rows, _shifted(rows, apart), previous, _shifted(previous, apart)


def _shifted(rows: Bytes, apart: int) -> Bytes:
    """Return for each byte that of the pixel to the left, zero at the edge. apart: bytes a pixel."""
    left = np.zeros_like(rows)
    left[:, apart:] = rows[:, :-apart]
    return left


def adler32_combine(first: int, second: int, length: int) -> int:
    """Return the Adler-32 of two joined pieces of data, given that of each and the length of the second.

    With s1 = 1 + sum of bytes and s2 = sum of all s1: appending n bytes adds n*(s1 - 1) to the second's s2.
    """
    a1, b1 = first & 0xFFFF, first >> 16
    a2, b2 = second & 0xFFFF, second >> 16
    return (a1 + a2 - 1) % _BASE | (b1 + b2 + length * (a1 - 1)) % _BASE << 16


def _chunk(stream: BinaryIO, name: bytes, data: bytes) -> None:
    stream.write(pack(">I", len(data)) + name)
    stream.write(data)
    stream.write(pack(">I", zlib_ng.crc32(data, zlib_ng.crc32(name))))
