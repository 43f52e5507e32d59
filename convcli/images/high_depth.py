"""Colour with more than 8 bits a channel, which Pillow silently reduces to 8.

PNG and PPM are decoded here. TIFF needs tifffile (and imagecodecs for its compressions), AVIF and JPEG 2000 need
imagecodecs: the extra `deep` installs both.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from importlib.util import find_spec
from struct import unpack
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from convcli.errors import ImageError
from convcli.images import apart, exif
from convcli.images.geography import geography_of, nodata_of
from convcli.images.modes import frame_of
from convcli.images.picture import Frame, Metadata
from convcli.images.tiff_samples import Layout, layout_of, unused_note

Array = NDArray[Any]
INSTALL = "pip install 'convcli[deep]'"
_ORIENTATION = 274
_CLASSIC = (1 << 32) - (1 << 26)  # most bytes of pixels in a TIFF with 32-bit offsets


def bits_of(image: ImageFile.ImageFile, head: bytes) -> int:
    """Return the bits per channel of a colour picture in its file; 8 if Pillow loses nothing.

    head: the file's first bytes, which hold the depth in AVIF and JPEG 2000.
    """
    if image.mode.startswith(("I", "F")) or image.mode in ("1", "P"):
        return 8
    if image.format == "TIFF":  # its pages may differ: tiff_samples examines each
        return 8
    if image.format == "PPM":
        return 16 if _maxval(image) > 255 else 8
    if image.format == "AVIF" and (at := head.find(b"pixi")) > 0:
        return max(head[at + 9 : at + 9 + head[at + 8]], default=8)
    if image.format == "JPEG2000":
        return jpeg2000_bits(head)
    return 16 if any(";16" in str(tile[3]) and "BGR;16" not in str(tile[3]) for tile in image.tile) else 8


def jpeg2000_bits(head: bytes) -> int:
    """Return the bits of the first channel, from the marker SIZ."""
    at = head.find(b"\xff\x51")
    return (head[at + 40] & 0x7F) + 1 if 0 < at < len(head) - 40 else 8


def whole_range(frame: Frame, bits: int) -> Frame:
    """Scale gray of a JPEG 2000 file, which Pillow has shifted left from `bits` bits, to the full range of 16 bits."""
    if frame.pixels.dtype != np.uint16 or not 8 < bits < 16:
        return frame
    most = (1 << bits) - 1
    samples = frame.pixels.astype(np.uint32) >> (16 - bits)
    return replace(frame, pixels=((samples * 65535 + most // 2) // most).astype(np.uint16))


def obstacle(image: ImageFile.ImageFile) -> str | None:
    """Return why not all bits of a file that is not a TIFF can be read; None if they can."""
    if image.format == "PPM" and image.tile and image.tile[0][0] == "ppm_plain":
        return "and of plain PPM only 8 can be read"
    if image.format in ("PPM", "PNG"):
        return None
    if image.format not in ("AVIF", "JPEG2000"):
        return f"and of {image.format} only 8 can be read"
    return None if find_spec("imagecodecs") else f"which needs the extra `deep`: {INSTALL}"


class Codestream:
    """An AVIF or JPEG 2000 file decoded by imagecodecs, and scaled from `bits` to the full range of 16 bits.

    All frames are decoded at once, the only use of the decoder that is known to work; several frames are cached.
    """

    def __init__(self, image: ImageFile.ImageFile, stream: BinaryIO, bits: int, head: bytes) -> None:
        at = head.find(b"\xff\x51")
        if image.format == "JPEG2000" and 0 < at < len(head) - 40:
            right, bottom, left, top = unpack(">4I", head[at + 6 : at + 22])
            if (right - left, bottom - top) != image.size:
                raise ValueError(f"its head says {image.width}x{image.height}, its data {right - left}x{bottom - top}")
        self._stream, self._bits = stream, bits
        self._decoder = "jpeg2k_decode" if image.format == "JPEG2000" else "avif_decode"
        self._frames = getattr(image, "n_frames", 1)
        self._alpha = image.mode in ("LA", "RGBA")
        bands = len(image.getbands())
        self._shape = (image.height, image.width, bands)[: 2 + (bands > 1)]
        self._kept: Array | None = None

    def frame(self, index: int) -> Frame:
        """Return the frame of an index."""
        if self._kept is None:
            self._kept = self._decoded()
        samples = self._kept[index]
        if self._frames == 1:
            self._kept = None
        most = (1 << self._bits) - 1
        if most < 65535:
            samples = ((samples.astype(np.uint32) * 65535 + most // 2) // most).clip(0, 65535).astype(np.uint16)
        return _parted(samples) if self._alpha else Frame(samples)

    def _decoded(self) -> Array:
        self._stream.seek(0)
        samples = apart.decoded(self._decoder, self._stream.read())
        if samples.dtype == np.int16:  # signed: the least is black
            samples = (samples.astype(np.int32) + (1 << self._bits - 1)).astype(np.uint16)
        shape = (self._frames, *self._shape)
        if samples.dtype != np.uint16 or samples.shape not in (shape, shape[self._frames == 1 :]):
            raise ValueError(f"it holds {samples.dtype} samples of shape {samples.shape}, not what its head says")
        return samples.reshape(shape)


def png_frame(image: ImageFile.ImageFile) -> Frame:
    """Decode a picture of a PNG, which is open and not decoded yet, with all its bits."""
    if image.mode.startswith("I") or not any(";16" in str(tile[3]) for tile in image.tile):
        image.load()
        return frame_of(image)
    samples = _read_png(image)
    clear = image.info.get("transparency")
    if samples.shape[2] in (2, 4):
        return _parted(samples)
    if clear is not None:
        return Frame(samples, np.where((samples == clear).all(axis=2), 0, 65535).astype(np.uint16))
    return Frame(samples)


def _parted(samples: Array) -> Frame:
    """Split samples, whose last channel is alpha, into colours and alpha."""
    color, alpha = samples[..., :-1], np.ascontiguousarray(samples[..., -1])
    return Frame(np.ascontiguousarray(color[..., 0] if color.shape[2] == 1 else color), alpha)


def _read_png(image: ImageFile.ImageFile) -> Array:
    """Decode all 16 bits of every sample, (H, W, samples).

    Pillow has unpackers for 16-bit samples of either byte order, which keep only the more significant byte. With the
    wrong byte order one keeps the other byte, so decoding twice gives both. Gray with alpha has four bytes a pixel,
    which are decoded once as RGBA.
    """
    if image.tile[0].args == "LA;16B":
        parts = np.asarray(_decoded(image, "RGBA"))
        gray: Array = (parts[..., 0::2].astype(np.uint16) << 8) | parts[..., 1::2]
        return gray
    stream = image.fp
    assert stream is not None
    place = stream.tell()
    stream.seek(0)
    low = np.asarray(_decoded(Image.open(stream, formats=["PNG"]), f"{image.mode};16L"))
    stream.seek(place)
    high = np.asarray(_decoded(image, f"{image.mode};16B"))
    both: Array = (high.astype(np.uint16) << 8) | low
    return both


def _decoded(image: ImageFile.ImageFile, rawmode: str) -> ImageFile.ImageFile:
    image.tile = [tile._replace(args=rawmode) for tile in image.tile]
    image.load()
    return image


def _maxval(image: ImageFile.ImageFile) -> int:
    args = image.tile[0][3] if image.tile else None
    return args[-1] if isinstance(args, tuple) and isinstance(args[-1], int) else 255


def read_ppm(image: ImageFile.ImageFile, stream: BinaryIO) -> Frame:
    """Read a binary P6 of 16 bits, scaled to the full range as Pillow scales gray."""
    width, height = image.size
    maxval, count = _maxval(image), width * height * 3
    stream.seek(image.tile[0].offset)
    data = stream.read(2 * count)
    if len(data) < 2 * count:
        raise ValueError("image file is truncated")
    samples = np.frombuffer(data, ">u2").reshape(height, width, 3)
    if maxval == 65535:
        return Frame(samples.astype(np.uint16))
    return Frame(np.rint(samples * (65535 / maxval)).clip(0, 65535).astype(np.uint16))


def write_ppm(stream: BinaryIO, pixels: Array) -> None:
    """Write 16-bit RGB as binary PPM."""
    stream.write(b"P6\n%d %d\n65535\n" % (pixels.shape[1], pixels.shape[0]))
    stream.write(pixels.astype(">u2").tobytes())


def write_jpeg2000(stream: BinaryIO, pixels: Array, quality: int | None) -> None:
    """Write 16-bit RGB as JPEG 2000 with imagecodecs: lossless, or with a quality of 1..100."""
    if not find_spec("imagecodecs"):
        raise _wanting("JPEG2000 with more than 8 bits a channel")
    import imagecodecs

    level = 0 if quality is None else round(decibels(quality))
    stream.write(imagecodecs.jpeg2k_encode(pixels, level, codecformat="jp2", reversible=quality is None))


def decibels(quality: int) -> float:
    """Return the signal-to-noise ratio in dB of JPEG 2000 for a quality of 1..100."""
    return 20 + quality * 0.4


class TiffPages:
    """The pages of a TIFF, decoded one at a time by tifffile. sizes: height and width of each, as stored."""

    def __init__(self, stream: BinaryIO, name: str, why: str) -> None:
        tifffile = _tifffile(f"{name} {why}")
        stream.seek(0)
        self.name = name
        self._pages: list[Any] = []
        offsets: set[int] = set()
        for page in tifffile.TiffFile(stream).pages:
            if page.offset in offsets:
                raise ImageError(f"{name} is damaged: its pages form a circle")
            offsets.add(page.offset)
            self._pages.append(page)
        if not self._pages:
            raise ImageError(f"{name} is damaged: it has no pages")
        self.sizes = [(int(page.imagelength), int(page.imagewidth)) for page in self._pages]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the first page, upright."""
        height, width = self.sizes[0]
        return (width, height) if self._pages[0].tags.valueof(_ORIENTATION, 1) in (5, 6, 7, 8) else (height, width)

    @property
    def bytes(self) -> int:
        """The memory that the first page takes, as stored samples and as pixels together."""
        page, layout, (height, width) = self._pages[0], self.layout(0), self.sizes[0]
        pixels = (layout.colors + (layout.alpha is not None)) * layout.dtype.itemsize
        stored = page.samplesperpixel * np.dtype(page.dtype or layout.dtype).itemsize
        return height * width * int(stored + pixels)

    def layout(self, index: int) -> Layout:
        """Return the sample layout of a page. Raises ImageError if it is not supported."""
        return layout_of(self._pages[index].tags.valueof, self.name)

    def frame(self, index: int) -> tuple[Frame, int]:
        """Return a page as stored, and its EXIF orientation."""
        page, layout = self._pages[index], self.layout(index)
        turn = page.tags.valueof(_ORIENTATION, 1)
        samples = page.asarray(squeeze=False)[:, 0]
        samples = np.moveaxis(samples, 0, 2)[..., 0] if page.planarconfig == 2 else samples[0]
        colors = samples[..., 0] if layout.stored == 1 else samples[..., : layout.stored]
        alpha = None if layout.alpha is None else np.ascontiguousarray(samples[..., layout.alpha])
        return layout.frame(np.ascontiguousarray(colors), alpha, self.name), int(turn)

    def note(self, index: int) -> str | None:
        """Return a note for the user on samples that are left out, or None."""
        return unused_note(self._pages[index].tags.valueof)

    def metadata(self, stream: BinaryIO) -> Metadata:
        """Return the metadata of the first page."""
        page = self._pages[0]
        xmp, unit = page.tags.get(exif.XMP), page.tags.get("ResolutionUnit")
        dpi = page.get_resolution("INCH") if unit and unit.value in (2, 3) else None
        said = bytes(xmp.value) if xmp and isinstance(xmp.value, bytes) else None
        tags = page.tags.valueof
        return Metadata(
            icc=page.iccprofile, exif=exif.of_tiff(stream), xmp=said, dpi=dpi, geography=geography_of(tags),
            nodata=nodata_of(tags),
        )  # fmt: skip


