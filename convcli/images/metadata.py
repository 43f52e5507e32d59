"""Metadata of picture files: read, adapted to the new pixels, and written again."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO
from zlib import compress

from PIL import Image

from convcli.images import exif
from convcli.images.geography import geography_of, nodata_of
from convcli.images.picture import Metadata
from convcli.images.png_in import XMP_KEY

_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|>))(\d)")  # as attribute or element
_SRGB_PLACES = (
    31270,
    32900,
    64000,
    33000,
    30000,
    60000,
    15000,
    6000,
)  # chromaticities of white, red, green and blue as in cHRM
_SRGB_CODE = (b"cICP", bytes([1, 13, 0, 1]))
_JPEG_SEGMENT = 65533  # bytes that a JPEG segment holds


def metadata_of(image: Image.Image, stream: BinaryIO) -> Metadata:
    """Return the metadata of a picture that is not a PNG (see `png_in` for those). stream: its file."""
    info = image.info
    xmp = info.get("xmp")
    dpi = info.get("dpi")
    comment = info.get("comment")
    tags = getattr(image, "tag_v2", {}).get if image.format == "TIFF" else None
    return Metadata(
        icc=info.get("icc_profile") or None,
        exif=_exif_of(image, stream),
        xmp=xmp.encode() if isinstance(xmp, str) else xmp,
        dpi=(float(dpi[0]), float(dpi[1])) if dpi and all(0 < float(d) < 1e6 for d in dpi) else None,
        comment=comment.encode() if isinstance(comment, str) else comment,
        geography=geography_of(tags) if tags else (),
        nodata=nodata_of(tags) if tags else None,
    )


def _exif_of(image: Image.Image, stream: BinaryIO) -> bytes | None:
    """Return the EXIF block without its prefix."""
    if image.format == "TIFF":
        return exif.of_tiff(stream)
    data: bytes = image.info.get("exif") or b""
    return data.removeprefix(b"Exif\x00\x00") or None


def orientation(block: bytes | None, xmp: bytes | None) -> int:
    """Return the picture's orientation from EXIF or, if it has none, from XMP; else 1."""
    said = exif.orientation(block) if block else None
    if said is None and xmp and (found := _XMP_ORIENTATION.search(xmp)):
        said = int(found[2])
    return said or 1


def renewed(metadata: Metadata, size: tuple[int, int], colors: int) -> tuple[Metadata, list[str]]:
    """Return the metadata adapted to the new pixels, and notes on what was dropped.

    size: the new height and width. colors: 1, 3 or 4 samples a pixel.
    """
    notes = []
    icc, block = metadata.icc, metadata.exif
    if icc is not None and (space := icc[16:20]) != {1: b"GRAY", 3: b"RGB ", 4: b"CMYK"}[colors]:
        words, its = {1: "gray", 3: "RGB", 4: "CMYK"}, space.decode("latin-1").strip()
        notes.append(f"the ICC profile was dropped: it is for {its} and the output is {words[colors]}")
        icc = None
    if block is not None:
        block = exif.upright(block, size)
        if block is None:
            notes.append("the EXIF block was dropped: it is damaged")
    xmp = metadata.xmp and _XMP_ORIENTATION.sub(rb"\g<1>1", metadata.xmp)
    return replace(metadata, icc=icc, exif=block, xmp=xmp), notes


def png_chunks(metadata: Metadata, note: str | None) -> Iterator[tuple[bytes, bytes]]:
    """Yield the PNG chunks that hold the metadata. note: how the file was made, written as Software."""
    yield from metadata.colour
    if metadata.icc:
        yield b"iCCP", b"ICC profile\0\0" + compress(metadata.icc)
    if metadata.dpi:
        x, y = (round(d / 0.0254) for d in metadata.dpi)
        yield b"pHYs", struct.pack(">IIB", x, y, 1)
    if metadata.exif:
        yield b"eXIf", metadata.exif
    if metadata.xmp:
        yield b"iTXt", XMP_KEY + b"\0\0\0\0\0" + metadata.xmp
    text = dict(metadata.text)
    if metadata.comment and "Comment" not in text:
        text["Comment"] = metadata.comment.decode("utf-8", "replace")
    if note:
        text["Software"] = note
    for key, value in text.items():
        yield _png_text(key, value)


