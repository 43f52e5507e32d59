"""The pictures of a folder: found as they are asked for, in an order that stays, and where each result goes."""

# ruff: noqa: PTH118, PTH122 - plain strings, for there may be a million of them

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from os.path import join, realpath
from pathlib import Path

from convcli.errors import ConvcliError
from convcli.files import PART, shown
from convcli.images.formats import readable


@dataclass(frozen=True)
class Job:
    """One picture and where its result goes. `problem`: why it can't even be listed, where that is so."""

    source: str
    output: str
    problem: str = ""


@dataclass(frozen=True)
class Listing:
    """The pictures below `folder`, and the output of each: its name mirrored below `output`.

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
        folder, output = Path(self.folder), Path(self.output)
        if not folder.is_dir():
            what = "is not a folder; convcli apply filters one picture" if folder.exists() else "does not exist"
            raise ConvcliError(f"{shown(folder)} {what}")
        if output.exists() and not output.is_dir():
            raise ConvcliError(f"{shown(output)} is not a folder")
        count = sum(1 for _ in self)
        if not count:
            matching = f" that matches {' or '.join(self.patterns)}" if self.patterns else ""
            deeper = "" if self.recursive else "; --recursive looks into its folders"
            raise ConvcliError(f"{shown(folder)} holds no picture{matching}{deeper}")
        return count

    def __iter__(self) -> Iterator[Job]:
        into = realpath(self.output)
        yield from self._inside([""], into if into != realpath(self.folder) else None)

    @property
    def in_place(self) -> bool:
        """Whether the outputs go where the inputs are."""
        return realpath(self.output) == realpath(self.folder)

    def _inside(self, group: list[str], into: str | None) -> Iterator[Job]:
        """The jobs of folders whose outputs are one folder on a disk that does not know upper from lower case."""
        names: list[str] = []
        folders: list[str] = []
        for below in group:
            try:
                with os.scandir(join(self.folder, below)) as entries:
                    for entry in entries:
                        path = join(below, entry.name)
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(path)
                        elif self._wanted(path, entry):
                            names.append(path)
            except OSError as error:
                place = join(self.folder, below)
                yield Job(place, "", f"{shown(place)} can't be listed: {error.strerror or error}")
        yield from self._jobs(sorted(names))
        if self.recursive:
            for alike in _alike(folders):
                deeper = [path for path in alike if into is None or realpath(join(self.folder, path)) != into]
                if deeper:
                    yield from self._inside(deeper, into)

    def _wanted(self, path: str, entry: os.DirEntry[str]) -> bool:
        name = entry.name
        if name.endswith(PART) or entry.is_dir() or not (entry.is_file() or entry.is_symlink()):
            return False
        if self.patterns:
            return any(fnmatch(name, p) or fnmatch(path, p) for p in self.patterns)
        return not name.startswith(".") and os.path.splitext(name)[1].lower() in readable()

    def _jobs(self, paths: list[str]) -> Iterator[Job]:
        """The jobs of one folder. Names that differ only in case are one file on many disks: they clash everywhere."""
        suffix = "." + self.format.lower().lstrip(".") if self.format else None
        owners: dict[str, str] = {}
        for path in paths:
            mirrored = join(self.output, os.path.splitext(path)[0] + suffix if suffix else path)
            job = Job(join(self.folder, path), mirrored)
            other = owners.setdefault(mirrored.casefold(), job.source)
            if other != job.source:
                raise ConvcliError(
                    f"{shown(other)} and {shown(job.source)} would both write {shown(mirrored)}; "
                    "rename one, or choose among them with --pattern"
                )
            yield job


def _alike(paths: list[str]) -> list[list[str]]:
    """Paths in their order, those that differ only in case together."""
    groups: dict[str, list[str]] = {}
    for path in sorted(paths):
        groups.setdefault(path.casefold(), []).append(path)
    return list(groups.values())
