"""Editing EXIF blocks as bytes: they are TIFF structures whose offsets count from the beginning of the block.

Values are never parsed, so that all that a camera wrote is preserved. Blocks are changed in place: readers of maker
notes depend on offsets that rewriting would move. Only copying EXIF into a TIFF or out of one moves values.
Layout: TIFF 6.0, section 2; CIPA DC-008 (Exif 3.0), section 4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np

_ORIENTATION, _EXIF, _GPS, _INTEROP, _WIDTH, _HEIGHT = 0x0112, 0x8769, 0x8825, 0xA005, 0xA002, 0xA003
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}  # bytes of a value of each type
_WIDTHS = {**_SIZES, 5: 4, 10: 4, 13: 4, 16: 8, 18: 8}  # and of each number in a value
_MOST = 1 << 26  # bytes of values that a directory may hold
# Tags of the first directory that do not describe how pixels are stored: names, texts, dates, ratings.
_DESCRIPTIVE = frozenset([269, 270, 271, 272, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096)])
DESCRIPTION, SOFTWARE, XMP = 270, 305, 700
_BYTE, ASCII, _LONG = 1, 2, 4


class Entry(NamedTuple):
    """One entry of a directory: tag, type and number of values as stored, and the bytes of the values."""

    tag: int
    kind: int
    number: int
    value: bytes


def upright(exif: bytes, size: tuple[int, int]) -> bytes | None:
    """Return the block with orientation 1, the new size (height, width) and no thumbnail, which would be outdated.

    Return None if its structure can't be parsed.
    """
    data, order = bytearray(exif), _byte_order(exif)
    if order is None:
        return None
    try:
        (first,) = struct.unpack_from(order + "I", data, 4)
        entries = list(_places(data, order, first))
        _set_all(data, order, entries, _ORIENTATION, 1)
        (count,) = struct.unpack_from(order + "H", data, first)
        if first + 2 + 12 * count + 4 <= len(data):
            struct.pack_into(order + "I", data, first + 2 + 12 * count, 0)
        for place in (place for tag, place in entries if tag == _EXIF):
            (inner,) = struct.unpack_from(order + "I", data, place + 8)
            places = list(_places(data, order, inner))
            for tag, value in ((_WIDTH, size[1]), (_HEIGHT, size[0]), (_ORIENTATION, 1)):
                _set_all(data, order, places, tag, value)
    except struct.error:
        return None
    return bytes(data)


def orientation(exif: bytes) -> int | None:
    """Return the orientation in the block, None if it has none; the first, if it has several."""
    order = _byte_order(exif)
    try:
        if order:
            (first,) = struct.unpack_from(order + "I", exif, 4)
            for tag, place in _places(exif, order, first):
                if tag == _ORIENTATION:
                    return _short(exif, order, place)
    except struct.error:
        pass
    return None


def _short(data: Any, order: str, place: int) -> int:
    """Return the number in the entry at `place`, a SHORT (3) or LONG (4); 0 for any other type."""
    (kind,) = struct.unpack_from(order + "H", data, place + 2)
    if kind not in (3, 4):
        return 0
    value: int = struct.unpack_from(order + ("H" if kind == 3 else "I"), data, place + 8)[0]
    return value


def without_orientation(exif: bytes) -> bytes:
    """Return the block without its orientation tags: later entries move up, and no value moves."""
    data, order = bytearray(exif), _byte_order(exif) or "<"
    (first,) = struct.unpack_from(order + "I", data, 4)
    for place in reversed([place for tag, place in _places(data, order, first) if tag == _ORIENTATION]):
        (count,) = struct.unpack_from(order + "H", data, first)
        end = first + 2 + 12 * count
        data[place:end] = data[place + 12 : end] + bytes(12)
        struct.pack_into(order + "H", data, first, count - 1)
    return bytes(data)


def of_tiff(stream: BinaryIO) -> bytes | None:
    """Return the descriptive tags, EXIF and GPS of a TIFF file as an EXIF block; None if it has none."""
    data = _Content(stream)
    order = _byte_order(data[:2])
    if order is None:
        return None
    entries, parts = _told(data, order, order, 8)
    start = data[:2] + struct.pack(order + "HI", 42, 8 + len(parts))
    return start + parts + _packed(entries, order, 8 + len(parts)) if entries else None


def into_tiff(stream: BinaryIO, exif: bytes | None, others: list[Entry]) -> bool:
    """Add the contents of an EXIF block and the entries `others` to a finished TIFF; return whether they fit in.

    others: their values are of little-endian order.

    The first directory is written anew at the end of the file, with the new entries among the old ones.
    """
    stream.seek(0)
    head = stream.read(8)
    order = _byte_order(head[:2]) or "<"
    magic, first = struct.unpack(order + "2xHI", head)
    end = stream.seek(0, 2)
    at = end + end % 2
    if magic != 42 or at + len(exif or b"") + sum(len(e.value) for e in others) > 0xFFFF0000:
        return False
    told, parts = _told(exif, order, _byte_order(exif) or "<", at) if exif else ([], b"")
    stream.seek(first)
    (count,) = struct.unpack(order + "H", stream.read(2))
    table = stream.read(12 * count + 4)
    fields = {struct.unpack_from(order + "H", table, i)[0]: table[i : i + 12] for i in range(0, 12 * count, 12)}
    mine = {entry.tag: entry._replace(value=_turned(entry, "<", order)) for entry in others}
    new = mine | {entry.tag: entry for entry in told if entry.tag not in mine or entry.tag == DESCRIPTION}
    stream.seek(end)
    stream.write(bytes(at - end) + parts + _packed(list(new.values()), order, at + len(parts), fields, table[-4:]))
    stream.seek(4)
    stream.write(struct.pack(order + "I", at + len(parts)))
    stream.seek(0, 2)
    return True


def words(tag: int, said: bytes) -> Entry:
    """Return an entry that holds a text."""
    return Entry(tag, ASCII, len(said) + 1, said + b"\0")


def packet(said: bytes) -> Entry:
    """Return an entry that holds XMP."""
    return Entry(XMP, _BYTE, len(said), said)


class _Content:
    """A file's bytes, read on access: a memory map would crash the process if the file were truncated."""

    def __init__(self, stream: BinaryIO) -> None:
        place = stream.tell()
        self._stream, self._length = stream, stream.seek(0, 2)
        stream.seek(place)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, part: slice) -> bytes:
        start, end, _ = part.indices(self._length)
        place = self._stream.tell()
        try:
            self._stream.seek(start)
            return self._stream.read(max(0, end - start))
        finally:
            self._stream.seek(place)


