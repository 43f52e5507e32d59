"""Writing pictures: choosing the mode and options for a format, and the metadata that it can hold."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from convcli.errors import ConvcliError, ImageError, RecipeError
from convcli.images import high_depth
from convcli.images.formats import FRAMES, HOLDS, LOSSLESS, NPY, QUALITY, SIDES, format_of
from convcli.images.gif import Paletted, write_gif
from convcli.images.jpeg import write_jpeg
from convcli.images.metadata import homeless, pillow_options, png_chunks, renewed, tell_tiff
from convcli.images.modes import image_of
from convcli.images.picture import Frame, Metadata, Origin
from convcli.images.png import write_apng, write_png

if TYPE_CHECKING:
    from PIL import Image

# For each mode those that can hold it, preferred first; only "1", the last resort, loses something.
_WIDER = {
    "L": ("L", "RGB", "LA", "RGBA", "F", "1"),
    "LA": ("LA", "RGBA"),
    "RGB": ("RGB", "RGBA"),
    "RGBA": ("RGBA",),
    "CMYK": ("CMYK",),
    "I;16": ("I;16",),
    "I": ("I",),
    "F": ("F",),
}
_TIFF_LOSSLESS = ("raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "zstd", "lzma")


@dataclass(frozen=True)
class Target:
    """An output format, and the options to write it with.

    quality: 1..100, for formats that have a quality. lossless: for formats that can be either.
    compression: "fast" (the default for PNG), "max" (small), "none". strip: write no metadata and no note.
    """

    format: str
    quality: int | None = None
    lossless: bool = False
    compression: str | None = None
    strip: bool = False
    threads: int = 1

    def __post_init__(self) -> None:
        if self.quality is not None and self.format not in QUALITY:
            raise RecipeError(f"{self.format} has no quality; --quality is for {', '.join(QUALITY)}")
        if self.lossless and self.format in QUALITY and self.format not in LOSSLESS:
            raise RecipeError(f"{self.format} can't be lossless; {', '.join(LOSSLESS)}, PNG and TIFF can")
        if self.lossless and self.quality is not None:
            raise RecipeError("--lossless and --quality exclude each other")
        if self.compression is not None and self.format not in ("PNG", "TIFF"):
            raise RecipeError(f"--compression is for PNG and TIFF; {self.format} has --quality or no choice")

    @classmethod
    def for_path(cls, path: str | Path, word: str | None = None, **options: Any) -> Target:
        """Return the target for the format that `word` (of --format) names, else the path's suffix."""
        return cls(format_of(path, word), **options)

    @property
    def raw(self) -> bool:
        """Whether the responses themselves are written, before any range mapping."""
        return self.format == NPY

    def check(self, name: str, origin: Origin) -> None:
        """Raise ImageError if this format can't hold the frames of the picture `name`."""
        if origin.frames == 1:
            return
        if self.format not in FRAMES:
            raise ImageError(
                f"{name} has {origin.frames} frames and {self.format} holds one; --frame N chooses one, counted from 0"
            )
        if origin.format == "TIFF" and self.format != "TIFF":
            raise ImageError(
                f"{name} has {origin.frames} pages and {self.format} holds none; write TIFF, or --frame N chooses one"
            )

    def check_size(self, size: tuple[int, int]) -> None:
        """Raise ImageError if this format can't hold a picture of this height and width."""
        most = SIDES.get(self.format)
        if most is not None and max(size) > most:
            raise ImageError(
                f"{self.format} holds at most {most} pixels a side, not {size[1]}x{size[0]}; write PNG or TIFF"
            )

    def write(
        self, stream: BinaryIO, frames: Iterable[Frame], origin: Origin, metadata: Metadata, note: str | None = None
    ) -> list[str]:
        """Write the frames, and return notes for the user on what was dropped.

        note: how the file was made, written if the format has a place for it.
        Raises ImageError if the format can't hold the frames.
        """
        if self.format == "TIFF" and not stream.readable():  # a device; adding tags to a TIFF reads it again
            buffer = BytesIO()
            notes = self.write(buffer, frames, origin, metadata, note)
            stream.write(buffer.getbuffer())
            return notes
        coming = iter(frames)
        first = next(coming)
        self.check_size(first.size)
        metadata, notes = renewed(Metadata() if self.strip or self.raw else metadata, first.size, first.colors)
        note = None if self.strip else note
        notes += homeless(metadata, self.format)
        if self.raw:
            np.lib.format.write_array(stream, first.pixels, allow_pickle=False)
        elif self.format == "PNG":
            self._png(stream, [first, *coming], origin, png_chunks(metadata, note))
        elif _is_deep(first):
            self._deep(stream, chain([first], coming), metadata)
        else:
            options, more = pillow_options(self.format, metadata, note)
            notes += more
            options |= self._options(first, origin)
            with self._told():
                if self.format == "GIF":
                    self._gif(stream, chain([first], coming), origin, options.get("comment"))
                elif self.format == "JPEG":
                    write_jpeg(stream, first, self._image, options, threads=self.threads)
                else:
                    self._save(stream, first, coming, origin, options)
        return notes + (tell_tiff(stream, metadata, note) if self.format == "TIFF" else [])

    def _png(
        self, stream: BinaryIO, frames: list[Frame], origin: Origin, chunks: Iterable[tuple[bytes, bytes]]
    ) -> None:
        for frame in frames:
            if frame.colors == 4 or frame.pixels.dtype.kind == "f":
                raise self._refusal(frame)
        how: dict[str, Any] = {"compression": self.compression or "fast", "threads": self.threads}
        if len(frames) == 1:
            write_png(stream, frames[0].pixels, frames[0].alpha, chunks, **how)
            return
        alike = _alike(frames)
        write_apng(stream, [(f.pixels, f.alpha, f.duration or 0) for f in alike], origin.loop or 0, chunks, **how)

    def _deep(self, stream: BinaryIO, frames: Iterable[Frame], metadata: Metadata) -> None:
        pages = list(frames)
        if self.format == "PPM" and pages[0].alpha is None and pages[0].pixels.dtype == np.uint16:
            high_depth.write_ppm(stream, pages[0].pixels)
        elif self.format == "TIFF":
            compression = {"fast": "lzw", "max": "zlib"}.get(self.compression or "none")
            high_depth.write_tiff(stream, pages, compression, metadata)
        elif self.format == "JPEG2000" and pages[0].alpha is None and pages[0].pixels.shape[2:] == (3,):
            if pages[0].pixels.dtype != np.uint16:
                raise self._refusal(pages[0])
            high_depth.write_jpeg2000(stream, pages[0].pixels, self.quality)
        else:
            raise self._refusal(pages[0])

    def _save(
        self, stream: BinaryIO, first: Frame, others: Iterable[Frame], origin: Origin, options: dict[str, Any]
    ) -> None:
        frames, durations = [], []
        for frame in chain([first], others):
            frames.append(self._image(frame))
            durations.append(frame.duration or 0)
        if len(frames) > 1:
            options |= {"save_all": True, "append_images": frames[1:]}
            if self.format != "TIFF":
                options |= _timing(self.format, durations, origin.loop)
        frames[0].save(stream, self.format, **options)

    def _gif(self, stream: BinaryIO, frames: Iterable[Frame], origin: Origin, comment: bytes | None) -> None:
        paletted = [_paletted(self._image(frame), frame.duration or 0) for frame in frames]
        loop = origin.loop if len(paletted) == 1 else origin.loop or 0
        write_gif(stream, paletted, loop, comment)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn an encoder's exceptions into errors with a message for the user."""
        try:
            yield
        except ConvcliError:
            raise
        except OSError as error:
            if error.errno:
                raise
            raise ImageError(f"{self.format} can't be written: {error}") from None
        except (ValueError, KeyError, TypeError, OverflowError, RuntimeError) as error:
            raise ImageError(f"{self.format} can't be written: {error}") from None

    def _image(self, frame: Frame) -> Image.Image:
        """Convert a frame to a Pillow image in a mode that the format holds."""
        if _is_deep(frame):
            raise self._refusal(frame)
        image = image_of(frame)
        holds = HOLDS[self.format]
        mode = next((wide for wide in _WIDER[image.mode] if wide in holds), None)
        if mode is None:
            raise self._refusal(frame)
        if mode == "1":
            return image.point([255 if value >= 128 else 0 for value in range(256)], "1")
        return image if mode == image.mode else image.convert(mode)

    def _refusal(self, frame: Frame) -> ImageError:
        way = "write PNG or TIFF"
        if frame.pixels.dtype != np.uint8:
            way = "--reduce-depth makes 8 bits of it; TIFF holds it" if self.format != "TIFF" else "write .npy"
        elif frame.alpha is not None:
            way = "--alpha drop leaves it out; PNG and TIFF hold it"
        elif frame.colors == 4:
            way = "write JPEG or TIFF"
        return ImageError(f"{self.format} can't hold {frame.described}; {way}")

    def _options(self, frame: Frame, origin: Origin) -> dict[str, Any]:
        """Return the keywords of Pillow's save for quality and compression."""
        if self.format == "JPEG":
            if self.quality is not None:
                return {"quality": self.quality, "subsampling": 0 if self.quality >= 90 else 2}
            return _same_tables(frame, origin) or {"quality": 95, "subsampling": 0}
        if self.format == "WEBP":
            if self.lossless or (origin.lossless and self.quality is None):
                return {"lossless": True, "quality": 50, "exact": True}
            return {"quality": self.quality or 95, "method": 4}
        if self.format == "AVIF":
            full = {} if frame.colors == 1 and frame.alpha is None else {"subsampling": "4:4:4"}
            # Next to Pillow's speed of 6: a third of the time, 3 % more bytes and 0.2 dB less for a photograph.
            return {"quality": self.quality or 90, "speed": 8, **full}
        if self.format == "JPEG2000" and self.quality is not None:
            return {"irreversible": True, "quality_mode": "dB", "quality_layers": [high_depth.decibels(self.quality)]}
        if self.format == "TIFF":
            same = origin.compression if origin.compression in _TIFF_LOSSLESS else "raw"
            wanted = {"none": "raw", "fast": "tiff_lzw", "max": "tiff_adobe_deflate"}
            return {"compression": wanted[self.compression] if self.compression else same}
        return {}


