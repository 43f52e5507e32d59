"""What is opened to be read: regular files, whatever their name is a link to, and no more of a stream than a limit.

A folder from elsewhere may hold anything: a pipe that nobody writes to, a device without an end, a link to either. It
is looked at what has been opened, not at the name, which may stand for something else a moment later.
"""

from __future__ import annotations

import errno
import os
import stat
from io import FileIO
from pathlib import Path
from typing import Any

from convcli.errors import ImageError

MOST = 1 << 30  # bytes of an input that does not tell its length

_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFSOCK: "a socket"}
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


class NotRegular(OSError):
    """A pipe, a device or a socket stands where a file is expected."""


def open_regular(path: str | Path) -> FileIO:
    """The file, if it is a regular one; waits for nothing. Raises NotRegular, or another OSError."""
    _require_regular(os.stat(path).st_mode)  # noqa: PTH116 - some devices act when they are opened
    file = os.open(path, _FLAGS)
    try:
        _require_regular(os.fstat(file).st_mode)
        return FileIO(path, opener=lambda *_: file)  # which keeps its name, for those who ask for it
    except BaseException:
        os.close(file)
        raise


def read_regular(path: str | Path, most: int = MOST) -> bytes:
    """The content of a regular file of at most so many bytes. Raises NotRegular, or another OSError."""
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        content = stream.read(most + 1) if size <= most else b""
        if max(size, len(content)) > most:
            raise OSError(errno.EFBIG, f"it has more than {told(most)}")
        return content


def is_pipe(path: str | Path) -> bool:
    """Whether the name stands for something that is read once, from its beginning to its end."""
    try:
        return stat.S_IFMT(os.stat(path).st_mode) in _KINDS  # noqa: PTH116 - Path's raises on odd names
    except (OSError, ValueError):
        return False


def read_to_end(stream: Any, name: str, most: int) -> bytes:
    """What is left in a stream, which may have no end."""
    parts, left = [], most + 1
    while left and (part := stream.read(min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    if not left:
        raise too_much(name, most)
    return b"".join(parts)


def too_much(name: str, most: int) -> ImageError:
    """The error for what is longer than it may be."""
    return ImageError(f"{name} has more than {told(most)}; apply and batch take more with --max-bytes, or from a disk")


def told(amount: int) -> str:
    """An amount of bytes in words."""
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
