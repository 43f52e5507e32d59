"""Reading pictures: opening a file, and decoding its frames into upright arrays."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from convcli.errors import ConvcliError, ImageError
from convcli.files.names import printable_path
from convcli.files.reading import MOST
from convcli.images import high_depth
from convcli.images.animated import animation_of_gif, animation_of_png
from convcli.images.animation import Animation
from convcli.images.damage import trouble
from convcli.images.early import EarlyDecoding
from convcli.images.formats import OPENED, POSTSCRIPT
from convcli.images.gif import GifFile
from convcli.images.jpeg import pictures_of
from convcli.images.metadata import metadata_of, orientation
from convcli.images.modes import frame_of, image_bytes
from convcli.images.origin import origin_of
from convcli.images.picture import Frame, Metadata, Origin
from convcli.images.png_in import SIGNATURE, PngFile
from convcli.images.silence import hush, hush_libtiff
from convcli.images.source import opened
from convcli.images.tiff_samples import Tags, suits_pillow, unused_note
from convcli.ranges import full_scale

MAX_PIXELS = 178_956_970  # Pillow's own limit against decompression bombs

# EXIF orientation -> operations that make the picture upright: (transpose, flip top to bottom, mirror left to right)
_UPRIGHT = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
FRAMED = ("GIF", "PNG", "WEBP", "TIFF", "AVIF")


class Reading:
    """An open picture file: its size is known, its pixels are decoded by `frames`.

    max_pixels: larger pictures are refused. frame: the only one to read, counted from 0. reduce_depth: allow reducing
    to 8 bits a channel. pipes: read a pipe to its end, and take "-" as standard input; for sources that the user has
    named, not for files found in a folder. max_bytes: most bytes to take into memory, of a pipe, of a URL or of a file
    that must be read at once. ahead: the same file, if its decoding has started already.
    size: (height, width), upright. origin: facts about the file. bytes: about how much memory its pixels take.
    metadata: complete once the first frame has been decoded. reduced: whether the depth was reduced to 8 bits.
    notes: what was left out or not understood, complete once the frames have been decoded.
    Raises ImageError if the file is missing, empty, not a picture, too large, or damaged.
    """

    def __init__(
        self,
        source: str | Path | bytes,
        *,
        max_pixels: int = MAX_PIXELS,
        frame: int | None = None,
        reduce_depth: bool = False,
        pipes: bool = False,
        max_bytes: int = MOST,
        ahead: EarlyDecoding | None = None,
    ) -> None:
        if isinstance(source, bytes) or (pipes and str(source) == "-"):
            self.name = "standard input"
        else:
            self.name = printable_path(source)
        self.reduced = False
        self.notes: list[str] = []
        self.metadata = Metadata()
        self._pages: high_depth.TiffPages | None = None
        self._image: ImageFile.ImageFile | None = None
        self._png: PngFile | None = None
        self._animation: Animation | None = None
        self._codestream: high_depth.Codestream | None = None
        self._max_pixels, self._reduce, self._ahead = max_pixels, reduce_depth, ahead
        self._frame_wanted = frame
        self._stream = opened(source, self.name, pipes, max_bytes)
        try:
            self._open()
            self._choose(self._frame_wanted)
        except BaseException:
            self._stream.close()
            raise

    def _open(self) -> None:
        hush()
        Image.MAX_IMAGE_PIXELS = -(-self._max_pixels // 2)  # beyond twice that, Pillow's decoders allocate nothing
        head = self._stream.read(1 << 16)
        self._stream.seek(0)
        with _damage(self.name, self._max_pixels):
            try:
                image = self._header(head)
            except UnidentifiedImageError:
                self._open_elsewhere(head)
                return
            if image.format == "TIFF":
                hush_libtiff()
            self._image, self._turn = image, self._orientation(image)
            self._check(*image.size)
            frames = self._animated(image)
            self._gray_bits = high_depth.jpeg2000_bits(head) if image.format == "JPEG2000" else 16
            self._bits = high_depth.bits_of(image, head)
            self._deep = self._bits > 8 or (image.format == "TIFF" and not suits_pillow(_tags(image)))
            self.origin = origin_of(image, frames, head)
            width, height = image.size
            self.size = (width, height) if _UPRIGHT.get(self._turn, (False,))[0] else (height, width)
            if self._deep:
                self._open_deep(image, head)
            self.bytes = self._pages.bytes if self._pages else image_bytes(image) * (2 if self._deep else 1)

    def _header(self, head: bytes) -> ImageFile.ImageFile:
        """Open the file and read its header, without decoding."""
        if not head.startswith(SIGNATURE):
            return self._chosen_of_several(
                self._ahead.image if self._ahead else Image.open(self._stream, formats=OPENED)
            )
        self._png = PngFile(self._stream)
        self.notes += self._png.notes
        self.metadata = self._png.metadata
        return self._png.picture()

    def _chosen_of_several(self, image: ImageFile.ImageFile) -> ImageFile.ImageFile:
        """Return the wanted picture of a JPEG that holds several, itself a JPEG; return other images unchanged."""
        places = pictures_of(image, self._stream) if image.format in ("JPEG", "MPO") else []
        if len(places) < 2:
            return image
        if self._frame_wanted is None:
            self._tell(
                f"{self.name} holds {len(places)} pictures, of which the first is taken; --frame 1 takes the second"
            )
            return image
        start, length = places[_index(self.name, self._frame_wanted, len(places))]
        self._frame_wanted = 0
        if start == 0:
            return image
        self._stream.seek(start)
        alone = BytesIO(self._stream.read(length))
        self._stream.close()
        self._stream, self._ahead = alone, None
        return Image.open(alone, formats=["JPEG", "MPO"])

    def _orientation(self, image: ImageFile.ImageFile) -> int:
        """Return the picture's orientation; 1 if it has none, or EXIF is unreadable."""
        if image.format == "TIFF":
            return 1  # Pillow turns a TIFF itself when it decodes it
        said = self.metadata if self._png else metadata_of(image, self._stream)
        turn = orientation(said.exif, said.xmp)
        return turn if turn in _UPRIGHT else 1

    def _animated(self, image: ImageFile.ImageFile) -> int:
        """Return the number of frames, and set up the animation of a PNG or GIF."""
        if self._png:
            if self._png.frames:
                self._animation = animation_of_png(self._png)
                image.info["loop"] = self._png.loop
            return len(self._png.frames) + self._png.default or 1
        if image.format == "GIF":
            gif = GifFile(self._stream)
            for frame in gif.frames:
                self._check(*frame.size)
            self._animation = animation_of_gif(gif)
            return len(gif.frames)
        return getattr(image, "n_frames", 1) if image.format in FRAMED else 1

    def _open_elsewhere(self, head: bytes) -> None:
        """Open a file that Pillow does not know: it may still be a TIFF with float colour."""
        if head.startswith(POSTSCRIPT):
            raise ImageError(f"{self.name} is PostScript, a program, which is never run; convert it to PNG first")
        if head[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            raise UnidentifiedImageError
        pages = self._open_pages("is not a TIFF of 8-bit or gray samples")
        self._turn, self._deep = 1, True
        self.size = pages.size
        self.bytes = pages.bytes
        self.origin = Origin("TIFF", pages.layout(0).described, len(pages.sizes))
        self.metadata = pages.metadata(self._stream)

    def _open_pages(self, why: str) -> high_depth.TiffPages:
        self._pages = pages = high_depth.TiffPages(self._stream, self.name, why)
        for height, width in pages.sizes:
            self._check(width, height)
        return pages

    def _open_deep(self, image: ImageFile.ImageFile, head: bytes) -> None:
        if image.format == "TIFF":
            if self._reduce and not high_depth.installed() and suits_pillow(_tags(image), reduced=True):
                self._deep, self.reduced = False, True
                return
            self._open_pages("has samples that are not 8-bit or gray")
            self._turn = 1
            self.metadata = metadata_of(image, self._stream)
        elif why := high_depth.obstacle(image):
            if not self._reduce:
                raise ImageError(
                    f"{self.name} has more than 8 bits a channel, {why}; --reduce-depth accepts 8 bits instead"
                )
            self._deep = False
            self.reduced = True
        elif image.format in ("AVIF", "JPEG2000"):
            self._codestream = high_depth.Codestream(image, self._stream, self._bits, head)

    def _check(self, width: int, height: int) -> None:
        if width * height == 0:
            raise ImageError(f"{self.name} has no pixels: it is {width}x{height}")
        if width * height > self._max_pixels:
            raise _too_large(self.name, width * height, self._max_pixels)

    def _choose(self, frame: int | None) -> None:
        count = self.origin.frames
        self._indices = range(count) if frame is None else [_index(self.name, frame, count)]
        if frame is not None:
            self.origin = replace(self.origin, frames=1, loop=None)
        elif self._png and self._png.default:
            # An APNG may begin with a picture for viewers without animation. It is not a frame.
            self._indices = range(1, count)
            self.origin = replace(self.origin, frames=count - 1)

    def frames(self) -> Iterator[Frame]:
        """Yield the frames or pages in order, each decoded when it is requested."""
        for index in self._indices:
            yield self._frame(index)

    def _frame(self, index: int) -> Frame:
        with _damage(self.name, self._max_pixels):
            frame = _upright(self._decoded(index), self._turn)
        if not (self._reduce and frame.pixels.dtype != np.uint8):
            return frame
        self.reduced = True
        return _reduced(frame)

    def _tell(self, note: str | None) -> None:
        if note and note not in self.notes:
            self.notes.append(note)

    def _decoded(self, index: int) -> Frame:
        if self._pages:
            self._tell(self._pages.note(index))
            return _upright(*self._pages.frame(index))
        image = self._image
        assert image is not None
        if self._animation and not (self._png and self._png.default and index == 0):
            if not self._png:
                self.metadata = metadata_of(image, self._stream)
            return self._animation.frame(index - bool(self._png and self._png.default))
        if self._png:
            frame = high_depth.png_frame(image)
            image.im = None  # type: ignore[assignment] # the samples are in our arrays now
            return frame
        if self._deep:
            if len(self._indices) > 1:  # Pillow sets a frame's duration when it decodes it
                image.seek(index)
                image.load()
            code = self._codestream
            frame = code.frame(index) if code else high_depth.read_ppm(image, self._stream)
            self.metadata = metadata_of(image, self._stream)
            return replace(frame, duration=image.info.get("duration"))
        if len(self._indices) == 1 and index == 0:
            if self._ahead:
                self._ahead.finish()
            if image.format == "TIFF":
                self._tell(unused_note(_tags(image)))
            image.load()
            self.metadata = metadata_of(image, self._stream)
            frame = high_depth.whole_range(frame_of(image), self._gray_bits)
            image.im = None  # type: ignore[assignment] # the samples are in our arrays now
            return frame
        if image.format == "TIFF" and not self._page_suits(image, index):
            self._open_pages("has samples that are not 8-bit or gray")
            return self._decoded(index)
        image.seek(index)
        self._check(*image.size)
        image.load()
        if index == self._indices[0]:
            self.metadata = metadata_of(image, self._stream)
        return replace(frame_of(image), duration=image.info.get("duration"))

    def _page_suits(self, image: ImageFile.ImageFile, index: int) -> bool:
        """Return whether Pillow reads this page of a TIFF correctly; it raises SyntaxError on unknown kinds."""
        try:
            image.seek(index)
        except SyntaxError:
            return False
        self._tell(unused_note(_tags(image)))
        return suits_pillow(_tags(image), reduced=self.reduced)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def __enter__(self) -> Reading:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _index(name: str, frame: int, count: int) -> int:
    """Return a frame's index counted from 0; negative ones count from the end. Raises ImageError beyond `count`."""
    if not -count <= frame < count:
        raise ImageError(f"{name} has no frame {frame}: it has {count}, counted from 0")
    return frame % count


def _too_large(name: str, pixels: int, limit: int) -> ImageError:
    return ImageError(
        f"{name} has {pixels:,} pixels, more than the limit of {limit:,} that guards against decompression bombs; "
        f"--max-pixels {pixels} lets it pass"
    )


@contextlib.contextmanager
def _damage(name: str, max_pixels: int) -> Iterator[None]:
    """Turn any exception of a decoder into an error with a message for the user.

    Decoders raise almost any exception on damaged files, hence the broad catch. Our own errors pass unchanged.
    """
    try:
        yield
    except ConvcliError:
        raise
    except MemoryError:
        raise ImageError(f"{name} needs more memory than there is; use a smaller picture, or free some") from None
    except UnidentifiedImageError:
        raise ImageError(f"{name} is not a picture in a format that can be read") from None
    except Image.DecompressionBombError as error:
        pixels = re.search(r"\d+", str(error))
        raise _too_large(name, int(pixels[0]) if pixels else max_pixels + 1, max_pixels) from None
    except Exception as error:
        raise trouble(name, error) from None


def _tags(image: Image.Image) -> Tags:
    """Return a function that looks up the tags of a TIFF's current page."""
    found: Tags = getattr(image, "tag_v2", {}).get
    return found


def _upright(frame: Frame, orientation: int) -> Frame:
    if orientation not in _UPRIGHT:
        return frame
    alpha = None if frame.alpha is None else _turned(frame.alpha, *_UPRIGHT[orientation])
    return replace(frame, pixels=_turned(frame.pixels, *_UPRIGHT[orientation]), alpha=alpha)


def _reduced(frame: Frame) -> Frame:
    """Reduce the frame to 8 bits: 65535 and 1.0 become 255; values outside are clipped."""

    def eight(a: NDArray[Any]) -> NDArray[np.uint8]:
        scale = 255 / full_scale(a.dtype)
        with np.errstate(over="ignore"):
            scaled = np.nan_to_num(a) * np.float32(scale)
        samples: NDArray[np.uint8] = np.rint(scaled).clip(0, 255).astype(np.uint8)
        return samples

    alpha = None if frame.alpha is None else eight(frame.alpha)
    return replace(frame, pixels=eight(frame.pixels), alpha=alpha, integer=False)


def _turned(a: NDArray[Any], exchange: bool, flip: bool, mirror: bool) -> NDArray[Any]:
    if exchange:
        a = a.swapaxes(0, 1)
    return np.ascontiguousarray(a[:: -1 if flip else 1, :: -1 if mirror else 1])
