"""Reading PNG: all chunks are located and parsed first, then each picture is passed to Pillow as a stream.

Pillow gets only the chunks that the pixels need. So chunks behind the pixels are known before decoding (orientation),
and faults of other chunks, like a wrong checksum or a text of many megabytes, do not prevent reading the pixels.
PNG specification, third edition: https://www.w3.org/TR/png-3/
"""

from __future__ import annotations

import contextlib
import io
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from struct import pack, unpack
from typing import BinaryIO

from PIL import Image, ImageFile

from convcli.images.picture import Metadata

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP_KEY = b"XML:com.adobe.xmp"
COLOUR = (b"cICP", b"mDCV", b"cLLI", b"sRGB", b"gAMA", b"cHRM")  # the colour space, besides a profile
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_MOST_TEXT = 1 << 24  # bytes of one text or profile, unpacked
_GRAY, _RGB = 0, 2  # colour types that may have a transparent colour
_PIXELS = (b"IDAT", b"fdAT")
_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"pHYs", b"acTL", b"fcTL", *COLOUR, *_TEXTS)


@dataclass(frozen=True)
class Span:
    """A part of the file, in bytes."""

    start: int
    length: int


@dataclass(frozen=True)
class PngFrame:
    """A stored frame of an animation: size (width, height), place (x, y), duration in milliseconds, disposal and
    blending (fcTL's numbers), and where its data are."""

    size: tuple[int, int]
    place: tuple[int, int]
    duration: float
    dispose: int
    blend: int
    data: list[Span]


