"""Where on the earth a TIFF's pixels are, and which value stands for no data: the tags of GeoTIFF and GDAL.

GeoTIFF 1.1 (OGC 19-008r4), section 7.
"""

from __future__ import annotations

import contextlib
from struct import error, pack
from typing import Any

import numpy as np

from convcli.images.exif import ASCII, Entry
from convcli.images.tiff_samples import Tags

_SHORT, _DOUBLE = 3, 12
_KINDS = {33550: _DOUBLE, 33922: _DOUBLE, 34264: _DOUBLE, 34735: _SHORT, 34736: _DOUBLE, 34737: ASCII}
_NODATA = 42113


def geography_of(tags: Tags) -> tuple[Entry, ...]:
    """The tags that place the picture, their values of little-endian order. What is no such value is none."""
    found = []
    for tag, kind in _KINDS.items():
        if (value := tags(tag)) is not None:
            with contextlib.suppress(error, TypeError, ValueError, OverflowError):
                found.append(_entry(tag, kind, value))
    return tuple(found)


def nodata_of(tags: Tags) -> str | None:
    """The value that stands for no data, as the file writes it."""
    value = tags(_NODATA)
    return None if value is None else str(value).strip("\0 ") or None


def told(
    geography: tuple[Entry, ...], nodata: str | None, stays: bool, format_: str
) -> tuple[tuple[Entry, ...], list[str]]:
    """The tags that are true of the output, and what the user should know.

    stays: whether pixels are as many as they were and where they were. format_: the output's.
    """
    notes = []
    if geography and not (stays and format_ == "TIFF"):
        why = "pixels are no longer where they were" if format_ == "TIFF" else f"{format_} has no place for them"
        notes.append(f"the geographic tags were dropped: {why}")
        geography = ()
    if nodata is not None:
        notes.append(f"the value {nodata}, which stands for no data, was filtered like any other, and its tag dropped")
    return geography, notes


def _entry(tag: int, kind: int, value: Any) -> Entry:
    if kind == ASCII:
        said = str(value).encode("utf-8", "replace") + b"\0"
        return Entry(tag, kind, len(said), said)
    values = np.ravel(value).tolist()
    packed = b"".join(pack("<H", int(v)) if kind == _SHORT else pack("<d", v) for v in values)
    return Entry(tag, kind, len(values), packed)
