"""Damaged picture files, seeded, and what convcli makes of each: a picture, or one sentence and no file.

The tests run a short course. By hand:  python tests/faults.py FLIPS [SEED]
"""

import contextlib
import ctypes
import gc
import io
import json
import resource
import struct
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from convcli.engine import recycling

MEMORY = 3 << 30  # bytes of address space that a trial may take
SECONDS = 10


def _drawing(size=(61, 47), channels=3):
    y, x = np.mgrid[: size[1], : size[0]]
    waves = [127 + 120 * np.sin(x / (3 + c) + y / (5 - c)) for c in range(channels)]
    return np.stack(waves, 2).astype(np.uint8).squeeze()


def _saved(image, format_, **options):
    stream = io.BytesIO()
    image.save(stream, format_, **options)
    return stream.getvalue()


def sources():
    """Whole files of many formats: suffix and content."""
    rgb, rgba = Image.fromarray(_drawing()), Image.fromarray(_drawing(channels=4))
    gray, deep = Image.fromarray(_drawing(channels=1)), Image.fromarray(_drawing(channels=1).astype(np.uint16) * 200)
    frames = {"save_all": True, "append_images": [rgb.rotate(90), rgb.rotate(180)]}
    timed = {**frames, "duration": 70, "loop": 0}
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0xA002] = 61
    return {
        "png": _saved(rgba, "PNG"), "gray.png": _saved(gray, "PNG"), "palette.png": _saved(rgb.convert("P"), "PNG"),
        "deep.png": _deep_png(), "animated.png": _saved(rgb, "PNG", **timed),
        "jpg": _saved(rgb, "JPEG", exif=exif), "progressive.jpg": _saved(rgb, "JPEG", progressive=True),
        "cmyk.jpg": _saved(rgb.convert("CMYK"), "JPEG"),
        "gif": _saved(rgb, "GIF"), "animated.gif": _saved(rgb, "GIF", **timed),
        "webp": _saved(rgb, "WEBP", exif=exif), "lossless.webp": _saved(rgba, "WEBP", lossless=True),
        "animated.webp": _saved(rgb, "WEBP", **timed),
        "tif": _saved(rgb, "TIFF", exif=exif), "lzw.tif": _saved(rgb, "TIFF", compression="tiff_lzw"),
        "pages.tif": _saved(rgb, "TIFF", **frames), "deep.tif": _saved(deep, "TIFF"), "colour.tif": _deep_tiff(),
        "bmp": _saved(rgb, "BMP"), "rle.bmp": _saved(rgb.convert("P"), "BMP"),
        "ppm": _saved(rgb, "PPM"), "deep.ppm": b"P6\n9 9\n65535\n" + bytes(range(243)) * 2,
        "tga": _saved(rgb, "TGA", rle=True), "jp2": _saved(rgb, "JPEG2000"),
        "avif": _saved(rgb, "AVIF", exif=exif.tobytes()), "deep.avif": _deep("avif"), "deep.jp2": _deep("jp2"),
        "ico": _saved(rgba, "ICO"), "pcx": _saved(rgb, "PCX"), "sgi": _saved(rgb, "SGI"), "qoi": _saved(rgb, "QOI"),
        "dds": _saved(rgba, "DDS"),
    }  # fmt: skip


def _deep_png():
    from convcli.images.png import write_png

    stream = io.BytesIO()
    write_png(stream, _drawing().astype(np.uint16) * 200)
    return stream.getvalue()


def _deep_tiff():
    import tifffile

    stream = io.BytesIO()
    tifffile.imwrite(stream, _drawing().astype(np.uint16) * 200, photometric="rgb")
    return stream.getvalue()


def _deep(suffix):
    import imagecodecs

    samples = _drawing().astype(np.uint16) * 4
    if suffix == "jp2":
        return imagecodecs.jpeg2k_encode(samples, 0, bitspersample=10)
    return imagecodecs.avif_encode(samples, 90, bitspersample=10, numthreads=1)