def _is_deep(frame: Frame) -> bool:
    """Return whether Pillow has no mode for the frame: it has more than 8 bits, and colour or alpha."""
    return frame.pixels.dtype != np.uint8 and (frame.colors > 1 or frame.alpha is not None)


def _alike(frames: list[Frame]) -> list[Frame]:
    """Return the frames all gray or all RGB, all with alpha or all without, as an animation requires."""
    colors, clear = max(f.colors for f in frames), any(f.alpha is not None for f in frames)

    def widened(frame: Frame) -> Frame:
        pixels, alpha = frame.pixels, frame.alpha
        if frame.colors < colors:
            pixels = np.repeat(pixels[:, :, None], colors, axis=2)
        if clear and alpha is None:
            alpha = np.full(frame.size, np.iinfo(pixels.dtype).max, pixels.dtype)
        return replace(frame, pixels=pixels, alpha=alpha)

    return [widened(f) for f in frames]


def _same_tables(frame: Frame, origin: Origin) -> dict[str, Any] | None:
    """Return the source's JPEG quantization and subsampling, adapted to the frame's channels; None if it has none."""
    if not origin.jpeg:
        return None
    tables = dict(origin.jpeg)
    if frame.colors == 1:
        tables["qtables"] = {0: tables["qtables"][0]}
        tables.pop("subsampling", None)
    elif len(tables["qtables"]) < 2 and frame.colors == 3:
        tables["subsampling"] = "4:4:4"
    return tables


