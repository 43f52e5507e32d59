"""Files, whether a path of this machine or a URL names them: the one door to both.

`local` does it for paths and `remote` for URLs; only a URL loads fsspec. Both answer to the names below.
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
    """The file's content, of at most so many bytes.

    Raises ImageError where there is none or more, AccessError where it can't be had.
    """
    content: bytes = _home(path).read(path, most)
    return content


def stamp(path: str | Path) -> Stamp | None:
    """The file's size and time of change, and the version that a store tells; None where there is none."""
    found: Stamp | None = _home(path).stamp(path)
    return found


def stamps_by_folder() -> Callable[[str], Stamp | None]:
    """What tells the stamps of many files: each by itself on a disk, a folder at a time elsewhere."""
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

    A path where nothing is is the same as no other.
    """
    paths = local_path(one), local_path(other)
    if paths[0] is None or paths[1] is None:
        return folder_key(one) == folder_key(other)
    return local.same(paths[0], paths[1])


def exists(path: str) -> bool:
    """Whether something of that name is there, a link to nothing included."""
    found: bool = _home(path).exists(path)
    return found


def digest(path: str | Path) -> str:
    """SHA-256 of the file's content, in hexadecimal."""
    found: str = _home(path).digest(path)
    return found


def entries(folder: str) -> Iterator[tuple[str, bool]]:
    """Name of every file and folder in it, and whether it is a folder."""
    yield from _home(folder).entries(folder)


def check_input_folder(folder: str) -> None:
    """Raise ConvcliError where inputs can't be listed there."""
    _home(folder).check_input_folder(folder)


def check_output_folder(folder: str) -> None:
    """Raise ConvcliError where outputs can't be written there, as far as can be told without writing."""
    _home(folder).check_output_folder(folder)


def check_output(path: str | Path, force: bool) -> None:
    """Raise ConvcliError where an output of that name can't be written, before any work is done."""
    _home(path).check_output(path, force)


def make_folder(path: str) -> None:
    """Make the folder that the file lies in."""
    _home(path).make_folder(path)


@contextlib.contextmanager
def open_output(
    path: str | Path, force: bool, when_complete: Callable[[BinaryIO], None] | None = None
) -> Iterator[BinaryIO]:
    """A stream whose content becomes the file `path` when the block ends well, and leaves nothing when it fails.

    when_complete: is given the complete stream, which can be read, before it gets its name; not that of a device.
    """
    with _home(path).open_output(path, force, when_complete) as stream:
        yield stream


def _home(path: str | Path) -> ModuleType:
    if not is_url(path):
        return local
    from convcli.files import remote

    return remote
