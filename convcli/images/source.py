"""Where a picture's bytes come from: a file, a pipe, a URL, or memory."""

from __future__ import annotations

import os
from io import BufferedReader, BytesIO, FileIO
from pathlib import Path
from typing import BinaryIO

from convcli import files
from convcli.errors import AccessError, ImageError
from convcli.files.names import is_url


class _Bounded(BufferedReader):
    """A file that a decoder can't be made to take memory for more bytes than it has."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > 1 << 20:
            size = max(0, min(size, os.fstat(self.fileno()).st_size - self.tell()))
        return super().read(size)


def opened(source: str | Path | bytes, name: str) -> BinaryIO:
    """A stream that can be searched, at its beginning; or a sentence that says why not."""
    if is_url(source):
        source = files.read(source)
    try:
        stream = BytesIO(source) if isinstance(source, bytes) else _file(source)
    except FileNotFoundError:
        raise ImageError(f"{name} does not exist") from None
    except IsADirectoryError:
        raise ImageError(f"{name} is a folder; convcli batch filters the pictures of a folder") from None
    except PermissionError:
        raise AccessError(f"{name} can't be read: permission denied") from None
    except (OSError, ValueError) as error:
        raise AccessError(f"{name} can't be read: {getattr(error, 'strerror', None) or error}") from None
    if not stream.read(1):
        stream.close()
        raise ImageError(f"{name} is empty")
    stream.seek(0)
    return stream


def _file(path: str | Path) -> BinaryIO:
    """The file, of which a first byte could be read if it has one; all of it where it is a pipe."""
    stream = _Bounded(FileIO(path))
    try:
        if stream.seekable():
            stream.peek(1)
            return stream
        with stream:
            return BytesIO(stream.read())
    except BaseException:
        stream.close()
        raise
