"""The pictures of a folder: found as they are asked for, in an order that stays, and where each result goes."""

# ruff: noqa: PTH118, PTH122 - plain strings, for there may be a million of them

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from os.path import join, realpath
from pathlib import Path

from convcli import urls
from convcli.errors import AccessError, ConvcliError
from convcli.files import PART, shown
from convcli.images.formats import readable
from convcli.urls import is_url


@dataclass(frozen=True)
class Job:
    """One picture and where its result goes. `problem`: why it can't even be listed, where that is so."""

    source: str
    output: str
    problem: str = ""


@dataclass(frozen=True)
class Listing:
    """The pictures below `folder`, and the output of each: its name mirrored below `output`. Both are paths or URLs.

    patterns: of file names (or of paths below the folder); without any, every suffix that names a picture.
    format: the outputs' suffix, instead of the inputs'.

    Every iteration looks at the disk anew and holds the names of one folder at a time: first its files in the order of
    their names, then its folders. Hidden files and the output folder, where it lies inside, are left out.
    Raises ConvcliError where the folder is missing, or where two pictures would write one output.
    """

    folder: str
    output: str
    recursive: bool = False
    patterns: Sequence[str] = field(default=())
    format: str | None = None

    def check(self) -> int:
        """How many pictures there are; none is an error, as is whatever an iteration would raise."""
        _check_input(self.folder)
        _check_output(self.output)
        count = sum(1 for _ in self)
        if not count:
            matching = f" that matches {' or '.join(self.patterns)}" if self.patterns else ""
            deeper = "" if self.recursive else "; --recursive looks into its folders"
            raise ConvcliError(f"{shown(self.folder)} holds no picture{matching}{deeper}")
        return count

    def __iter__(self) -> Iterator[Job]:
        yield from self._inside([""], None if self.in_place else _true(self.output))

    @property
    def in_place(self) -> bool:
        """Whether the outputs go where the inputs are."""
        return _true(self.output) == _true(self.folder)

    def _inside(self, group: list[str], into: str | None) -> Iterator[Job]:
        """The jobs of folders whose outputs are one folder on a disk that does not know upper from lower case."""
        names: list[str] = []
        folders: list[str] = []
        for below in group:
            place = _below(self.folder, below)
            try:
                for name, folder in _entries(place):
                    path = join(below, name)
                    if name in ("", ".", "..") or "\0" in name or os.sep in name:  # as an archive may have it
                        yield Job(place, "", f"{shown(place)} holds something named {shown(name)!r}: no name of a file")
                    elif folder:
                        folders.append(path)
                    elif self._wanted(path, name):
                        names.append(path)
            except OSError as error:
                yield Job(place, "", f"{shown(place)} can't be listed: {error.strerror or error}")
            except ConvcliError as error:
                yield Job(place, "", str(error))
        yield from self._jobs(sorted(names))
        if self.recursive:
            for alike in _alike(folders):
                deeper = [path for path in alike if into is None or _true(_below(self.folder, path)) != into]
                if deeper:
                    yield from self._inside(deeper, into)

    def _wanted(self, path: str, name: str) -> bool:
        if name.endswith(PART):
            return False
        if self.patterns:
            return any(fnmatch(name, p) or fnmatch(path, p) for p in self.patterns)
        return not name.startswith(".") and os.path.splitext(name)[1].lower() in readable()

    def _jobs(self, paths: list[str]) -> Iterator[Job]:
        """The jobs of one folder. Names that differ only in case are one file on many disks: they clash everywhere."""
        suffix = "." + self.format.lower().lstrip(".") if self.format else None
        owners: dict[str, str] = {}
        for path in paths:
            mirrored = _below(self.output, os.path.splitext(path)[0] + suffix if suffix else path)
            job = Job(_below(self.folder, path), mirrored)
            other = owners.setdefault(mirrored.casefold(), job.source)
            if other != job.source:
                raise ConvcliError(
                    f"{shown(other)} and {shown(job.source)} would both write {shown(mirrored)}; "
                    "rename one, or choose among them with --pattern"
                )
            yield job


def _check_input(folder: str) -> None:
    if is_url(folder):
        from convcli import remote

        remote.check_folder(folder)
    elif not Path(folder).is_dir():
        what = "is not a folder; convcli apply filters one picture" if Path(folder).exists() else "does not exist"
        raise ConvcliError(f"{shown(folder)} {what}")


def _check_output(folder: str) -> None:
    if is_url(folder):
        from convcli import remote

        remote.check_output_folder(folder)
        return
    path = Path(folder)
    there = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
    if not there.is_dir():
        raise ConvcliError(f"{shown(there)} is not a folder; name another output")
    if there is not path and not os.access(there, os.W_OK | os.X_OK):
        raise AccessError(f"{shown(folder)} can't be made, for {shown(there)} is read-only; name another output")


def _entries(folder: str) -> Iterator[tuple[str, bool]]:
    """Name of every file and folder in it, and whether it is a folder."""
    if is_url(folder):
        from convcli import remote

        yield from ((found.name, found.folder) for found in remote.entries(folder))
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield entry.name, True
            elif not entry.is_dir() and (entry.is_file() or entry.is_symlink()):
                yield entry.name, False


def _below(folder: str, path: str) -> str:
    return urls.joined(folder, path) if is_url(folder) else join(folder, path)


def _true(folder: str) -> str:
    """What two names of one folder have in common."""
    return urls.joined(folder, "") if is_url(folder) else realpath(folder)


def _alike(paths: list[str]) -> list[list[str]]:
    """Paths in their order, those that differ only in case together."""
    groups: dict[str, list[str]] = {}
    for path in sorted(paths):
        groups.setdefault(path.casefold(), []).append(path)
    return list(groups.values())
