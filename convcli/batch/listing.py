"""List the pictures of a folder lazily and in a fixed order, each with the name of its output."""

# ruff: noqa: PTH122 - plain strings, for there may be a million of them

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import translate
from functools import cached_property
from typing import Any

from convcli import files
from convcli.errors import ConvcliError
from convcli.files.names import PART, Stamp, folder_key, joined, local_path, printable_path
from convcli.images.formats import readable


@dataclass(frozen=True)
class FileJob:
    """One picture and its output.

    problem: why the picture can't be filtered, if that is known from the listing. seen: if the output replaces the
    picture, the stamp that the picture had when it was listed.
    """

    source: str
    output: str
    problem: str = ""
    seen: Stamp | None = None


@dataclass(frozen=True)
class Listing:
    """The pictures in `folder`, and the output of each: its relative path below `output`. Both are paths or URLs.

    patterns: for file names or paths below the folder, case-insensitive; without any, all readable suffixes match.
    format: the outputs' suffix, instead of the inputs'.

    Every iteration reads the disk anew and keeps the names of only one folder in memory: first its files sorted by
    name, then its folders. Hidden files and folders are left out, and so is the output folder if it is inside.
    Raises ConvcliError if the folder is missing, or if two pictures have the same output.
    """

    folder: str
    output: str
    recursive: bool = False
    patterns: Sequence[str] = field(default=())
    format: str | None = None

    def check(self) -> int:
        """Count the pictures. Raises ConvcliError if there are none, and whatever an iteration would raise."""
        files.check_input_folder(self.folder)
        files.check_output_folder(self.output)
        count = sum(1 for _ in self)
        if not count:
            matching = f" that matches {' or '.join(self.patterns)}" if self.patterns else ""
            deeper = "" if self.recursive else "; --recursive looks into its folders"
            raise ConvcliError(f"{printable_path(self.folder)} holds no picture{matching}{deeper}")
        return count

    def __iter__(self) -> Iterator[FileJob]:
        links: dict[str, str] = {}
        waiting = [[""]]  # a stack, for folders may be nested deeper than recursion allows
        while waiting:
            folders: list[str] = []
            yield from self._inside(waiting.pop(), folders, links)
            if self.recursive:
                deeper = [path for path in folders if not files.same(joined(self.folder, path), self.output)]
                waiting.extend(reversed(_alike(deeper)))

    @cached_property
    def in_place(self) -> bool:
        """Whether the output folder is the input folder."""
        return folder_key(self.output) == folder_key(self.folder) or files.same(self.folder, self.output)

    def _inside(self, group: list[str], folders: list[str], links: dict[str, str]) -> Iterator[FileJob]:
        """Yield the jobs of folders whose paths differ only in case, for a disk may take them for one output folder.

        folders: extended by their subfolders.
        """
        names: list[str] = []
        for below in group:
            place = joined(self.folder, below)
            try:
                for name, folder in files.entries(place):
                    path = joined(below, name)
                    if name in ("", ".", "..") or "\0" in name or os.sep in name:  # archives may hold these
                        problem = f"{printable_path(place)} holds something named {printable_path(name)!r}"
                        yield FileJob(place, "", f"{problem}: no name of a file")
                    elif folder:
                        if not name.startswith("."):
                            folders.append(path)
                    elif self._wanted(path, name):
                        names.append(path)
            except OSError as error:
                yield FileJob(place, "", f"{printable_path(place)} can't be listed: {error.strerror or error}")
            except ConvcliError as error:
                yield FileJob(place, "", str(error))
        yield from self._jobs(sorted(names), links)

    def _wanted(self, path: str, name: str) -> bool:
        """Whether a file is one of the pictures.

        As in shells, hidden files match only a pattern whose name part begins with a dot. Unlike there, case is
        ignored, because cameras and systems mix upper and lower case.
        """
        if name.endswith(PART):
            return False
        if not self.patterns:
            return not name.startswith(".") and os.path.splitext(name)[1].lower() in readable()
        return any(
            (seen or not name.startswith(".")) and (match(name) or match(path.replace(os.sep, "/")))
            for match, seen in self._matches
        )

    @cached_property
    def _matches(self) -> list[tuple[Callable[[str], Any], bool]]:
        """The matching function of each pattern, and whether the pattern includes hidden files."""
        return [
            (re.compile(translate(pattern), re.IGNORECASE).match, pattern.rpartition("/")[2].startswith("."))
            for pattern in self.patterns
        ]

    def _jobs(self, paths: list[str], links: dict[str, str]) -> Iterator[FileJob]:
        """Yield the jobs of one folder. Raises ConvcliError for outputs that are equal or differ only in case.

        Many disks take names that differ only in case for one file.
        """
        suffix = "." + self.format.lower().lstrip(".") if self.format else None
        owners: dict[str, str] = {}
        for path in paths:
            mirrored = joined(self.output, os.path.splitext(path)[0] + suffix if suffix else path)
            job = FileJob(joined(self.folder, path), mirrored)
            other = owners.setdefault(mirrored.casefold(), job.source)
            if other != job.source:
                raise ConvcliError(
                    f"{printable_path(other)} and {printable_path(job.source)} would both write "
                    f"{printable_path(mirrored)}; "
                    "rename one, or choose among them with --pattern"
                )
            yield self._once(job, path, links) if self.in_place else job

    def _once(self, job: FileJob, path: str, links: dict[str, str]) -> FileJob:
        """Return the job, with a problem if its picture is a link to one that another job already replaces.

        links: the targets of links so far, with the first link to each.
        """
        source = local_path(job.source)
        if source is None or job.output != joined(self.output, path) or not os.path.islink(source):  # noqa: PTH114
            return job
        real = os.path.realpath(source)
        inside = os.path.relpath(real, folder_key(self.folder))
        folder, name = os.path.split(inside)
        listed = self._wanted(inside, name) and not folder.startswith(os.pardir) and (self.recursive or not folder)
        other = joined(self.folder, inside) if listed else links.setdefault(real, job.source)
        if other == job.source:
            return job
        return replace(
            job,
            problem=f"{printable_path(job.source)} is another name of {printable_path(other)}; "
            "in the same folder it would be filtered twice",
        )


def _alike(paths: list[str]) -> list[list[str]]:
    """Sort the paths, and group those that differ only in case."""
    groups: dict[str, list[str]] = {}
    for path in sorted(paths):
        groups.setdefault(path.casefold(), []).append(path)
    return list(groups.values())