def _png_text(key: str, value: str) -> tuple[bytes, bytes]:
    name = key.encode("latin-1", "replace")[:79]
    try:
        return b"tEXt", name + b"\0" + value.encode("latin-1")
    except UnicodeEncodeError:
        return b"iTXt", name + b"\0\0\0\0\0" + value.encode()


_TELLING = ("PNG", "JPEG", "TIFF", "WEBP", "AVIF")  # formats that hold ICC profile and EXIF


def homeless(metadata: Metadata, format_: str) -> list[str]:
    """Return notes on the metadata that the format can't hold."""
    notes = []
    if metadata.icc and format_ not in _TELLING:
        notes.append(f"the ICC profile was dropped: {format_} has no place for it")
    if metadata.exif and format_ not in _TELLING:
        notes.append(f"the EXIF block was dropped: {format_} has no place for it")
    if format_ != "PNG" and (names := _meaningful(metadata)):
        notes.append(f"the description of the colours ({', '.join(names)}) was dropped: only PNG has a place for it")
    return notes


def _meaningful(metadata: Metadata) -> list[str]:
    """Return the names of the colour chunks that say more than the ICC profile, or than that colours are sRGB."""
    chunks = dict(metadata.colour)
    if b"cICP" not in chunks and (metadata.icc or b"sRGB" in chunks):
        return []
    usual = (b"gAMA", struct.pack(">I", 45455)), (b"cHRM", struct.pack(">8I", *_SRGB_PLACES)), _SRGB_CODE
    return [name.decode() for name, content in metadata.colour if (name, content) not in usual]


def pillow_options(format_: str, metadata: Metadata, note: str | None) -> tuple[dict[str, Any], list[str]]:
    """Return the metadata as keywords of Pillow's save for this format, and notes on what was dropped."""
    options: dict[str, Any] = {}
    notes: list[str] = []
    comment = _comment(metadata)
    if metadata.icc and format_ in _TELLING:
        options["icc_profile"] = metadata.icc
    if metadata.dpi and format_ in ("JPEG", "TIFF", "BMP", "DIB", "PCX", "PDF"):
        options["dpi"] = metadata.dpi
    if format_ in ("JPEG", "WEBP", "AVIF"):
        block = metadata.exif
        if block is None and note and format_ != "JPEG":
            block = _exif_with_software(note)
        if block:  # for AVIF, Pillow would rewrite a block with an orientation
            options["exif"] = b"Exif\0\0" + (exif.without_orientation(block) if format_ == "AVIF" else block)
        if metadata.xmp:
            options["xmp"] = metadata.xmp
    if format_ in ("JPEG", "GIF", "JPEG2000"):
        said = b"\n".join(part for part in (comment, note.encode() if note else None) if part)
        if said:
            options["comment"] = said
    if format_ == "JPEG":
        for key, limit in (("exif", _JPEG_SEGMENT), ("xmp", _JPEG_SEGMENT - 29), ("comment", _JPEG_SEGMENT)):
            if len(options.get(key, b"")) > limit:
                del options[key]
                notes.append(f"{key} was dropped: JPEG holds at most {limit} bytes of it")
    return options, notes


def tell_tiff(stream: BinaryIO, metadata: Metadata, note: str | None) -> list[str]:
    """Write what belongs into a whole TIFF, just written; and say why something could not be kept.

    That is EXIF, XMP, geographic tags, comment and note.
    """
    entries = [exif.words(exif.SOFTWARE, note.encode())] if note else []
    if comment := _comment(metadata):
        entries.append(exif.words(exif.DESCRIPTION, comment))
    if metadata.xmp:
        entries.append(exif.packet(metadata.xmp))
    entries += metadata.geography
    if not metadata.exif and not entries:
        return []
    if exif.into_tiff(stream, metadata.exif, entries):
        return []
    return ["EXIF, XMP, geographic tags and comment were dropped: a TIFF has them only in a file of less than 4 GB"]


def _comment(metadata: Metadata) -> bytes | None:
    return metadata.comment or metadata.text.get("Comment", "").encode() or None


def _exif_with_software(note: str) -> bytes:
    """Return an EXIF block that holds only the Software tag."""
    tags = Image.Exif()
    tags[exif.SOFTWARE] = note.encode()
    return tags.tobytes().removeprefix(b"Exif\x00\x00")