def _unpacked(format_: str, data: Any, place: int) -> tuple[Any, ...]:
    """Unpack the numbers at `place` of a block or file. Raises struct.error beyond its end."""
    return struct.unpack(format_, data[place : place + struct.calcsize(format_)])


def _told(data: Any, order: str, source: str, at: int) -> tuple[list[Entry], bytes]:
    """Return the descriptive entries of a file or block for a TIFF of byte order `order`; and the bytes of the EXIF,
    GPS and interoperability directories that the entries point to, which must be written at offset `at`.

    source: the byte order of `data`. What can't be parsed is left out.
    """
    wide = _unpacked(source + "2xH", data, 0)[0] == 43  # a BigTIFF, of 64-bit offsets
    (first,) = _unpacked(source + ("Q" if wide else "I"), data, 8 if wide else 4)
    parts = bytearray()

    def directory(offset: int) -> list[Entry]:
        return [e._replace(value=_turned(e, source, order)) for e in _directory(data, source, offset, wide)]

    def placed(entry: Entry) -> Entry:
        """Append the directory that the entry points to, and return the entry with its new offset."""
        (offset,) = struct.unpack(order + ("Q" if len(entry.value) == 8 else "I"), entry.value)
        inner = [placed(e) if e.tag == _INTEROP and entry.tag == _EXIF and _points(e) else e for e in directory(offset)]
        place = at + len(parts)
        parts.extend(_packed(inner, order, place))
        return Entry(entry.tag, _LONG, 1, struct.pack(order + "I", place))

    entries = directory(first)
    kept = [entry for entry in entries if entry.tag in _DESCRIPTIVE]
    return kept + [placed(entry) for entry in entries if entry.tag in (_EXIF, _GPS) and _points(entry)], bytes(parts)


