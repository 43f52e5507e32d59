"""What a file says beside its pixels: read, made true for the new pixels, written again.

EXIF is changed in place: readers of maker notes depend on offsets that rewriting would move.
Layout: TIFF 6.0, section 2; CIPA DC-008 (Exif 3.0), section 4.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from zlib import compress

from PIL import Image

from convcli.images.picture import Metadata

_ORIENTATION, _EXIF_IFD, _WIDTH, _HEIGHT = 0x0112, 0x8769, 0xA002, 0xA003
_DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 33432, 0x8769, 0x8825)  # a TIFF's tags that are not about its layout
_XMP_KEY = "XML:com.adobe.xmp"
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|>))\d")  # as attribute or element
_JPEG_SEGMENT = 65533  # bytes that a JPEG segment holds


def metadata_of(image: Image.Image) -> Metadata:
    """Everything worth keeping, of a picture that has been decoded (PNG may carry text behind the pixels)."""
    info = image.info
    xmp = info.get("xmp")
    dpi = info.get("dpi")
    comment = info.get("comment")
    return Metadata(
        icc=info.get("icc_profile") or None,
        exif=_exif_of(image),
        xmp=xmp.encode() if isinstance(xmp, str) else xmp,
        dpi=(float(dpi[0]), float(dpi[1])) if dpi and all(0 < float(d) < 1e6 for d in dpi) else None,
        comment=comment.encode() if isinstance(comment, str) else comment,
        text={k: str(v) for k, v in getattr(image, "text", {}).items() if k != _XMP_KEY and not k.startswith("Raw ")},
    )


def _exif_of(image: Image.Image) -> bytes | None:
    """The EXIF block without its prefix."""
    if image.format in ("TIFF", "MPO_TIFF"):
        own, chosen = image.getexif(), Image.Exif()
        for tag in _DESCRIPTIVE:
            if tag in own:
                chosen[tag] = own.get_ifd(tag) if tag in (0x8769, 0x8825) else own[tag]
        data = chosen.tobytes() if len(chosen) else b""
    else:
        data = image.info.get("exif") or b""
        if not data and "Raw profile type exif" in image.info:
            data = image.getexif().tobytes()
    return data.removeprefix(b"Exif\x00\x00") or None


def renewed(metadata: Metadata, size: tuple[int, int], colors: int) -> tuple[Metadata, list[str]]:
    """The metadata as it is true of the new pixels, and why something was dropped.

    size: the new height and width. colors: 1, 3 or 4 samples a pixel.
    """
    notes = []
    icc, exif = metadata.icc, metadata.exif
    if icc is not None and (space := icc[16:20]) != {1: b"GRAY", 3: b"RGB ", 4: b"CMYK"}[colors]:
        words, its = {1: "gray", 3: "RGB", 4: "CMYK"}, space.decode("latin-1").strip()
        notes.append(f"the ICC profile was dropped: it is for {its} and the output is {words[colors]}")
        icc = None
    if exif is not None:
        exif = upright_exif(exif, size)
        if exif is None:
            notes.append("the EXIF block was dropped: it is damaged")
    xmp = metadata.xmp and _XMP_ORIENTATION.sub(rb"\g<1>1", metadata.xmp)
    return replace(metadata, icc=icc, exif=exif, xmp=xmp), notes


def upright_exif(exif: bytes, size: tuple[int, int]) -> bytes | None:
    """The block with orientation 1, the new size, and no thumbnail, which would show the old picture.

    None where its structure can't be followed.
    """
    data = bytearray(exif)
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
    if order is None:
        return None
    try:
        (first,) = struct.unpack_from(order + "I", data, 4)
        entries = dict(_entries(data, order, first))
        if _ORIENTATION in entries:
            _set(data, order, entries[_ORIENTATION], 1)
        (count,) = struct.unpack_from(order + "H", data, first)
        if first + 2 + 12 * count + 4 <= len(data):
            struct.pack_into(order + "I", data, first + 2 + 12 * count, 0)
        if _EXIF_IFD in entries:
            (inner,) = struct.unpack_from(order + "I", data, entries[_EXIF_IFD] + 8)
            places = dict(_entries(data, order, inner))
            for tag, value in ((_WIDTH, size[1]), (_HEIGHT, size[0])):
                if tag in places:
                    _set(data, order, places[tag], value)
    except struct.error:
        return None
    return bytes(data)


def _entries(data: bytearray, order: str, offset: int) -> Iterator[tuple[int, int]]:
    """Tag and place of every entry of a directory."""
    (count,) = struct.unpack_from(order + "H", data, offset)
    for place in range(offset + 2, offset + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from(order + "H", data, place)
        struct.unpack_from("12x", data, place)
        yield tag, place


def _set(data: bytearray, order: str, place: int, value: int) -> None:
    """Write one SHORT (3) or LONG (4) into the entry at `place`."""
    (kind,) = struct.unpack_from(order + "H", data, place + 2)
    if kind == 3 and value < 1 << 16:
        struct.pack_into(order + "HH", data, place + 8, value, 0)
    elif kind == 4:
        struct.pack_into(order + "I", data, place + 8, value)


def png_chunks(metadata: Metadata, note: str | None) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG file that hold the metadata; `note` is what the file says about its making."""
    if metadata.icc:
        yield b"iCCP", b"ICC profile\0\0" + compress(metadata.icc)
    if metadata.dpi:
        x, y = (round(d / 0.0254) for d in metadata.dpi)
        yield b"pHYs", struct.pack(">IIB", x, y, 1)
    if metadata.exif:
        yield b"eXIf", metadata.exif
    if metadata.xmp:
        yield b"iTXt", _XMP_KEY.encode() + b"\0\0\0\0\0" + metadata.xmp
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


