"""Reading the stored frames of GIF files, and writing GIF files frame by frame.

A frame's appearance depends on those before it, and a colour may be transparent in one frame and black in the next: so
the blocks are read and written here, and Pillow only encodes or decodes the LZW codes of one frame at a time.
GIF89a specification: https://www.w3.org/Graphics/GIF/spec-gif89a.txt
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from struct import pack, unpack
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convcli.images.animation import CLEARED, STAYS, UNDONE, Part
from convcli.images.picture import Frame

Bytes = NDArray[np.uint8]

_IMAGE, _EXTENSION, _END = b"\x2c", b"\x21", b"\x3b"
_CONTROL = 0xF9
_DISPOSALS = {2: CLEARED, 3: UNDONE, 4: UNDONE}  # some writers use 4 for 3
_GRAYS = bytes(v for v in range(256) for _ in range(3))  # the palette of a file that has none


@dataclass(frozen=True)
class GifFrame:
    """A frame as stored: size (width, height), place (x, y), palette, and the transparent index or None.

    start, end: where its LZW codes are in the file.
    """

    size: tuple[int, int]
    place: tuple[int, int]
    duration: float
    disposal: int
    transparent: int | None
    interlaced: bool
    palette: bytes
    start: int
    end: int


class GifFile:
    """A GIF file whose blocks have been located. size: (height, width), at least that of the first frame.

    Raises ValueError where it has no frames.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        stream.seek(6)
        width, height, flags = unpack("<HHBxx", stream.read(7))
        palette = self._palette(flags)
        self.frames: list[GifFrame] = []
        control = bytes(4)
        while (kind := stream.read(1)) not in (b"", _END):
            if kind == _EXTENSION:
                label, content = stream.read(1), self._content()
                if label == bytes([_CONTROL]) and len(content) >= 4:
                    control = content[:4]
            elif kind == _IMAGE:
                frame = self._frame(control, palette)
                if frame:
                    self.frames.append(frame)
                control = bytes(4)
        if not self.frames:
            raise ValueError("it has no frames")
        first = self.frames[0]
        self.size = (max(height, first.place[1] + first.size[1]), max(width, first.place[0] + first.size[0]))

    @property
    def clear(self) -> bool:
        """Whether any pixel of any frame may be transparent."""
        first = self.frames[0]
        covered = first.place == (0, 0) and first.size == self.size[::-1]
        gone = any(frame.disposal == CLEARED for frame in self.frames[:-1]) or first.disposal == UNDONE
        return not covered or gone or any(frame.transparent is not None for frame in self.frames)

    @property
    def gray(self) -> bool:
        """Whether all palettes are gray."""
        return all(p[0::3] == p[1::3] == p[2::3] for p in {frame.palette for frame in self.frames})

    def part(self, index: int) -> Part:
        """Decode the stored pixels of a frame."""
        frame = self.frames[index]
        indices = self._indices(frame)
        colors = np.zeros((256, 3), np.uint8)
        known = np.frombuffer(frame.palette, np.uint8).reshape(-1, 3)
        colors[: len(known)] = known
        pixels = colors[:, 0][indices] if self.gray else colors[indices]
        alpha = None
        if frame.transparent is not None:
            alpha = np.where(indices == frame.transparent, np.uint8(0), np.uint8(255))
        return Part(Frame(pixels, alpha), frame.place, frame.duration, frame.disposal, over=True)

    def _indices(self, frame: GifFrame) -> Bytes:
        """Decode the palette indices of a frame: Pillow reads it as a GIF file with one frame."""
        self._stream.seek(frame.start)
        bits = max(1, (len(frame.palette) // 3 - 1).bit_length())
        palette = frame.palette.ljust(3 << bits, b"\0")
        head = b"GIF89a" + pack("<HHBBB", *frame.size, 0, 0, 0)
        table = _IMAGE + pack("<HHHHB", 0, 0, *frame.size, 0x80 | frame.interlaced << 6 | bits - 1) + palette
        alone = io.BytesIO(head + table + self._stream.read(frame.end - frame.start) + _END)
        with Image.open(alone, formats=["GIF"]) as image:
            return np.array(image, np.uint8)

    def _frame(self, control: bytes, palette: bytes) -> GifFrame | None:
        descriptor = self._stream.read(9)
        if len(descriptor) < 9:
            return None
        x, y, width, height, flags = unpack("<HHHHB", descriptor)
        own = self._palette(flags)
        start = self._stream.tell()
        self._stream.seek(1, io.SEEK_CUR)
        self._skip()
        how, hundredths, transparent = unpack("<BHB", control)
        if not width or not height:
            return None
        return GifFrame(
            (width, height), (x, y), hundredths * 10, _DISPOSALS.get(how >> 2 & 7, STAYS),
            transparent if how & 1 else None, bool(flags & 0x40), own or palette or _GRAYS, start, self._stream.tell(),
        )  # fmt: skip

    def _palette(self, flags: int) -> bytes:
        return self._stream.read(3 << (flags & 7) + 1) if flags & 0x80 else b""

    def _content(self) -> bytes:
        """Read the first of a chain of sub-blocks, and skip the others."""
        first = self._stream.read(int.from_bytes(length)) if (length := self._stream.read(1)) > b"\0" else b""
        if first:
            self._skip()
        return first

    def _skip(self) -> None:
        """Skip the sub-blocks up to their terminator."""
        while length := int.from_bytes(self._stream.read(1)):
            self._stream.seek(length, io.SEEK_CUR)


@dataclass(frozen=True)
class Paletted:
    """A picture in at most 256 colours: indices (H, W), palette (N, 3), and the transparent index or None."""

    indices: Bytes
    palette: Bytes
    transparent: int | None
    duration: float


def write_gif(stream: BinaryIO, frames: list[Paletted], loop: int | None, comment: bytes | None) -> None:
    """Write pictures of one size as a GIF. loop: how often they are shown: 0 is for ever, None or 1 is once."""
    height, width = frames[0].indices.shape
    shared = _table(frames[0].palette)
    clear = any(frame.transparent is not None for frame in frames)
    disposal = 2 if clear else 1
    stream.write(b"GIF89a" + pack("<HHBBB", width, height, 0xF0 | _bits(shared) - 1, 0, 0) + shared)
    if len(frames) > 1 and loop is not None and loop != 1:
        stream.write(_EXTENSION + b"\xff\x0bNETSCAPE2.0\x03\x01" + pack("<HB", loop, 0))
    if comment:
        parts = (comment[at : at + 255] for at in range(0, len(comment), 255))
        stream.write(_EXTENSION + b"\xfe" + b"".join(bytes([len(part)]) + part for part in parts) + b"\0")
    for frame in frames:
        if len(frames) > 1 or clear:
            hundredths = min(round(frame.duration / 10), 0xFFFF)
            how = disposal << 2 | (frame.transparent is not None)
            stream.write(_EXTENSION + b"\xf9\x04" + pack("<BHBB", how, hundredths, frame.transparent or 0, 0))
        own = _table(frame.palette)
        local = b"" if own == shared else own
        stream.write(_IMAGE + pack("<HHHHB", 0, 0, width, height, 0x80 | _bits(own) - 1 if local else 0) + local)
        stream.write(_codes(frame.indices))
    stream.write(_END)


def _table(palette: Bytes) -> bytes:
    """Return the palette as bytes, padded to a size that GIF allows."""
    entries = max(2, 1 << (len(palette) - 1).bit_length())
    return palette.tobytes().ljust(3 * entries, b"\0")


def _bits(table: bytes) -> int:
    return (len(table) // 3 - 1).bit_length()


def _codes(indices: Bytes) -> bytes:
    """Return the LZW codes of palette indices: Pillow encodes them as gray levels, which it leaves unchanged."""
    alone = io.BytesIO()
    Image.fromarray(indices).save(alone, "GIF", optimize=False, interlace=False)
    frame = GifFile(alone).frames[0]
    return alone.getvalue()[frame.start : frame.end]
