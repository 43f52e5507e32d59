"""Files of this machine: where an output may go, and how it gets there whole or not at all."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from io import UnsupportedOperation
from pathlib import Path
from typing import BinaryIO

from convcli.errors import AccessError, ConvcliError, ImageError
from convcli.files.names import PART, Stamp, printable_path
from convcli.files.reading import MOST, open_regular, read_regular


def read(path: str | Path, most: int = MOST) -> bytes:
    """The file's content, of at most so many bytes.

    Raises ImageError where there is none or more, AccessError where it can't be had.
    """
    try:
        return read_regular(path, most)
    except FileNotFoundError:
        raise ImageError(f"{printable_path(path)} does not exist") from None
    except OSError as error:
        raise _unreadable(path, error) from None


def stamp(path: str | Path) -> Stamp | None:
    """The file's size and time of change; None where there is none. Raises AccessError where that can't be told."""
    try:
        info = os.stat(path)  # noqa: PTH116 - a million of them
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(path, error) from None
    return info.st_size, info.st_mtime_ns


def stamp_of(stream: BinaryIO) -> Stamp | None:
    """The stamp of an output that is open and complete, which it keeps under its name; None of what is no file yet."""
    try:
        info = os.fstat(stream.fileno())
    except UnsupportedOperation:
        return None
    return info.st_size, info.st_mtime_ns


def to_disk(stream: BinaryIO) -> None:
    """Have the content on the disk before anything else is done, where it is a file of this machine."""
    with contextlib.suppress(UnsupportedOperation):
        os.fsync(stream.fileno())


def same(one: str, other: str) -> bool:
    """Whether both paths lead to the same file or folder."""
    try:
        return os.path.samestat(os.stat(one), os.stat(other))  # noqa: PTH116 - a million of them
    except OSError:
        return False


def exists(path: str) -> bool:
    """Whether something of that name is there, a link to nothing included."""
    return os.path.lexists(path)


def digest(path: str | Path) -> str:
    """SHA-256 of the file's content, in hexadecimal."""
    from hashlib import file_digest

    with open_regular(path) as stream:
        return file_digest(stream, "sha256").hexdigest()


def entries(folder: str) -> Iterator[tuple[str, bool]]:
    """Name of every file and folder in it, and whether it is a folder; no link to a folder, nothing that is neither.

    What can't be told, of a link that leads to itself say, counts as a file: whoever opens it is told why not.
    """
    with os.scandir(folder) as found:
        for entry in found:
            try:
                is_folder = entry.is_dir(follow_symlinks=False)
                is_file = not is_folder and not entry.is_dir() and (entry.is_file() or entry.is_symlink())
            except OSError:
                is_folder, is_file = False, True
            if is_folder or is_file:
                yield entry.name, is_folder


def check_input_folder(folder: str) -> None:
    """Raise ConvcliError where there is no such folder."""
    if not Path(folder).is_dir():
        what = "is not a folder; convcli apply filters one picture" if Path(folder).exists() else "does not exist"
        raise ConvcliError(f"{printable_path(folder)} {what}")


def check_output_folder(folder: str) -> None:
    """Raise ConvcliError where the folder is none, or can't be made."""
    path = Path(folder)
    there = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
    if not there.is_dir():
        raise ConvcliError(f"{printable_path(there)} is not a folder; name another output")
    if there is not path and not os.access(there, os.W_OK | os.X_OK):
        raise AccessError(
            f"{printable_path(folder)} can't be made, for {printable_path(there)} is read-only; name another output"
        )


def make_folder(path: str) -> None:
    """Make the folder that the file lies in."""
    folder, missing = os.path.dirname(path), []  # noqa: PTH120 - a million of them
    while folder and not os.path.isdir(folder):  # noqa: PTH112
        missing.append(folder)
        folder = os.path.dirname(folder)  # noqa: PTH120
    for folder in reversed(missing):  # not `makedirs`, which calls itself for each, and folders may lie a thousand deep
        try:
            os.mkdir(folder)  # noqa: PTH102
        except FileExistsError:  # another thread's, or a file
            if not os.path.isdir(folder):  # noqa: PTH112
                raise


def check_output(path: str | Path, force: bool) -> None:
    """Raise ConvcliError where an output of that name can't be written."""
    try:
        _check_output(Path(path), force)
    except OSError as error:
        raise unwritable(path, error) from None


