"""Reading pictures: what a file is, and its frames as upright arrays."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from convcli.errors import ConvcliError, ImageError
from convcli.files import shown
from convcli.images.modes import frame_of
from convcli.images.picture import Frame, Origin

MAX_PIXELS = 178_956_970  # where Pillow by itself refuses a picture as a decompression bomb

# EXIF orientation -> what makes the picture upright: (exchange rows and columns, turn upside down, mirror)
_UPRIGHT = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
_ORIENTATION = 0x0112
_ANIMATED = ("GIF", "PNG", "WEBP", "TIFF")


class Reading:
    """A picture file that is open: its size is known, its pixels come with `frames`.

    size: (height, width), upright.
    Raises ImageError where the file is missing, empty, no picture, too large, or damaged.
    """

    def __init__(self, source: str | Path | bytes, max_pixels: int = MAX_PIXELS) -> None:
        self.name = "standard input" if isinstance(source, bytes) else shown(source)
        self._stream = _opened(source, self.name)
        try:
            self._open(max_pixels)
        except BaseException:
            self._stream.close()
            raise

    def _open(self, max_pixels: int) -> None:
        warnings.filterwarnings("ignore", module=r"PIL\.")
        Image.MAX_IMAGE_PIXELS = None  # the limit is ours: it counts, and it can be raised
        with _damage(self.name):
            self._image = Image.open(self._stream)
            self._turn = _orientation(self._image)
            frames = getattr(self._image, "n_frames", 1) if self._image.format in _ANIMATED else 1
        width, height = self._image.size
        if width * height == 0:
            raise ImageError(f"{self.name} has no pixels: it is {width}x{height}")
        if width * height > max_pixels:
            raise ImageError(
                f"{self.name} has {width * height:,} pixels, more than the limit of {max_pixels:,} that guards against "
                f"decompression bombs; --max-pixels {width * height} lets it pass"
            )
        self.size = (width, height) if _UPRIGHT.get(self._turn, (False,))[0] else (height, width)
        self.origin = Origin(self._image.format or "", self._image.mode, frames)

    def frames(self) -> Iterator[Frame]:
        """The frames or pages one after the other, decoded when they are asked for."""
        with _damage(self.name):
            for index in range(self.origin.frames):
                if self.origin.frames > 1:
                    self._image.seek(index)
                self._image.load()
                frame = _upright(frame_of(self._image), self._turn)
                if self.origin.frames > 1:
                    frame = replace(frame, duration=self._image.info.get("duration"))
                else:
                    self._image.im = None  # type: ignore[assignment] # the pixels are in the arrays now
                yield frame

    def close(self) -> None:
        """Let the file go."""
        self._stream.close()

    def __enter__(self) -> Reading:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _opened(source: str | Path | bytes, name: str) -> BinaryIO:
    """The file as a stream, or a sentence that says why not."""
    if isinstance(source, bytes):
        stream: BinaryIO = BytesIO(source)
    else:
        try:
            stream = Path(source).open("rb")  # noqa: SIM115 - closed by Reading
        except FileNotFoundError:
            raise ImageError(f"{name} does not exist") from None
        except IsADirectoryError:
            raise ImageError(f"{name} is a folder; convcli batch filters the pictures of a folder") from None
        except PermissionError:
            raise ImageError(f"{name} can't be read: permission denied") from None
        except (OSError, ValueError) as error:
            raise ImageError(f"{name} can't be read: {getattr(error, 'strerror', None) or error}") from None
    if not stream.read(1):
        stream.close()
        raise ImageError(f"{name} is empty")
    stream.seek(0)
    return stream


@contextlib.contextmanager
def _damage(name: str) -> Iterator[None]:
    """Whatever a decoder stumbles over in a file becomes one sentence.

    Decoders raise nearly every exception there is on damaged files, hence the broad catch; what we say ourselves and
    what is about the machine passes.
    """
    try:
        yield
    except (ConvcliError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{name} is not a picture in a format that can be read") from None
    except Exception as error:
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise ImageError(f"{name} is damaged or incomplete: {reason[0].rstrip('.')}") from None


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 where there is none. EXIF that can't be understood is none."""
    if image.format == "PNG" and not {"exif", "Raw profile type exif"} & image.info.keys():
        return 1  # asking Pillow would decode the picture
    try:
        value: Any = image.getexif().get(_ORIENTATION, 1)
    except Exception:
        return 1
    return value if value in _UPRIGHT else 1


def _upright(frame: Frame, orientation: int) -> Frame:
    if orientation not in _UPRIGHT:
        return frame
    alpha = None if frame.alpha is None else _turned(frame.alpha, *_UPRIGHT[orientation])
    return replace(frame, pixels=_turned(frame.pixels, *_UPRIGHT[orientation]), alpha=alpha)


def _turned(a: NDArray[Any], exchange: bool, flip: bool, mirror: bool) -> NDArray[Any]:
    if exchange:
        a = a.swapaxes(0, 1)
    return np.ascontiguousarray(a[:: -1 if flip else 1, :: -1 if mirror else 1])