class PngFile:
    """A PNG file whose chunks have been located.

    depth, color_type: from IHDR. frames: those of an animation. default: whether the picture itself is not one of
    them. loop: how often they are shown, 0 for ever. notes: what was left out.
    Raises ValueError if the chunks that the pixels need are missing or wrong.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._data: list[Span] = []
        self.frames: list[PngFrame] = []
        self.loop: int | None = None
        self.notes: list[str] = []
        self._chunks: dict[bytes, list[bytes]] = {}
        told = 0
        for name, span, content in self._walk():
            if name == b"IDAT":
                self._data.append(span)
                if self.frames:
                    self.frames[0].data.append(span)
            elif name == b"fdAT" and self.frames and span.length >= 4:
                self.frames[-1].data.append(Span(span.start + 4, span.length - 4))
            elif name == b"fcTL" and len(content) >= 26 and told:
                self.frames.append(_frame(content))
            elif name == b"acTL" and len(content) >= 8 and not self._data:
                told, self.loop = unpack(">II", content[:8])
            elif name in _KEPT and (name in _TEXTS or name not in self._chunks):
                self._chunks.setdefault(name, []).append(content)
        header = self._first(b"IHDR")
        if header is None or len(header) < 13 or not self._data:
            raise ValueError("it has no pixels")
        self.width, self.height, self.depth, self.color_type = unpack(">IIBB", header[:10])
        self._animated(told)
        self.metadata = self._metadata()

    def _walk(self) -> Iterator[tuple[bytes, Span, bytes]]:
        """Yield name, place and, if used, content of every chunk. Those with a wrong checksum become notes."""
        stream, at = self._stream, len(SIGNATURE)
        length = stream.seek(0, io.SEEK_END)
        while at + 8 <= length:
            stream.seek(at)
            size, name = unpack(">I4s", stream.read(8))
            span, at = Span(at + 8, max(0, min(size, length - at - 8))), at + 12 + size
            if name == b"IEND":
                return
            if name not in _KEPT:
                yield name, span, b""
                continue
            content = stream.read(span.length)
            if zlib.crc32(content, zlib.crc32(name)).to_bytes(4) == stream.read(4):
                yield name, span, content
            elif name in (b"IHDR", b"PLTE"):
                raise ValueError(f"the checksum of its {name.decode()} is wrong")
            else:
                self.notes.append(f"the chunk {name.decode()} was left out: its checksum is wrong")

    def _animated(self, told: int) -> None:
        """Check the frames against the number that acTL announced, drop surplus ones, and set `default`."""
        self.frames = self.frames[:told]
        if not any(frame.data for frame in self.frames):
            self.frames = []
        if self.frames and (len(self.frames) < told or not all(frame.data for frame in self.frames)):
            raise ValueError(f"it tells of {told} frames and has {sum(bool(f.data) for f in self.frames)}")
        for frame in self.frames:
            (width, height), (x, y) = frame.size, frame.place
            if not (0 < width <= self.width - x and 0 < height <= self.height - y):
                raise ValueError("a frame of it reaches beyond its edge")
        self.default = bool(self.frames) and self.frames[0].data[0] not in self._data

    @property
    def clear(self) -> bool:
        """Whether any pixel may be transparent."""
        return self.color_type >= 4 or b"tRNS" in self._chunks

    def picture(self) -> ImageFile.ImageFile:
        """Return the default picture, open and not decoded."""
        return self._opened((self.width, self.height), self._data)

    def frame(self, index: int) -> ImageFile.ImageFile:
        """Return a frame's stored picture, open and not decoded."""
        return self._opened(self.frames[index].size, self.frames[index].data)

    def _opened(self, size: tuple[int, int], data: Sequence[Span]) -> ImageFile.ImageFile:
        parts: list[bytes | Span] = [SIGNATURE, _chunk(b"IHDR", pack(">II", *size) + self._chunks[b"IHDR"][0][8:])]
        parts += [_chunk(name, content) for name in (b"PLTE", b"tRNS") if (content := self._first(name)) is not None]
        for span in data:  # with no checksum, which Pillow does not verify: deflate has its own
            parts += [pack(">I4s", span.length, b"IDAT"), span, bytes(4)]
        parts.append(_chunk(b"IEND", b""))
        image = Image.open(io.BufferedReader(_Parts(self._stream, parts)), formats=["PNG"])
        if "transparency" in image.info and self.color_type in (_GRAY, _RGB) and self.depth < 16:
            image.info["transparency"] = self._transparent()
        return image

    def _transparent(self) -> int | tuple[int, ...]:
        """Return the transparent colour, scaled to 8 bits as Pillow scales samples."""
        most = (1 << self.depth) - 1
        colors = [(v & most) * 255 // most for v in unpack(f">{3 if self.color_type else 1}H", self._trns())]
        return tuple(colors) if self.color_type else colors[0]

    def _trns(self) -> bytes:
        return (self._first(b"tRNS") or b"")[: 6 if self.color_type else 2]

    def _first(self, name: bytes) -> bytes | None:
        return self._chunks.get(name, [None])[0]

    def _metadata(self) -> Metadata:
        texts = dict(filter(None, map(self._text, self._texts())))
        exif = self._first(b"eXIf")
        if exif is None:
            exif = _raw_profile(texts.get("Raw profile type exif", texts.get("Raw profile type APP1", "")))
        icc = self._first(b"iCCP")
        xmp = texts.pop(XMP_KEY.decode(), None)
        return Metadata(
            icc=self._profile(icc) if icc else None,
            exif=exif.removeprefix(b"Exif\0\0") or None,
            xmp=xmp.encode("utf-8", "surrogateescape") if xmp else None,
            dpi=_dpi(self._first(b"pHYs")),
            text={key: _shown(value) for key, value in texts.items() if not key.startswith("Raw ")},
            colour=tuple((name, content) for name in COLOUR if (content := self._first(name)) is not None),
        )

    def _texts(self) -> Iterator[tuple[bytes, bytes]]:
        for name in _TEXTS:
            for content in self._chunks.get(name, ()):
                yield name, content

    def _text(self, chunk: tuple[bytes, bytes]) -> tuple[str, str] | None:
        """Return keyword and text of a chunk; None if they can't be read."""
        name, content = chunk
        key, _, rest = content.partition(b"\0")
        packed, encoding = name == b"zTXt", "latin-1"
        if name == b"iTXt":
            packed, encoding = rest[:1] == b"\1", "utf-8"
            rest = rest[2:].split(b"\0", 2)[-1]
        elif packed:
            rest = rest[1:]
        said = self._unpacked(rest, f"the text {key.decode('latin-1')!r}") if packed else rest
        if not key or said is None:
            return None
        return key.decode("latin-1"), said.decode(encoding, "surrogateescape")

    def _profile(self, content: bytes) -> bytes | None:
        _, _, rest = content.partition(b"\0")
        return self._unpacked(rest[1:], "the ICC profile")

    def _unpacked(self, data: bytes, what: str) -> bytes | None:
        with contextlib.suppress(zlib.error):
            unpacker = zlib.decompressobj()
            unpacked = unpacker.decompress(data, _MOST_TEXT)
            if unpacker.eof:
                return unpacked
            if unpacker.unconsumed_tail:
                self.notes.append(f"{what} was left out: it has more than {_MOST_TEXT >> 20} MB")
                return None
        self.notes.append(f"{what} was left out: it is damaged")
        return None


def _shown(text: str) -> str:
    """Replace the bytes of a text that are not UTF-8 by U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _frame(content: bytes) -> PngFrame:
    width, height, x, y, number, over, dispose, blend = unpack(">4x4IHHBB", content[:26])
    return PngFrame((width, height), (x, y), 1000 * number / (over or 100), dispose, blend, [])


def _dpi(content: bytes | None) -> tuple[float, float] | None:
    if content is None or len(content) < 9 or content[8] != 1:
        return None
    x, y = (v * 0.0254 for v in unpack(">II", content[:8]))
    return (x, y) if 0 < x < 1e6 and 0 < y < 1e6 else None


def _raw_profile(text: str) -> bytes:
    """Decode EXIF as older ImageMagick put it into PNG: a line with its name, one with its length, then hex digits."""
    with contextlib.suppress(ValueError):
        return bytes.fromhex("".join(text.split("\n")[3:]))
    return b""


def _chunk(name: bytes, content: bytes) -> bytes:
    return pack(">I", len(content)) + name + content + pack(">I", zlib.crc32(content, zlib.crc32(name)))


class _Parts(io.RawIOBase):
    """A stream that joins bytes and parts of a file."""

    def __init__(self, stream: BinaryIO, parts: Sequence[bytes | Span]) -> None:
        self._stream, self._parts, self._at = stream, parts, 0
        lengths = [part.length if isinstance(part, Span) else len(part) for part in parts]
        self._ends = list(accumulate(lengths))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ends[-1]}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        index = bisect_right(self._ends, self._at)
        if index == len(self._ends):
            return 0
        part, left = self._parts[index], self._ends[index] - self._at
        count = min(left, len(buffer))
        if isinstance(part, Span):
            self._stream.seek(part.start + part.length - left)
            count = self._stream.readinto(buffer[:count])  # type: ignore[attr-defined]
        else:
            start = len(part) - left
            buffer[:count] = part[start : start + count]
        self._at += count
        return int(count)
