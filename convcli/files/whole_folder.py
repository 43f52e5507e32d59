"""Folders of results that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from convcli.errors import AccessError, ConvcliError
from convcli.files.local import unwritable
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
        part.mkdir(exist_ok=True)
        if os.name == "posix":
            lock = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            if not _locked(lock):
                os.close(lock)
                raise AccessError(
                    f"{printable_path(path)} is being written by another process; wait for it, or name another"
                )
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


def _locked(folder: int) -> bool:
    """Whether nobody else has the folder in work."""
    try:
        import fcntl

        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # a system, or a file system, without locks
        return True
    return True


def remove_folder(folder: str | Path, ignore_errors: bool = False) -> None:
    """Remove the folder and what is in it."""
    import shutil  # takes longer to import than all of this room, and most runs remove nothing

    shutil.rmtree(folder, ignore_errors=ignore_errors)
