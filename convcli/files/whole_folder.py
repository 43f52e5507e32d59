"""Folders of results that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from convcli.errors import ConvcliError
from convcli.files.local import in_the_way, in_work, locked, unwritable
from convcli.files.names import PART, printable_path


@contextlib.contextmanager
def whole_folder(path: str | Path, force: bool) -> Iterator[Path]:
    """A folder whose files come to stand in the folder `path` when the block ends well, and are gone when it fails.

    A folder that is there already keeps what else is in it; without `force` it must be empty.
    """
    target = Path(os.path.realpath(path))
    inside = target.is_dir()  # which may be a disk of its own, or all that may be written to
    with unfinished_folder(path, target / PART if inside else part_beside(target)) as part:
        yield part
        if not target.exists():
            part.rename(target)
            return
        if not force and not holds_nothing(target):
            raise ConvcliError(f"folder {printable_path(path)} is not empty any more; --force writes into it")
        made = sorted(part.iterdir())
        for file in made:
            if (target / file.name).is_dir():
                raise ConvcliError(f"{printable_path(target / file.name)} is a folder; name another output")
        for file in made:
            file.replace(target / file.name)
        part.rmdir()


def holds_nothing(folder: Path) -> bool:
    """Whether the folder is empty, but for what a killed run left there."""
    return all(entry.name == PART for entry in folder.iterdir())


def part_beside(target: Path) -> Path:
    """Where an unfinished folder stands until it gets its name."""
    return target.with_name(f".{target.name}{PART}")


@contextlib.contextmanager
def unfinished_folder(path: str | Path, part: Path) -> Iterator[Path]:
    """The empty folder `part`, for what is to become `path`; no other process writes there. Removed on failure."""
    lock = None
    try:
        _make_ours(part, Path(path))
        if os.name == "posix":
            lock = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            if not locked(lock):
                os.close(lock)
                raise in_work(Path(path))
    except OSError as error:
        raise unwritable(path, error) from None
    try:
        _emptied(part)
        yield part
    except BaseException as error:
        remove_folder(part, ignore_errors=True)
        if isinstance(error, OSError):
            raise unwritable(path, error) from None
        raise
    finally:
        if lock is not None:
            os.close(lock)


def _emptied(folder: Path) -> None:
    """Take away what a killed run left there."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            remove_folder(entry)
        else:
            entry.unlink()


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
        remove_folder(part) if folder else part.unlink()
    except OSError as error:
        raise in_the_way(part, target, error) from None
    part.mkdir()


def remove_folder(folder: str | Path, ignore_errors: bool = False) -> None:
    """Remove the folder and what is in it."""
    import shutil  # takes longer to import than all of this room, and most runs remove nothing

    shutil.rmtree(folder, ignore_errors=ignore_errors)
