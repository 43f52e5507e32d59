"""Zarr's folders: which are such, where one may go, and how it gets there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from convcli.errors import AccessError, ConvcliError
from convcli.files import check_output
from convcli.files.local import in_the_way, in_work, locked, unwritable
from convcli.files.names import PART, printable_path

MARKS = ("zarr.json", ".zarray", ".zgroup")  # files, of which one is in every Zarr array and group


def is_zarr(path: str | Path) -> bool:
    """Whether a folder is a Zarr array or group, or would be by its name."""
    if str(path).lower().rstrip("/").endswith(".zarr"):
        return True
    return any(os.path.isfile(Path(path) / mark) for mark in MARKS)  # noqa: PTH113 - Path's raises on odd names


def check_store(path: str | Path, force: bool) -> None:
    """Raise where a Zarr of that name can't be written, before any work is done.

    A folder that is not empty and no Zarr is not overwritten, even by force: it holds something else.
    """
    target = Path(path)
    try:
        if target.is_dir() and any(target.iterdir()) and not any((target / mark).exists() for mark in MARKS):
            raise ConvcliError(f"{printable_path(path)} is a folder that holds something else; name another output")
        if target.exists() and not target.is_dir():
            raise ConvcliError(f"{printable_path(path)} is a file; name another output")
        if target.exists() and not force:
            raise ConvcliError(f"{printable_path(path)} exists; --force overwrites it")
        if not target.exists():
            check_output(target, force)
        elif not os.access(target.resolve().parent, os.W_OK | os.X_OK):
            raise AccessError(f"output folder {printable_path(target.parent)} is read-only; choose another one")
    except OSError as error:
        raise unwritable(path, error) from None


@contextlib.contextmanager
def whole_store(path: str | Path, force: bool) -> Iterator[Path]:
    """A folder whose content becomes the folder `path` when the block ends well, and which is gone when it fails.

    With `force` an old folder is moved aside in the last moment, and removed once the new one stands in its place.
    """
    target = Path(os.path.realpath(path))
    part, old = (target.with_name(f".{target.name}{word}") for word in (PART, ".convcli-old"))
    lock = None
    try:
        _make_ours(part, target)
        if os.name == "posix":
            lock = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            if not locked(lock):
                raise in_work(target)
    except OSError as error:
        raise unwritable(path, error) from None
    try:
        _emptied(part)
        yield part
        if target.exists():
            if not force:
                raise ConvcliError(f"{printable_path(path)} has appeared meanwhile; --force overwrites it")
            _remove(old, ignore_errors=True)  # of a run that was killed just here
            target.rename(old)
        try:
            part.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
        _remove(old, ignore_errors=True)
    except BaseException as error:
        _taken_away(part, old)
        if isinstance(error, OSError):
            raise unwritable(path, error) from None
        raise
    finally:
        if lock is not None:
            os.close(lock)


def _make_ours(part: Path, target: Path) -> None:
    """Make the folder. One that a killed run has left is used again if it is ours; anything else is taken away."""
    try:
        part.mkdir()
        return
    except FileExistsError:
        info = part.lstat()
    folder = stat.S_ISDIR(info.st_mode)
    if folder and (not hasattr(os, "geteuid") or info.st_uid == os.geteuid()):
        return
    try:
        _remove(part) if folder else part.unlink()
    except OSError as error:
        raise in_the_way(part, target, error) from None
    part.mkdir()


def _taken_away(part: Path, aside: Path) -> None:
    """Remove it, first by name: workers that still write there then begin a folder anew, see `drop_orphan`."""
    gone = part
    if not aside.exists():
        with contextlib.suppress(OSError):
            gone = part.rename(aside)
    _remove(gone, ignore_errors=True)


def drop_orphan(store: str | Path) -> None:
    """Remove a folder that is no Zarr: a piece written by a worker after the command has taken the store away."""
    if not any((Path(store) / mark).exists() for mark in MARKS):
        _remove(store, ignore_errors=True)


def _emptied(folder: Path) -> None:
    """Take away what a killed run left there."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            _remove(entry)
        else:
            entry.unlink()


def _remove(folder: str | Path, ignore_errors: bool = False) -> None:
    import shutil  # takes longer to import than all of this room, and most runs only ask `is_zarr`

    shutil.rmtree(folder, ignore_errors=ignore_errors)