def _timing(format_: str, durations: list[float], loop: int | None) -> dict[str, Any]:
    """Return the keywords of Pillow's save for durations and loops."""
    shown: dict[str, Any] = {"duration": [round(d) for d in durations]}
    if format_ == "WEBP":
        shown["loop"] = loop or 0
    return shown


def _paletted(image: Image.Image, duration: float) -> Paletted:
    """Reduce a picture to at most 256 colours: exactly its own if they are not more, else the nearest.

    Pixels that are less than half opaque get a palette entry of their own, which is transparent.
    """
    if image.mode == "L":
        grays = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
        return Paletted(np.asarray(image), grays, None, duration)
    if image.mode == "RGB":
        return Paletted(*_quantized(image, 256), None, duration)
    clear = np.asarray(image.getchannel("A")) < 128
    color = image.convert("RGB")
    color.paste((0, 0, 0), mask=_mask(clear))  # what is not seen needs no colours
    indices, palette = _quantized(color, 255)
    if not clear.any():
        return Paletted(indices, palette, None, duration)
    unseen = len(palette)
    return Paletted(
        np.where(clear, np.uint8(unseen), indices), np.vstack([palette, np.zeros((1, 3), np.uint8)]), unseen, duration
    )


def _mask(true: NDArray[np.bool_]) -> Image.Image:
    from PIL import Image as pillow

    return pillow.fromarray(true)


def _quantized(image: Image.Image, count: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the palette indices of an image reduced to `count` colours, and the palette."""
    from PIL import Image as pillow

    colors = image.getcolors(count)
    if colors is None:
        few = image.quantize(count, pillow.Quantize.MEDIANCUT)
    else:
        palette = pillow.new("P", (1, 1))
        palette.putpalette([sample for _, color in colors for sample in color])  # type: ignore[union-attr]
        few = image.quantize(palette=palette, dither=pillow.Dither.NONE)
    indices = np.asarray(few)
    known = np.array(few.getpalette("RGB"), np.uint8).reshape(-1, 3)
    return indices, known[: int(indices.max()) + 1]