_TELLING = ("PNG", "JPEG", "TIFF", "WEBP", "AVIF")  # formats with a place for profile and EXIF


def homeless(metadata: Metadata, format_: str, deep: bool) -> list[str]:
    """What of the metadata the format has no place for, in sentences. deep: more than 8 bits a channel."""
    notes = []
    if metadata.icc and format_ not in _TELLING:
        notes.append(f"the ICC profile was dropped: {format_} has no place for it")
    if metadata.exif and format_ not in _TELLING:
        notes.append(f"the EXIF block was dropped: {format_} has no place for it")
    if metadata.exif and format_ == "TIFF" and deep:
        notes.append("the EXIF block was dropped: TIFF of more than 8 bits a channel is written without it")
    return notes


def pillow_options(format_: str, metadata: Metadata, note: str | None) -> tuple[dict[str, Any], list[str]]:
    """The metadata as the keywords of Pillow's save for this format, and why something could not be kept."""
    options: dict[str, Any] = {}
    notes: list[str] = []
    comment = metadata.comment or (metadata.text.get("Comment") or "").encode() or None
    if metadata.icc and format_ in _TELLING:
        options["icc_profile"] = metadata.icc
    if metadata.dpi and format_ in ("JPEG", "TIFF", "BMP", "DIB", "PCX", "PDF"):
        options["dpi"] = metadata.dpi
    if format_ in ("JPEG", "WEBP", "AVIF"):
        exif = metadata.exif
        if exif is None and note and format_ != "JPEG":
            exif = _exif_with_software(note)
        if exif:
            options["exif"] = b"Exif\0\0" + exif
        if metadata.xmp:
            options["xmp"] = metadata.xmp
    if format_ == "TIFF":
        options["exif"] = _tiff_tags(metadata, comment, note)
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


def _tiff_tags(metadata: Metadata, comment: bytes | None, note: str | None) -> Image.Exif:
    """EXIF, XMP, comment and note as the tags of a TIFF."""
    tags = Image.Exif()
    if metadata.exif:
        tags.load(b"Exif\0\0" + metadata.exif)
    if metadata.xmp:
        tags[700] = metadata.xmp
    if comment and 270 not in tags:
        tags[270] = comment.decode("utf-8", "replace")
    if note:
        tags[305] = note
    return tags


def _exif_with_software(note: str) -> bytes:
    """A block that says nothing but which software wrote the file."""
    exif = Image.Exif()
    exif[305] = note
    return exif.tobytes().removeprefix(b"Exif\x00\x00")
