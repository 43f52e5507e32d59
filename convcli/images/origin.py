"""Facts about a source file that decide how a file made from it is written."""

from __future__ import annotations

from typing import Any

from PIL import Image

from convcli.images.picture import Origin

_LOSSY = ("JPEG", "MPO", "AVIF")
_SAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}


def origin_of(image: Image.Image, frames: int, head: bytes) -> Origin:
    """Return the facts about a picture's file, from its header alone. head: the file's first bytes."""
    jpeg = image.format in ("JPEG", "MPO")
    loop = image.info.get("loop")
    if loop is None and image.format == "GIF" and frames > 1:
        loop = 1  # a GIF without the extension is shown once
    return Origin(
        image.format or "",
        image.mode,
        frames,
        loop if frames > 1 else None,
        lossless=image.format not in _LOSSY and not _lossy(image, head),
        jpeg=_jpeg(image) if jpeg else None,
        compression=image.info.get("compression") if image.format == "TIFF" else None,
    )


def _lossy(image: Image.Image, head: bytes) -> bool:
    """Return whether a file of a format that can be lossy or lossless is lossy."""
    if image.format == "WEBP":
        return b"VP8 " in head
    if image.format == "JPEG2000" and (at := head.find(b"\xff\x52")) > 0:
        return head[at + 13 : at + 14] == b"\x00"  # the irreversible 9-7 transform
    return image.format == "TIFF" and image.info.get("compression") == "jpeg"


def _jpeg(image: Image.Image) -> dict[str, Any]:
    """Return the quantization tables and the subsampling as keywords of Pillow's save."""
    from PIL.JpegImagePlugin import get_sampling

    tables: dict[str, Any] = {"qtables": getattr(image, "quantization", None)}
    sampling = _SAMPLING.get(get_sampling(image))
    if sampling:
        tables["subsampling"] = sampling
    return tables if tables["qtables"] else {}
