"""Local files: reading, stamps, listing, and outputs that are checked early and written whole or not at all."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from io import BytesIO, UnsupportedOperation
from pathlib import Path
from typing import BinaryIO

from convcli.errors import AccessError, ConvcliError, ImageError
from convcli.files.names import PART, Stamp, printable_path
from convcli.files.reading import MOST, open_regular, read_regular


def read(path: str | Path, most: int = MOST) -> bytes:
    """Read the file's content, of at most `most` bytes.

    Raises ImageError if there is no file or it is larger, AccessError if it can't be read.
    """
    try:
        return read_regular(path, most)
    except FileNotFoundError:
        raise ImageError(f"{printable_path(path)} does not exist") from None
    except OSError as error:
        raise _unreadable(path, error) from None


def stamp(path: str | Path) -> Stamp | None:
    """Return the file's size and modification time; None if there is no file. Raises AccessError if stat fails."""
    try:
        info = os.stat(path)  # noqa: PTH116 - a million of them
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(path, error) from None
    return info.st_size, info.st_mtime_ns


def stamp_of(stream: BinaryIO) -> Stamp | None:
    """Return the stamp of a complete output that is still open; None if the stream is not a file.

    The file keeps this stamp when it gets its name.
    """
    try:
        info = os.fstat(stream.fileno())
    except UnsupportedOperation:
        return None
    return info.st_size, info.st_mtime_ns


def to_disk(stream: BinaryIO) -> None:
    """Force the stream's content to disk (fsync) if the stream is a local file."""
    with contextlib.suppress(UnsupportedOperation):
        os.fsync(stream.fileno())


def same(one: str, other: str) -> bool:
    """Whether both paths refer to the same file or folder."""
    try:
        return os.path.samestat(os.stat(one), os.stat(other))  # noqa: PTH116 - a million of them
    except OSError:
        return False


def exists(path: str) -> bool:
    """Whether something of that name exists; a broken link counts."""
    return os.path.lexists(path)


def digest(path: str | Path) -> str:
    """Return the SHA-256 of the file's content, in hexadecimal."""
    from hashlib import file_digest

    with open_regular(path) as stream:
        return file_digest(stream, "sha256").hexdigest()


def entries(folder: str) -> Iterator[tuple[str, bool]]:
    """List the files and folders in a folder: the name of each, and whether it is a folder.

    Links to folders, devices and the like are left out. What can't be examined, such as a link to itself, counts as a
    file, so that opening it reports the error.
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
    """Raise ConvcliError if there is no such folder."""
    if not Path(folder).is_dir():
        what = "is not a folder; convcli apply filters one picture" if Path(folder).exists() else "does not exist"
        raise ConvcliError(f"{printable_path(folder)} {what}")


def check_output_folder(folder: str) -> None:
    """Raise ConvcliError if the path is not a folder and can't be made one."""
    path = Path(folder)
    there = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
    if not there.is_dir():
        raise ConvcliError(f"{printable_path(there)} is not a folder; name another output")
    if there is not path and not os.access(there, os.W_OK | os.X_OK):
        raise AccessError(
            f"{printable_path(folder)} can't be made, for {printable_path(there)} is read-only; name another output"
        )


def make_folder(path: str) -> None:
    """Create the parent folder of the file."""
    folder, missing = os.path.dirname(path), []  # noqa: PTH120 - a million of them
    while folder and not os.path.isdir(folder):  # noqa: PTH112
        missing.append(folder)
        folder = os.path.dirname(folder)  # noqa: PTH120
    for folder in reversed(missing):  # not `makedirs`: it is recursive, and a thousand levels are possible
        try:
            os.mkdir(folder)  # noqa: PTH102
        except FileExistsError:  # another thread made the folder, or it is a file
            if not os.path.isdir(folder):  # noqa: PTH112
                raise


def check_output(path: str | Path, force: bool) -> None:
    """Raise ConvcliError if the output can't be written."""
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
    """Open a stream whose content becomes the file `path` if the block succeeds, and is discarded if it fails.

    The bytes go to a temporary file in the same folder, which then replaces the old file atomically. A link is
    followed and kept. A device is written to directly, a pipe once the content is complete.
    when_complete: called with the complete, readable stream before the file gets its name; not for a device.
    """
    part: Path | None = None
    stream: BinaryIO
    try:
        if not _regular(Path(path)):  # not of the real path: /dev/stdout may resolve to a path that doesn't exist
            with open(path, "wb") as device:  # noqa: PTH123
                stream = device if device.seekable() else BytesIO()  # encoders seek back in their output
                yield stream
                if isinstance(stream, BytesIO):
                    device.write(stream.getbuffer())
            return
        target = Path(os.path.realpath(path))
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
            if os.name == "posix":  # while the lock is held, so that no other process takes the name over
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


# Temporary files of this process. Those that an interrupt has left are removed when the process exits.
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
    """Delay a Ctrl-C until the block has ended. Only the main thread is ever interrupted."""
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
    """Return the error for an output that the system fails to write."""
    return AccessError(f"{printable_path(path)} can't be written: {error.strerror or error}")


def _regular(path: Path) -> bool:
    """Whether the path is a regular file or does not exist; not a device, a pipe or a folder."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return True


def _part_of(target: Path) -> tuple[Path, BinaryIO]:
    """Create the temporary file for `target`, empty and locked; return its path and the open stream.

    Its name is derived from the target's, so that the next run replaces what a killed run left behind. Others with
    write access to the folder can predict the name, so that an existing file is never written to.
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
    """Remove what exists under a temporary name, unless another process holds its lock."""
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
    """Return the error for an output that another process is writing."""
    return AccessError(
        f"{printable_path(target)} is being written by another process; wait for it, or name another output"
    )


def in_the_way(part: Path, target: Path, error: OSError) -> ConvcliError:
    """Return the error for a temporary name that is taken by something that can't be removed."""
    return AccessError(
        f"{printable_path(target)} can't be written: {printable_path(part)} is in the way and can't be removed "
        f"({error.strerror or error}); remove it, or name another output"
    )


_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def locked(file: int) -> bool:
    """Lock an open file or folder; False if another process holds the lock."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # the system or the file system has no locks
        return True
    return True


def _names(part: Path, stream: BinaryIO) -> bool:
    """Whether the path still refers to the open file, which may have been renamed before this process locked it."""
    try:
        return os.path.samestat(part.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False
