"""Which files of a folder need doing, seen from what an earlier run left."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from convcli import files
from convcli.batch.listing import FileJob
from convcli.batch.report import EarlierReport, shows_finished
from convcli.batch.work import Result
from convcli.errors import ConvcliError
from convcli.files.names import Stamp, is_url, printable_path

_EARLIER = "finished earlier"


@dataclass(frozen=True)
class SkipRule:
    """Whether a file needs doing at all, seen from what is there already.

    if_exists: "skip", "overwrite", "fail". resume: finished files are skipped, by what `past` says of them (of the
    recipe of this digest), or, where there is no earlier report, by an output newer than its input. look: tells the
    stamp of a file.
    """

    if_exists: str = "fail"
    resume: bool = False
    past: EarlierReport | None = None
    recipe: str = ""
    in_place: bool = False
    look: Callable[[str], Stamp | None] = files.stamp

    def settle(self, job: FileJob) -> Result | None:
        """The result where there is nothing left to do, None where there is."""
        try:
            return self._settled(job)
        except ConvcliError as error:  # a store that does not answer
            return Result(job, "failed", str(error))
        except OSError as error:
            return Result(job, "failed", f"{printable_path(error.filename or job.output)}: {error.strerror or error}")

    def _settled(self, job: FileJob) -> Result | None:
        if job.problem:
            return None
        if self.resume and self._finished(job):
            return Result(job, "skipped", _EARLIER)
        if self.if_exists == "overwrite" or not self._exists(job.output):
            return None
        if self.if_exists == "skip":
            return Result(job, "skipped", "the output exists")
        if not is_url(job.output) and os.path.isdir(job.output):  # noqa: PTH112
            return None  # filtering says what is wrong with it
        return Result(job, "failed", f"{printable_path(job.output)} exists; --force overwrites it")

    def reported(self, result: Result) -> bool:
        """Whether the earlier report has the file's line already."""
        return result.reason == _EARLIER and self.past is not None and self.past.there

    def _finished(self, job: FileJob) -> bool:
        if self.past is not None and (self.past.there or self.in_place):
            record = self.past.record(job.source, job.output)
            return record is not None and shows_finished(
                record, job.source, job.output, self.recipe, self.in_place, self.look
            )
        source, output = self.look(job.source), self.look(job.output)
        return source is not None and output is not None and output[1] >= source[1] >= 0

    def _exists(self, output: str) -> bool:
        return self.look(output) is not None if is_url(output) else files.exists(output)