def png(width, height, data, color=2, depth=8, extra=b""):
    """A PNG file made by hand."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _ifd(entries, following):
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return struct.pack("<H", len(entries)) + body + struct.pack("<I", following)


def traps():
    """Files that are wrong on purpose: name and content."""
    big = 1 << 31
    yield "claims 2^31 columns.png", png(big - 1, 1, zlib.compress(b"\0" * 100))
    yield "claims 2^31 x 2^31.png", png(big - 1, big - 1, zlib.compress(b"\0" * 100))
    yield "claims 46341 squared.png", png(46341, 46341, zlib.compress(b"\0" * 100))
    yield "just below the limit.png", png(13000, 13000, zlib.compress(b"\0" * 1000), color=0)
    yield "claims 0.png", png(0, 9, zlib.compress(b""))
    yield "1 x 65000.png", png(1, 65000, zlib.compress(b"\0abc" * 65000))
    yield "65000 x 1.png", png(65000, 1, zlib.compress(b"\0" + b"abc" * 65000))
    yield "bomb of pixels.png", png(6000, 6000, zlib.compress(b"\0" * (6000 * 6001), 9), color=0)
    yield "bomb behind the pixels.png", png(3, 3, zlib.compress(b"\0" * (1 << 28), 9))
    bomb = zlib.compress(b"x" * (1 << 28), 9)
    yield "bomb of text.png", png(3, 3, zlib.compress(b"\0" * 30), extra=_chunk(b"zTXt", b"a\0\0" + bomb))
    yield "bomb of a profile.png", png(3, 3, zlib.compress(b"\0" * 30), extra=_chunk(b"iCCP", b"a\0\0" + bomb))
    palette = _chunk(b"PLTE", b"\1\2\3\4\5\6")
    yield "indices outside the palette.png", png(4, 4, zlib.compress(b"\0\0\1\2\xff" * 4), color=3, extra=palette)
    yield "no palette.png", png(4, 4, zlib.compress(b"\0\0\1\2\xff" * 4), color=3)
    yield "unknown filter.png", png(4, 4, zlib.compress(b"\x09aaaaaaaaaaaa" * 4))
    yield "depth 3.png", png(4, 4, zlib.compress(b"\0" * 99), depth=3)
    yield "no frames.png", png(4, 4, zlib.compress(b"\0" * 52), extra=_chunk(b"acTL", struct.pack(">II", 0, 0)))
    yield "9 frames claimed.png", png(4, 4, zlib.compress(b"\0" * 52), extra=_chunk(b"acTL", struct.pack(">II", 9, 0)))
    yield "2^31 frames.png", png(4, 4, zlib.compress(b"\0" * 52), extra=_chunk(b"acTL", struct.pack(">II", big - 1, 0)))
    yield from _tiff_traps(big)
    for lie in (
        b"II*\0\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0\xff\xff",
        b"MM",
        b"",
        b"II*\0\x08\0\0\0\1\0\x12\1\2\0\1\0\0\0",
    ):
        stream = _saved(Image.fromarray(_drawing()), "JPEG", exif=b"Exif\0\0" + lie)
        yield f"EXIF that lies {len(lie)}.jpg", stream
    rgb = Image.fromarray(_drawing())
    for orientation in (0, 9, 65535):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield f"orientation {orientation}.jpg", _saved(rgb, "JPEG", exif=exif)
    yield (
        "claims 65535 squared.gif",
        b"GIF89a\xff\xff\xff\xff\x80\0\0" + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\2\1\0\0;",
    )
    frame = b",\0\0\0\0%b\0\2\2\x44\1\0"
    yield (
        "later frame of 65535 squared.gif",
        b"GIF89a\1\0\1\0\x80\0\0" + bytes(6) + frame % b"\1\0\1\0" + frame % b"\xff\xff\xff\xff" + b";",
    )
    yield (
        "claims 65500 squared.jpg",
        _saved(rgb, "JPEG").replace(b"\xff\xc0\0\x11\x08\0\x2f\0\x3d", b"\xff\xc0\0\x11\x08\xff\xdc\xff\xdc"),
    )
    yield (
        "claims 2^31.bmp",
        b"BM" + struct.pack("<IHHI", 60, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, big - 1, big - 1, 1, 24, *[0] * 6),
    )
    yield "claims a lot.ppm", b"P6 99999 99999 255\n"
    yield "claims a lot.pgm", b"P5 13000 13000 255\nabc"
    yield "never ends.ppm", b"P3 9 9 255\n" + b"1 " * 99
    yield "number of 10000 digits.ppm", b"P6 " + b"9" * 10000
    yield "no picture.png", b"just words"
    yield "empty.png", b""
    yield "one byte.png", b"\x89"
    yield "zeros.png", bytes(5000)


def _tiff_traps(big):
    head, pixels = b"II*\0\x08\0\0\0", bytes(300)
    plain = {256: 4, 257: 4, 258: 8, 262: 1, 273: 200, 278: 4, 279: 16}  # of 4 x 4 gray pixels
    short = (258, 259, 262, 339)

    def tags(changed=(), many=()):
        values = {**plain, **dict(changed)}
        return [(t, 3 if t in short else 4, big if t in many else 1, v) for t, v in sorted(values.items())]

    yield "cyclic.tif", head + _ifd(tags(), 8) + pixels
    first = _ifd(tags(), 8 + 90)
    assert len(first) == 90
    yield "cyclic over two.tif", head + first + _ifd(tags(), 8) + pixels
    yield "claims 2^31.tif", head + _ifd(tags({256: big, 257: big}), 0) + pixels
    yield "strips everywhere.tif", head + _ifd(tags(many=(273, 279)), 0) + pixels
    yield "directory outside.tif", b"II*\0" + struct.pack("<I", big)
    yield "no entries.tif", head + b"\0\0\0\0\0\0"
    yield "unknown compression.tif", head + _ifd(tags({259: 9999}), 0) + pixels
    yield "64 bits.tif", head + _ifd(tags({258: 64, 339: 3}), 0) + pixels
    yield "deep and cyclic.tif", head + _ifd(tags({258: 64, 339: 3}), 8) + pixels
    yield "deep and large.tif", head + _ifd(tags({256: 60000, 257: 60000, 258: 64, 339: 3}), 0) + pixels


def corpus(flips, seed=0):
    """Every case: name (whose suffix is the file's) and content."""
    rng = np.random.default_rng(seed)
    whole = sources()
    for kind, data in whole.items():
        for part in range(10):
            yield f"cut at {part} tenths.{kind}", data[: len(data) * part // 10]
        for index in range(flips):
            broken = bytearray(data)
            # half of the flips in the first bytes, where the structure is
            place = rng.integers(len(data) if index % 2 else min(len(data), 200))
            broken[place] ^= int(rng.integers(1, 256))
            yield f"flip {index} at {place}.{kind}", bytes(broken)
        other = "jpg" if kind.endswith("png") else "png"
        yield f"suffix of another {kind}.{other}", data
    yield from traps()


def trial(name, data, folder: Path):
    """What came of one case: "done", "refused", or what must not be."""
    from click.testing import CliRunner

    from convcli.cli import main

    suffix = name.rpartition(".")[2]
    source, output = folder / f"in.{suffix}", folder / f"out.{'png' if suffix in ('pgm',) else suffix}"
    source.write_bytes(data)
    begin = time.perf_counter()
    result = CliRunner().invoke(main, ["apply", "-k", "identity", "--alpha", "keep", str(source), str(output)])
    seconds = time.perf_counter() - begin
    source.unlink()
    left = sorted(p.name for p in folder.iterdir())
    for path in folder.iterdir():
        path.unlink()
    if result.exception and not isinstance(result.exception, SystemExit):
        return "traceback: " + "".join(traceback.format_exception(result.exception)[-3:])
    if seconds > SECONDS:
        return f"hang: {seconds:.0f} s"
    if result.exit_code == 0:
        return "done" if left == [output.name] else f"left: {left}"
    if left:
        return f"left: {left}"
    lines = result.stderr.strip().splitlines()
    if "not enough memory" in result.stderr:
        return "memory: no sentence foresaw what it takes"
    clear = len(lines) == 1 and lines[0].startswith("Error: ") and len(lines[0]) < 500 and result.exit_code in (1, 2)
    return "refused" if clear else f"unclear: {result.exit_code} {result.stderr!r}"


def run(flips, seed=0):
    """Counts, the slowest case, memory at its peak and kept by all cases, and everything that must not be."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    counts, wrong, slowest = Counter(), [], (0.0, "")
    with tempfile.TemporaryDirectory() as folder:
        for kind, data in sources().items():  # what is imported and compiled once is not kept by a case
            trial(f"whole.{kind}", data, Path(folder))
        begun = _resident()
        for name, data in corpus(flips, seed):
            print(f"case: {name}", file=sys.stderr, flush=True)
            begin = time.perf_counter()
            verdict = trial(name, data, Path(folder))
            slowest = max(slowest, (round(time.perf_counter() - begin, 2), name))
            counts[verdict if verdict in ("done", "refused") else "wrong"] += 1
            if verdict not in ("done", "refused"):
                wrong.append((name, verdict))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    told = {"counts": counts, "slowest": slowest, "peak MB": peak, "growth MB": _resident() - begun}
    return told | {"wrong": wrong}


def _resident():
    """Megabytes of memory this process holds now, without what waits to be used again, here and in the allocator."""
    gc.collect()
    recycling.release()
    with contextlib.suppress(OSError, AttributeError):  # glibc's alone
        ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20


if __name__ == "__main__":
    print(json.dumps(run(*map(int, sys.argv[1:])), indent=1))
