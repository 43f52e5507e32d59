"""One interface to files named by a local path or by a URL.

`local` implements the functions below for paths and `remote` for URLs; fsspec is imported only for a URL.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

from convcli.files import local
from convcli.files.local import stamp_of, to_disk
from convcli.files.names import Stamp, folder_key, is_url, local_path
from convcli.files.reading import MOST

__all__ = [
    "check_input_folder", "check_output", "check_output_folder", "digest", "entries", "exists", "make_folder",
    "open_output", "read", "same", "stamp", "stamp_of", "stamps_by_folder", "to_disk",
]  # fmt: skip


def read(path: str | Path, most: int = MOST) -> bytes:
    """Read the file's content, of at most `most` bytes.

    Raises ImageError if there is no file or it is larger, AccessError if it can't be read.
    """
    content: bytes = _home(path).read(path, most)
    return content


def stamp(path: str | Path) -> Stamp | None:
    """Return the file's size, modification time and, from some stores, version; None if there is no file."""
    found: Stamp | None = _home(path).stamp(path)
    return found


def stamps_by_folder() -> Callable[[str], Stamp | None]:
    """Return a function that is `stamp` for many files: remote folders are listed once, not asked for each file."""
    listed: list[Callable[[str], Stamp | None]] = []

    def stamp_of(path: str) -> Stamp | None:
        if not is_url(path):
            return local.stamp(path)
        if not listed:
            from convcli.files.remote import ListedStamps

            listed.append(ListedStamps().stamp)
        return listed[0](path)

    return stamp_of


def same(one: str, other: str) -> bool:
    """Whether two names stand for the same file or folder; links are followed.

    A path that does not exist is not the same as any other.
    """
    paths = local_path(one), local_path(other)
    if paths[0] is None or paths[1] is None:
        return folder_key(one) == folder_key(other)
    return local.same(paths[0], paths[1])


def exists(path: str) -> bool:
    """Whether something of that name exists; a broken link counts."""
    found: bool = _home(path).exists(path)
    return found


def digest(path: str | Path) -> str:
    """Return the SHA-256 of the file's content, in hexadecimal."""
    found: str = _home(path).digest(path)
    return found


def entries(folder: str) -> Iterator[tuple[str, bool]]:
    """List the files and folders in a folder: the name of each, and whether it is a folder."""
    yield from _home(folder).entries(folder)


def check_input_folder(folder: str) -> None:
    """Raise ConvcliError if inputs can't be listed in the folder."""
    _home(folder).check_input_folder(folder)


def check_output_folder(folder: str) -> None:
    """Raise ConvcliError if outputs can't be written to the folder, as far as is known without writing."""
    _home(folder).check_output_folder(folder)


def check_output(path: str | Path, force: bool) -> None:
    """Raise ConvcliError if the output can't be written; called before any work is done."""
    _home(path).check_output(path, force)


def make_folder(path: str) -> None:
    """Create the parent folder of the file."""
    _home(path).make_folder(path)


@contextlib.contextmanager
def open_output(
    path: str | Path, force: bool, when_complete: Callable[[BinaryIO], None] | None = None
) -> Iterator[BinaryIO]:
    """Open a stream whose content becomes the file `path` if the block succeeds, and is discarded if it fails.

    when_complete: called with the complete, readable stream before the file gets its name; not for a device.
    """
    with _home(path).open_output(path, force, when_complete) as stream:
        yield stream


def _home(path: str | Path) -> ModuleType:
    if not is_url(path):
        return local
    from convcli.files import remote

    return remote
