"""Read regular files safely, and streams up to a limit.

A folder from elsewhere may hold a pipe without a writer, an endless device, or a link to either. The type of a file is
checked on the open descriptor, because its name may refer to something else a moment later.
"""

from __future__ import annotations

import errno
import os
import stat
from io import FileIO
from pathlib import Path
from typing import Any

from convcli.errors import ImageError

MOST = 1 << 30  # bytes to read of an input of unknown length

_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFSOCK: "a socket"}
_WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


class NotRegular(OSError):
    """Raised for a pipe, a device or a socket where a file is expected."""


def open_regular(path: str | Path) -> FileIO:
    """Open a regular file for reading, without ever blocking. Raises NotRegular, or another OSError."""
    _require_regular(os.stat(path).st_mode)  # noqa: PTH116 - some devices act when they are opened
    stream = FileIO(path, opener=lambda name, flags: os.open(name, flags | _WITHOUT_WAITING))
    try:
        _require_regular(os.fstat(stream.fileno()).st_mode)
    except BaseException:
        stream.close()
        raise
    return stream


def read_regular(path: str | Path, most: int = MOST) -> bytes:
    """Read a regular file of at most `most` bytes. Raises NotRegular, or another OSError."""
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        content = stream.read(most + 1) if size <= most else b""
        if max(size, len(content)) > most:
            raise OSError(errno.EFBIG, f"it has more than {told(most)}")
        return content


def is_pipe(path: str | Path) -> bool:
    """Whether the path is a pipe, a device or a socket, which can be read only once and in order."""
    try:
        return stat.S_IFMT(os.stat(path).st_mode) in _KINDS  # noqa: PTH116 - Path's raises on odd names
    except (OSError, ValueError):
        return False


def read_to_end(stream: Any, name: str, most: int) -> bytes:
    """Read the rest of a stream. Raises ImageError if that is more than `most` bytes."""
    parts, left = [], most + 1
    while left and (part := stream.read(min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    if not left:
        raise too_much(name, most)
    return b"".join(parts)


def too_much(name: str, most: int) -> ImageError:
    """Return the error for an input of more than `most` bytes."""
    return ImageError(f"{name} has more than {told(most)}; apply and batch take more with --max-bytes, or from a disk")


def told(amount: int) -> str:
    """Format a number of bytes, in GiB, MiB or KiB if it is a multiple of these."""
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if amount % (1 << power) == 0:
            return f"{amount >> power:,} {unit}"
    return f"{amount:,} bytes"


def _require_regular(mode: int) -> None:
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if kind != stat.S_IFREG:
        raise NotRegular(errno.EINVAL, f"it is {_KINDS.get(kind, 'something else')}, not a file")
