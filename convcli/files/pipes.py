"""The standard streams: reading to the end, writing completely or with an error, and wrappers that ensure both."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import Any

from convcli.errors import AccessError, RecipeError
from convcli.files.reading import MOST, read_to_end
from convcli.printable import printable_lines


def standard_input(most: int = MOST) -> bytes:
    """Read all of standard input, of at most `most` bytes."""
    if sys.stdin is None:
        raise AccessError("standard input is closed; pipe a picture into it, or name a file")
    if sys.stdin.isatty():
        raise RecipeError("standard input is a terminal; pipe a picture into it, or name a file")
    stream = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)  # the buffer takes "no data yet" for the end
    try:
        return read_to_end(_Waiting(stream), "standard input", most)
    except OSError as error:
        raise AccessError(f"standard input can't be read: {error.strerror or error}") from None


class _Waiting:
    """A reader that makes a non-blocking stream wait for data."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes; b"" at the end."""
        while (piece := self._stream.read(size)) is None:
            _wait_for(self._stream.fileno(), writing=False)
        return bytes(piece)


def write_standard_output(content: Any) -> None:
    """Write all of the bytes to standard output; a terminal is refused."""
    if sys.stdout.isatty():
        raise RecipeError("a picture is not written to a terminal; redirect standard output, or name a file")
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


@contextlib.contextmanager
def in_order() -> Iterator[None]:
    """Replace standard output and error by reliable ones while the block runs, unless they have been redirected.

    Python's own lose part of a long write if unbuffered (PYTHONUNBUFFERED), fail if non-blocking, and are None if they
    were closed, so that the next files opened get their descriptors.
    """
    _reserve_numbers()
    before = sys.stdout, sys.stderr
    if before[0] is sys.__stdout__:
        sys.stdout = _Text(before[0], _Output)
    if before[1] is sys.__stderr__:
        sys.stderr = _Text(before[1], _Messages)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def styled(stream: Any) -> Any:
    """Return the stream without escaping of terminal codes, for a writer that sends some and escapes all other text."""
    return stream.styled if isinstance(stream, _Text) else stream


def _reserve_numbers() -> None:
    """Occupy the descriptors of closed streams, or a library's messages could be written into a picture."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)


class _Text(io.TextIOWrapper):
    """Text in the encoding that Python chose; characters it lacks and terminal control codes are escaped."""

    def __init__(self, before: Any, kind: type[_Raw]) -> None:
        encoding, errors = ("utf-8", "strict") if before is None else (before.encoding, before.errors)
        if errors in ("strict", "surrogateescape"):
            errors = "backslashreplace"
        below = kind(None if before is None else before.fileno())
        super().__init__(below, encoding, errors, line_buffering=True)
        self.styled = io.TextIOWrapper(below, encoding, errors, line_buffering=True)

    def write(self, text: str) -> int:
        super().write(printable_lines(text) if isinstance(text, str) else text)  # which refuses bytes
        return len(text)


class _Raw(io.RawIOBase):
    """A file descriptor that is always written to completely, waiting if necessary; None for a closed stream."""

    name = "standard stream"

    def __init__(self, number: int | None) -> None:
        super().__init__()
        self._number = number

    def fileno(self) -> int:
        if self._number is None:
            raise io.UnsupportedOperation("the stream is closed")
        return self._number

    def isatty(self) -> bool:
        return self._number is not None and os.isatty(self._number)

    def writable(self) -> bool:
        return True

    def _write_all(self, data: Any) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        if left and self._number is None:
            raise _CLOSED
        while left:
            try:
                left = left[os.write(self.fileno(), left) :]
            except BlockingIOError:
                _wait_for(self.fileno(), writing=True)
        return size


class _Output(_Raw):
    """Standard output: the first failed write raises an error, which ends the command; later writes are discarded."""

    _told = False

    def write(self, data: Any) -> int:
        if self._told:  # Python flushes the rest at exit
            return len(data)
        try:
            return self._write_all(data)
        except OSError as error:
            self._told = True
            if isinstance(error, BrokenPipeError):  # the reader has closed the pipe
                raise
            raise _unwritable(error) from None


class _Messages(_Raw):
    """Standard error: failed writes are ignored, for the exit code still reports the result."""

    def write(self, data: Any) -> int:
        try:
            return self._write_all(data)
        except OSError:
            return len(data)


_CLOSED = OSError(errno.EBADF, "it is closed")


def _unwritable(error: OSError) -> AccessError:
    return AccessError(f"standard output can't be written: {error.strerror or error}")


def _wait_for(number: int, writing: bool) -> None:
    """Wait until a non-blocking stream can be read or written again."""
    from select import select

    select([] if writing else [number], [number] if writing else [], [])