def _points(entry: Entry) -> bool:
    return entry.number == 1 and len(entry.value) in (4, 8)


def _byte_order(data: Any) -> str | None:
    """Return the byte order as a prefix for struct; None if the data are no TIFF structure."""
    return {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))


def _turned(entry: Entry, order: str, wanted: str) -> bytes:
    """Return the entry's value in the byte order `wanted`."""
    if order == wanted or _WIDTHS[entry.kind] == 1:
        return entry.value
    return np.frombuffer(entry.value, f"u{_WIDTHS[entry.kind]}").byteswap().tobytes()


def _directory(data: Any, order: str, offset: int, wide: bool) -> list[Entry]:
    """Return the entries of the directory at `offset`, without those that point outside the file or are too large."""
    entries, room, sizes = [], min(len(data), _MOST), _SIZES | {13: 4} | ({16: 8, 18: 8} if wide else {})
    field, number = (8, "Q") if wide else (4, "I")
    try:
        for tag, place in _places(data, order, offset, wide):
            kind, count = _unpacked(order + "H" + number, data, place + 2)
            size, start = sizes.get(kind, 0) * count, place + 4 + field
            if size > field:
                (start,) = _unpacked(order + number, data, start)
            room -= size
            if 0 < size <= len(data) - start and room >= 0:
                value = bytes(data[start : start + size])
                entries.append(Entry(tag, kind, count, value))
    except struct.error:  # the directory is cut off
        pass
    return entries


def _packed(
    entries: list[Entry], order: str, at: int, fields: dict[int, bytes] | None = None, following: bytes = bytes(4)
) -> bytes:
    """Return the bytes of a directory at the file's offset `at`, followed by the values that do not fit in its entries.

    fields: entries that are packed already, by tag. following: the offset of the next directory.
    """
    table, values = dict(fields or {}), bytearray()
    begin = at + 2 + 12 * len(table.keys() | {entry.tag for entry in entries}) + 4
    for tag, kind, number, value in entries:
        field = value.ljust(4, b"\0")
        if len(value) > 4:
            field = struct.pack(order + "I", begin + len(values))
            values += value + b"\0" * (len(value) % 2)
        table[tag] = struct.pack(order + "HHI", tag, kind, number) + field
    return struct.pack(order + "H", len(table)) + b"".join(table[tag] for tag in sorted(table)) + following + values


def _places(data: Any, order: str, offset: int, wide: bool = False) -> Iterator[tuple[int, int]]:
    """Yield the tag and offset of every entry of a directory."""
    (count,) = _unpacked(order + ("Q" if wide else "H"), data, offset)
    size = 20 if wide else 12
    begin = offset + (8 if wide else 2)
    for place in range(begin, begin + size * min(count, 0xFFFF), size):
        (tag,) = _unpacked(f"{order}H{size - 2}x", data, place)
        yield tag, place


def _set_all(data: bytearray, order: str, entries: list[tuple[int, int]], tag: int, value: int) -> None:
    """Write a number into every entry of this tag: readers differ in which of several they take."""
    for place in (place for found, place in entries if found == tag):
        _set(data, order, place, value)


def _set(data: bytearray, order: str, place: int, value: int) -> None:
    """Write one SHORT (3) or LONG (4) into the entry at `place`."""
    (kind,) = struct.unpack_from(order + "H", data, place + 2)
    if kind == 3 and value < 1 << 16:
        struct.pack_into(order + "HH", data, place + 8, value, 0)
    elif kind == 4:
        struct.pack_into(order + "I", data, place + 8, value)
