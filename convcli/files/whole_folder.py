"""Write folders of results atomically: all files appear, or none."""

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
    """Provide a temporary folder whose files are moved to `path` if the block succeeds, and removed if it fails.

    An existing folder keeps its other files; without `force` it must be empty.
    """
    target = Path(os.path.realpath(path))
    inside = target.is_dir()  # its parent may be on another disk or not writable
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
    """Whether the folder is empty except for what a killed run left there."""
    return all(entry.name == PART for entry in folder.iterdir())


def part_beside(target: Path) -> Path:
    """Return the path of the unfinished folder that will become `target`."""
    return target.with_name(f".{target.name}{PART}")


@contextlib.contextmanager
def unfinished_folder(path: str | Path, part: Path) -> Iterator[Path]:
    """Create the empty folder `part` for what is to become `path`, locked; it is removed on failure."""
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
    """Remove what a killed run left in the folder."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            remove_folder(entry)
        else:
            entry.unlink()


def _make_ours(part: Path, target: Path) -> None:
    """Create the folder. One left by a killed run of this user is reused; anything else there is removed."""
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
    import shutil  # slow to import, and most runs remove nothing

    shutil.rmtree(folder, ignore_errors=ignore_errors)