def write_tiff(stream: BinaryIO, frames: list[Frame], compression: str | None, metadata: Metadata) -> None:
    """Write 16-bit or float pages with tifffile, including ICC profile and resolution."""
    tifffile = _tifffile("TIFF with more than 8 bits a channel")
    big = sum(f.pixels.nbytes + (0 if f.alpha is None else f.alpha.nbytes) for f in frames) > _CLASSIC
    said: dict[str, Any] = {"iccprofile": metadata.icc, "software": False}
    if metadata.dpi:
        said |= {"resolution": metadata.dpi, "resolutionunit": "INCH"}
    with tifffile.TiffWriter(stream, bigtiff=big, byteorder="<") as tiff:
        for frame in frames:
            samples = frame.pixels if frame.alpha is None else np.dstack([frame.pixels, frame.alpha])
            tiff.write(
                samples,
                photometric={1: "minisblack", 3: "rgb", 4: "separated"}[frame.colors],
                extrasamples=None if frame.alpha is None else ["unassalpha"],
                compression=compression,
                planarconfig="contig" if samples.ndim == 3 else None,
                metadata=None,
                **said,
            )


def _tifffile(why: str) -> Any:
    try:
        import tifffile
    except ImportError:
        raise _wanting(why) from None
    logging.getLogger("tifffile").disabled = True  # we report what matters ourselves
    return tifffile


def _wanting(why: str) -> ImageError:
    return ImageError(f"{why}, which needs the extra `deep`: {INSTALL}; --reduce-depth accepts 8 bits instead")


def installed() -> bool:
    """Return whether tifffile is installed."""
    return find_spec("tifffile") is not None
