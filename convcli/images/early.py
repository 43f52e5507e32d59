"""Early decoding: a JPEG is decoded on its own thread while NumPy and the engine are still being imported.

This module must not import NumPy. Errors here are left for `images.Reading` to find again and report.
"""

from __future__ import annotations

import os
import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from io import BufferedReader
from threading import Thread
from typing import TYPE_CHECKING, BinaryIO

from convcli.files.reading import open_regular

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_MOST = 50_000_000  # pixels; larger pictures are left to Reading, which checks them against the limits


@dataclass(frozen=True)
class EarlyDecoding:
    """An open picture that is being decoded on a thread: its header has been read already."""

    image: ImageFile
    thread: Thread
    errors: list[Exception]

    def finish(self) -> None:
        """Wait until the picture has been decoded; raise what the decoder raised."""
        self.thread.join()
        if self.errors:
            raise self.errors[0]


def start_decoding(source: str) -> EarlyDecoding | None:
    """Start decoding the file `source` if it is a JPEG of ordinary size; return None if it is not."""
    try:
        with ExitStack() as stack:  # pipes are refused: what is read from one here would be missing later
            stream = stack.enter_context(BufferedReader(open_regular(source)))
            image = _opened(stream)
            if image is None:
                return None
            errors: list[Exception] = []
            ahead = EarlyDecoding(image, Thread(target=_decode, args=(image, stream, errors)), errors)
            ahead.thread.start()
            stack.pop_all()
            return ahead
    except Exception:
        return None


def _opened(stream: BinaryIO) -> ImageFile | None:
    if stream.read(3) != b"\xff\xd8\xff":
        return None
    from PIL.JpegImagePlugin import jpeg_factory

    stream.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = jpeg_factory(stream)
    if image.format != "JPEG" or image.width * image.height > _MOST:
        return None
    image.decodermaxblock = os.fstat(stream.fileno()).st_size + 1  # one block: imports can delay the next
    return image


def _decode(image: ImageFile, stream: BinaryIO, errors: list[Exception]) -> None:
    with stream:
        try:
            image.load()
        except Exception as error:
            errors.append(error)
