"""Writing JPEG: bands of rows are encoded on threads and joined in order, with restart markers between them.

A restart marker resets the coder's prediction, so the coefficients are the same as if the whole picture were encoded
at once. The file does not depend on the number of threads.

ITU-T T.81, B.2 (markers) and F.1.1.5.2 (restart intervals): https://www.w3.org/Graphics/JPEG/itu-t81.pdf
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from io import BytesIO
from struct import pack, pack_into, unpack
from typing import TYPE_CHECKING, Any, BinaryIO

from convcli.images.parallel import mapped
from convcli.images.picture import Frame

if TYPE_CHECKING:
    from PIL import Image

_BAND = 1 << 19  # pixels encoded together
_APP2, _ENTRIES = 0xFFE2, 0xB002
_UNIT = 16  # rows that all samplings divide
_FRAMES, _SCAN, _INTERVAL, _RESTART, _END = (0xC0, 0xC1), 0xDA, 0xDD, 0xD0, b"\xff\xd9"


def write_jpeg(
    stream: BinaryIO,
    frame: Frame,
    image_of: Callable[[Frame], Image.Image],
    options: dict[str, Any],
    *,
    threads: int = 1,
) -> None:
    """Write a frame as baseline JPEG.

    image_of: converts a band to a Pillow image in a mode that JPEG holds. options: keywords of Pillow's save.
    """
    height, width = frame.size
    rows = max(1, _BAND // (width * _UNIT)) * _UNIT

    def band(top: int) -> bytes:
        return _encoded(image_of(frame.rows(top, top + rows)), options)

    for number, data in enumerate(mapped(band, range(0, height, rows), threads)):
        start = _scan_of(data)
        if number == 0:
            stream.write(_head(data[:start], (height, width), rows))
        else:
            stream.write(bytes([0xFF, _RESTART + (number - 1) % 8]))
        stream.write(memoryview(data)[start : -len(_END)])
    stream.write(_END)


def pictures_of(image: Any, stream: BinaryIO) -> list[tuple[int, int]]:
    """Return offset and length of each picture in a JPEG that holds several (MPO, Ultra HDR); else an empty list.

    CIPA DC-007: all offsets but the first count from the index.
    """
    try:
        index = image._getmp()
        entries = index[_ENTRIES] if index else []
        base = _index_of(stream) if entries else 0
        return [(entry["DataOffset"] and entry["DataOffset"] + base, entry["Size"]) for entry in entries]
    except Exception:  # a damaged index is ignored, whatever Pillow raises on it
        return []


def _index_of(stream: BinaryIO) -> int:
    """Return the offset of a JPEG's index of pictures."""
    at = 2
    while True:
        stream.seek(at)
        marker, length, name = unpack(">HH4s", stream.read(8))
        if marker == _APP2 and name == b"MPF\0":
            return at + 8
        at += 2 + int(length)


def _encoded(image: Image.Image, options: dict[str, Any]) -> bytes:
    """Encode the image as a JPEG file. Pillow lets other threads run only while it writes to a real file."""
    if not hasattr(os, "memfd_create"):
        memory = BytesIO()
        image.save(memory, "JPEG", **options)
        return memory.getvalue()
    with os.fdopen(os.memfd_create("band"), "w+b") as file:
        image.save(file, "JPEG", **options)
        file.seek(0)
        return file.read()


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield every marker up to that of the scan, and its offset."""
    at, marker = 2, 0
    while marker != _SCAN:
        marker = data[at + 1]
        yield marker, at
        at += 2 + int.from_bytes(data[at + 2 : at + 4])


def _scan_of(data: bytes) -> int:
    """Return the offset of the scan's coded data."""
    *_, (_, at) = _segments(data)
    return at + 2 + int.from_bytes(data[at + 2 : at + 4])


def _head(head: bytes, size: tuple[int, int], rows: int) -> bytes:
    """Turn a band's header into that of the whole picture of this height and width, with restarts every `rows` rows."""
    height, width = size
    new, places = bytearray(head), dict(_segments(head))
    frame = next(places[marker] for marker in _FRAMES if marker in places)
    pack_into(">H", new, frame + 5, height)
    if height > rows:
        count = head[frame + 9]
        sampling = [head[frame + 11 + 3 * i] for i in range(count)] if count > 1 else [0x11]
        across, down = max(s >> 4 for s in sampling), max(s & 15 for s in sampling)
        interval = -(-width // (8 * across)) * (rows // (8 * down))
        scan = places[_SCAN]
        new[scan:scan] = pack(">BBHH", 0xFF, _INTERVAL, 4, interval)
    return bytes(new)
