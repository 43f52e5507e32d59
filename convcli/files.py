"""Files: where an output may go, and how it gets there whole or not at all."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from convcli.errors import AccessError, ConvcliError, RecipeError
from convcli.urls import is_url, public

PART = ".convcli-part"


def check_output(path: str | Path, force: bool) -> None:
    """Raise where an output of that name can't be written, before any work is done."""
    if is_url(path):
        from convcli import remote

        remote.check_output(path, force)
        return
    try:
        _check_output(Path(path), force)
    except OSError as error:
        raise unwritable(path, error) from None


def _check_output(path: Path, force: bool) -> None:
    folder = path.parent
    if path.is_symlink() and not path.exists():
        raise ConvcliError(f"{shown(path)} is a link to nothing; remove it or name another output")
    if path.is_dir():
        raise ConvcliError(f"{shown(path)} is a folder; name a file in it")
    if not folder.is_dir():
        what = "is not a folder; name another" if folder.exists() else "does not exist; create it first"
        raise ConvcliError(f"output folder {shown(folder)} {what}")
    if path.exists():
        if not force and _regular(path):
            raise ConvcliError(f"{shown(path)} exists; --force overwrites it")
        folder = path.resolve().parent
    if _regular(path) and not os.access(folder, os.W_OK | os.X_OK):
        raise AccessError(f"output folder {shown(folder)} is read-only; choose another one")


@contextlib.contextmanager
def whole(path: str | Path, force: bool, seal: Callable[[BinaryIO], None] | None = None) -> Iterator[BinaryIO]:
    """A stream whose content becomes the file `path` when the block ends well, and leaves nothing when it fails.

    The bytes go to a temporary name in the same folder, which then takes the place of the old file in one step. A link
    is followed, and stays. A device or a pipe is written to directly. A URL is sent as its store allows.
    seal: is given the complete stream, which can be read, before it gets its name; not that of a device.
    """
    if is_url(path):
        from convcli import remote

        with remote.whole(path, force, seal) as stream:
            yield stream
        return
    part = None
    try:
        target = Path(os.path.realpath(path))
        if not _regular(target):
            with target.open("wb") as device:
                yield device
            return
        with _uninterrupted():
            part, stream = _part_of(target)
            _unfinished.add(part)
        with stream:
            yield stream
            stream.flush()
            if seal:
                seal(stream)
            if not force and target.exists():
                raise ConvcliError(f"{shown(path)} has appeared meanwhile; --force overwrites it")
            if os.name == "posix":  # while the lock is held, so that nobody takes the name over
                part.replace(target)
        if os.name != "posix":
            part.replace(target)
        _unfinished.discard(part)
    except BaseException as error:
        if part:
            _discard(part)
        if isinstance(error, OSError):
            raise unwritable(path, error) from None
        raise


# Temporary files of this process. What an interrupt between two lines of ours left here is removed at the end.
_unfinished: set[Path] = set()


@atexit.register
def _sweep() -> None:
    for part in list(_unfinished):
        _discard(part)


def _discard(part: Path) -> None:
    with contextlib.suppress(OSError):
        part.unlink()
    _unfinished.discard(part)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold a Ctrl-C back until the block has ended. Only the main thread is ever interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
        if came:
            signal.raise_signal(signal.SIGINT)


def unwritable(path: str | Path, error: OSError) -> ConvcliError:
    """The system's error about an output, in the user's words."""
    return AccessError(f"{shown(path)} can't be written: {error.strerror or error}")


def standard_input() -> bytes:
    """All of standard input."""
    if sys.stdin.isatty():
        raise RecipeError("standard input is a terminal; pipe a picture into it, or name a file")
    return sys.stdin.buffer.read()


def standard_output() -> Any:
    """Standard output for bytes; a terminal is refused."""
    if sys.stdout.isatty():
        raise RecipeError("a picture is not written to a terminal; redirect standard output, or name a file")
    return sys.stdout.buffer


def shown(path: str | Path) -> str:
    """A path as a message shows it: printable, on one line."""
    text = os.fsencode(public(path) if is_url(path) else path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _regular(path: Path) -> bool:
    """A regular file, or nothing yet; not a device, a pipe or a folder."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return True


def _part_of(target: Path) -> tuple[Path, BinaryIO]:
    """The temporary file for `target`, locked and empty.

    Its name follows from the target's, so what a killed run left behind is taken over by the next run. The lock tells
    a leftover from a file that another process is writing now.
    """
    name = target.name
    if len(os.fsencode(name)) > 200:
        from hashlib import sha256

        name = sha256(os.fsencode(name)).hexdigest()[:32]
    part = target.parent / f".{name}{PART}"
    stream = open(part, "r+b", opener=_opened)  # noqa: SIM115 - closed by `whole`; Path.open takes no opener
    if _locked(stream) and _names(part, stream):
        stream.truncate(0)
        return part, stream
    stream.close()
    raise AccessError(f"{shown(target)} is being written by another process; wait for it, or name another output")


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT | _NOFOLLOW, 0o666)


_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def _locked(stream: BinaryIO) -> bool:
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _names(part: Path, stream: BinaryIO) -> bool:
    """Whether the name still stands for the open file: its last owner may have renamed it before we had the lock."""
    try:
        return os.path.samestat(part.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False