def _check_output(path: Path, force: bool) -> None:
    folder = path.parent
    if path.is_symlink() and not path.exists():
        raise ConvcliError(f"{printable_path(path)} is a link to nothing; remove it or name another output")
    if path.is_dir():
        raise ConvcliError(f"{printable_path(path)} is a folder; name a file in it")
    if not folder.is_dir():
        what = "is not a folder; name another" if folder.exists() else "does not exist; create it first"
        raise ConvcliError(f"output folder {printable_path(folder)} {what}")
    if path.exists():
        if not force and _regular(path):
            raise ConvcliError(f"{printable_path(path)} exists; --force overwrites it")
        folder = path.resolve().parent
    if _regular(path) and not os.access(folder, os.W_OK | os.X_OK):
        raise AccessError(f"output folder {printable_path(folder)} is read-only; choose another one")


@contextlib.contextmanager
def open_output(
    path: str | Path, force: bool, when_complete: Callable[[BinaryIO], None] | None = None
) -> Iterator[BinaryIO]:
    """A stream whose content becomes the file `path` when the block ends well, and leaves nothing when it fails.

    The bytes go to a temporary name in the same folder, which then takes the place of the old file in one step. A link
    is followed, and stays. A device or a pipe is written to directly.
    when_complete: is given the complete stream, which can be read, before it gets its name; not that of a device.
    """
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
            if when_complete:
                when_complete(stream)
            if not _names(part, stream):
                _unfinished.discard(part)
                part = None
                raise AccessError(f"{printable_path(path)} was taken by another process meanwhile; name another output")
            if not force and target.exists():
                raise ConvcliError(f"{printable_path(path)} has appeared meanwhile; --force overwrites it")
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


def _unreadable(path: str | Path, error: OSError) -> ConvcliError:
    return AccessError(f"{printable_path(path)} can't be read: {error.strerror or error}")


def unwritable(path: str | Path, error: OSError) -> ConvcliError:
    """The system's error about an output, in the user's words."""
    return AccessError(f"{printable_path(path)} can't be written: {error.strerror or error}")


def _regular(path: Path) -> bool:
    """A regular file, or nothing yet; not a device, a pipe or a folder."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return True


def _part_of(target: Path) -> tuple[Path, BinaryIO]:
    """The temporary file for `target`: made by us just now, locked and empty.

    Its name follows from the target's, so that what a killed run left behind is replaced by the next run. Anybody who
    may write to the folder can guess it too: what stands there is never written to.
    """
    name = target.name
    if len(os.fsencode(name)) > 200:
        from hashlib import sha256

        name = sha256(os.fsencode(name)).hexdigest()[:32]
    part = target.parent / f".{name}{PART}"
    try:
        stream = open(part, "w+b", opener=_made)  # noqa: SIM115 - closed by `open_output`; Path.open takes no opener
    except FileExistsError:
        _clear(part, target)
        stream = open(part, "w+b", opener=_made)  # noqa: SIM115
    if locked(stream.fileno()) and _names(part, stream):
        return part, stream
    stream.close()
    raise in_work(target)


def _made(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_EXCL, 0o666)


def _clear(part: Path, target: Path) -> None:
    """Take away what stands under a temporary name, unless a process that writes there now holds its lock."""
    try:
        regular = stat.S_ISREG(part.lstat().st_mode)
        file = os.open(part, os.O_RDONLY | _NOFOLLOW) if regular else None
        try:
            if file is not None and not locked(file):
                raise in_work(target)
            part.unlink()
        finally:
            if file is not None:
                os.close(file)
    except FileNotFoundError:
        return
    except OSError as error:
        raise in_the_way(part, target, error) from None


def in_work(target: Path) -> ConvcliError:
    """The error for an output that somebody else writes now."""
    return AccessError(
        f"{printable_path(target)} is being written by another process; wait for it, or name another output"
    )


def in_the_way(part: Path, target: Path, error: OSError) -> ConvcliError:
    """The error for what stands under a temporary name and can't be taken away."""
    return AccessError(
        f"{printable_path(target)} can't be written: {printable_path(part)} is in the way and can't be removed "
        f"({error.strerror or error}); remove it, or name another output"
    )


_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def locked(file: int) -> bool:
    """Lock an open file or folder; whether nobody else has it in work."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # a system, or a file system, without locks
        return True
    return True


def _names(part: Path, stream: BinaryIO) -> bool:
    """Whether the name still stands for the open file: its last owner may have renamed it before we had the lock."""
    try:
        return os.path.samestat(part.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False
