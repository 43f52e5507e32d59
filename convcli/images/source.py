"""Opening the source of a picture's bytes: a file, a pipe, standard input, a URL, or memory."""

from __future__ import annotations

import os
from io import BufferedReader, BytesIO, FileIO
from pathlib import Path
from typing import BinaryIO

from convcli import files
from convcli.errors import AccessError, ConvcliError, ImageError
from convcli.files.names import is_url
from convcli.files.pipes import standard_input
from convcli.files.reading import MOST, NotRegular, is_pipe, open_regular, read_to_end, too_much


class _Bounded(BufferedReader):
    """A file whose reads never allocate more bytes than it has left, and refuse more than `most` at once."""

    def __init__(self, file: FileIO, name: str, most: int) -> None:
        super().__init__(file)
        self._called, self._most = name, most

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0 or size > 1 << 20:
            left = max(0, os.fstat(self.fileno()).st_size - self.tell())
            size = left if size is None or size < 0 else min(size, left)
            if size > self._most:
                raise too_much(self._called, self._most)
        return super().read(size)


def opened(source: str | Path | bytes, name: str, pipes: bool = False, most: int = MOST) -> BinaryIO:
    """Return a seekable stream at its beginning; raise an error with a message for the user if there is none.

    pipes: read a pipe to its end, and take "-" as standard input. most: bytes to take into memory at once.
    """
    if is_url(source):
        source = files.read(source, most)
    elif pipes and str(source) == "-":
        source = standard_input(most)
    try:
        stream = BytesIO(source) if isinstance(source, bytes) else _file(source, name, pipes, most)
    except ConvcliError:
        raise
    except FileNotFoundError:
        raise ImageError(f"{name} does not exist") from None
    except IsADirectoryError:
        raise ImageError(f"{name} is a folder; convcli batch filters the pictures of a folder") from None
    except PermissionError:
        raise AccessError(f"{name} can't be read: permission denied") from None
    except NotRegular as error:
        raise ImageError(f"{name} can't be read: {error.strerror}") from None
    except (OSError, ValueError) as error:
        raise AccessError(f"{name} can't be read: {getattr(error, 'strerror', None) or error}") from None
    if not stream.read(1):
        stream.close()
        raise ImageError(f"{name} is empty")
    stream.seek(0)
    return stream


def _file(path: str | Path, name: str, pipes: bool, most: int) -> BinaryIO:
    """Open the file and check that it can be read; read a pipe to its end."""
    if pipes and is_pipe(path):
        with FileIO(path) as pipe:
            return BytesIO(read_to_end(pipe, name, most))
    stream = _Bounded(open_regular(path), name, most)
    try:
        stream.peek(1)
        return stream
    except BaseException:
        stream.close()
        raise
