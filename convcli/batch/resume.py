"""Decide which files of a folder can be skipped, from existing outputs and the report of an earlier run."""

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
    """The rule that decides whether a file must be filtered or already has a result.

    if_exists: "skip", "overwrite", "fail". resume: skip finished files, which the earlier report `past` shows for the
    recipe with the digest `recipe`; without a report, those whose output is newer than the input.
    look: returns the stamp of a file.
    """

    if_exists: str = "fail"
    resume: bool = False
    past: EarlierReport | None = None
    recipe: str = ""
    look: Callable[[str], Stamp | None] = files.stamp

    def settle(self, job: FileJob) -> Result | None:
        """Return the job's result if it needs no filtering, else None."""
        try:
            return self._settled(job)
        except ConvcliError as error:  # a store that does not answer
            return Result(job, "failed", str(error))
        except OSError as error:
            return Result(job, "failed", f"{printable_path(error.filename or job.output)}: {error.strerror or error}")

    def _settled(self, job: FileJob) -> Result | None:
        if job.problem:
            return None
        if self.resume and (earlier := self._earlier(job)):
            return earlier
        if self.if_exists == "overwrite" or not self._exists(job.output):
            return None
        if self.if_exists == "skip":
            return Result(job, "skipped", "the output exists")
        if not is_url(job.output) and os.path.isdir(job.output):  # noqa: PTH112
            return None  # filtering reports the error
        return Result(job, "failed", f"{printable_path(job.output)} exists; --force overwrites it")

    def reported(self, result: Result) -> bool:
        """Whether the earlier report already has a line for this result."""
        return result.reason == _EARLIER and not result.proof and self.past is not None and self.past.there

    def _earlier(self, job: FileJob) -> Result | None:
        """Return the result if an earlier run has finished the file or its state is unclear, else None."""
        if self.past is not None and (self.past.there or job.seen is not None):
            return self._replaced(job, self.past) if job.seen is not None else self._proven(job, self.past)
        source, output = self.look(job.source), self.look(job.output)
        newer = source is not None and output is not None and output[1] >= source[1] >= 0
        return Result(job, "skipped", _EARLIER) if newer else None

    def _proven(self, job: FileJob, past: EarlierReport) -> Result | None:
        line = next(past.lines(job.source, job.output), None)
        if line is None or line.status != "done" or line.recipe != self.recipe or line.proof is None:
            return None
        return Result(job, "skipped", _EARLIER) if shows_finished(line.proof, job, self.look) else None

    def _replaced(self, job: FileJob, past: EarlierReport) -> Result | None:
        """Return the same for an output that replaces its picture.

        Every line of this recipe counts, not only the last, because the replacement it announces may have failed. A
        picture that is neither the recorded input nor the recorded output fails, rather than be filtered twice.
        """
        told = (*past.late_intents(job.source, job.output), *past.lines(job.source, job.output))
        lines = [line for line in told if line.proof and line.recipe == self.recipe]
        for line in lines:
            if line.proof and shows_finished(line.proof, job, self.look):
                return Result(job, "skipped", _EARLIER, proof=line.proof if line.status == "writing" else None)
        if not lines or files.digest(job.source) in {line.proof.input_digest for line in lines if line.proof}:
            return None
        return Result(
            job, "failed",
            f"{printable_path(job.source)} is neither the picture that an earlier run read nor what it wrote; "
            "look at it, and filter it by itself if it needs that",
        )  # fmt: skip

    def _exists(self, output: str) -> bool:
        return self.look(output) is not None if is_url(output) else files.exists(output)
