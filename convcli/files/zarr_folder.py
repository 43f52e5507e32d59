"""Zarr folders: recognise them, check where one may be written, and write it whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from convcli.errors import AccessError, ConvcliError
from convcli.files import check_output
from convcli.files.local import unwritable
from convcli.files.names import printable_path
from convcli.files.whole_folder import part_beside, remove_folder, unfinished_folder

MARKS = ("zarr.json", ".zarray", ".zgroup")  # every Zarr array and group holds one of these files


def is_zarr(path: str | Path) -> bool:
    """Whether the path is a Zarr array or group, or has the name of one."""
    if str(path).lower().rstrip("/").endswith(".zarr"):
        return True
    return any(os.path.isfile(Path(path) / mark) for mark in MARKS)  # noqa: PTH113 - Path's raises on odd names


def check_store(path: str | Path, force: bool) -> None:
    """Raise ConvcliError if a Zarr can't be written at the path; called before any work is done.

    A non-empty folder that is not a Zarr is not overwritten even with `force`, for it holds something else.
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
    """Provide a temporary folder that becomes the folder `path` if the block succeeds, and is removed if it fails.

    With `force`, an old folder is moved aside at the last moment and removed once the new one is in place.
    """
    target = Path(os.path.realpath(path))
    old = target.with_name(f".{target.name}.convcli-old")
    with unfinished_folder(path, part_beside(target)) as part:
        try:
            yield part
            if target.exists():
                if not force:
                    raise ConvcliError(f"{printable_path(path)} has appeared meanwhile; --force overwrites it")
                remove_folder(old, ignore_errors=True)  # left by a run that was killed at this point
                target.rename(old)
            try:
                part.rename(target)
            except OSError:
                if old.exists():
                    old.rename(target)
                raise
            remove_folder(old, ignore_errors=True)
        except BaseException:
            _taken_away(part, old)
            raise


def _taken_away(part: Path, aside: Path) -> None:
    """Rename the folder `part` to `aside` and remove it.

    Workers that still write to `part` then create it anew; `drop_orphan` removes that.
    """
    gone = part
    if not aside.exists():
        with contextlib.suppress(OSError):
            gone = part.rename(aside)
    remove_folder(gone, ignore_errors=True)


def drop_orphan(store: str | Path) -> None:
    """Remove the folder unless it is a Zarr: a worker wrote a chunk after the command had removed the store."""
    if not any((Path(store) / mark).exists() for mark in MARKS):
        remove_folder(store, ignore_errors=True)
