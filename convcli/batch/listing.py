"""The pictures of a folder: found as they are asked for, in an order that stays, and where each result goes."""

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
    """One picture and where its result goes.

    problem: why it can't even be listed, where that is so. seen: where the result takes the place of the picture, the
    stamp that the picture had when it was listed.
    """

    source: str
    output: str
    problem: str = ""
    seen: Stamp | None = None


@dataclass(frozen=True)
class Listing:
    """The pictures below `folder`, and the output of each: its name mirrored below `output`. Both are paths or URLs.

    patterns: of file names (or of paths below the folder), in any case; without one, every suffix that names a picture.
    format: the outputs' suffix, instead of the inputs'.

    Every iteration looks at the disk anew and holds the names of one folder at a time: first its files in the order of
    their names, then its folders. Hidden files and folders, and the output folder where it lies inside, are left out.
    Raises ConvcliError where the folder is missing, or where two pictures would write one output.
    """

    folder: str
    output: str
    recursive: bool = False
    patterns: Sequence[str] = field(default=())
    format: str | None = None

    def check(self) -> int:
        """How many pictures there are; none is an error, as is whatever an iteration would raise."""
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
        waiting = [[""]]  # a stack, for folders may lie deeper than Python's calls may
        while waiting:
            folders: list[str] = []
            yield from self._inside(waiting.pop(), folders, links)
            if self.recursive:
                deeper = [path for path in folders if not files.same(joined(self.folder, path), self.output)]
                waiting.extend(reversed(_alike(deeper)))

    @cached_property
    def in_place(self) -> bool:
        """Whether the outputs go where the inputs are."""
        return folder_key(self.output) == folder_key(self.folder) or files.same(self.folder, self.output)

    def _inside(self, group: list[str], folders: list[str], links: dict[str, str]) -> Iterator[FileJob]:
        """The jobs of folders whose outputs are one folder on a disk that does not know upper from lower case.

        folders: gets those that lie in them.
        """
        names: list[str] = []
        for below in group:
            place = joined(self.folder, below)
            try:
                for name, folder in files.entries(place):
                    path = joined(below, name)
                    if name in ("", ".", "..") or "\0" in name or os.sep in name:  # as an archive may have it
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
        """Whether a file is one of the pictures. As shells have it, only a pattern that begins its name with a dot
        means hidden files; unlike there, none cares for upper and lower case, which cameras and systems mix."""
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
        """What matches each pattern, and whether it means hidden files."""
        return [
            (re.compile(translate(pattern), re.IGNORECASE).match, pattern.rpartition("/")[2].startswith("."))
            for pattern in self.patterns
        ]

    def _jobs(self, paths: list[str], links: dict[str, str]) -> Iterator[FileJob]:
        """The jobs of one folder. Names that differ only in case are one file on many disks: they clash everywhere."""
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
        """The job; or, where it is a link to a picture that another job takes the place of, why it is left out.

        links: the pictures that links have led to, and the first of these.
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
    """Paths in their order, those that differ only in case together."""
    groups: dict[str, list[str]] = {}
    for path in sorted(paths):
        groups.setdefault(path.casefold(), []).append(path)
    return list(groups.values())
