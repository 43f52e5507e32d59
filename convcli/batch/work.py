"""What is done to each picture of a folder: read, filter, write, and tell of it.

This is one task a file, and tasks run side by side on threads: decoders, the engine and encoders hold no lock while
they work.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, field, replace
from hashlib import file_digest, sha256
from typing import Any

from convcli import files
from convcli.batch.listing import FileJob
from convcli.batch.report import kernel_digest
from convcli.errors import AccessError, ConvcliError
from convcli.files.names import Stamp, is_url, printable_path, public
from convcli.filtering.file import Outcome, filter_file
from convcli.filtering.frame import PictureOptions
from convcli.filtering.notes import described
from convcli.filtering.recipe import Recipe
from convcli.images import Target

_PAUSE = 0.2  # seconds before the first retry; each further one waits twice as long


@dataclass(frozen=True)
class Proof:
    """What a report needs to tell later whether the file is still finished."""

    input_stamp: Stamp | None
    output_stamp: Stamp | None
    output_digest: str


@dataclass(frozen=True)
class Result:
    """What became of a job: "done", "failed" (with the reason) or "skipped"."""

    job: FileJob
    status: str
    reason: str = ""
    outcome: Outcome | None = None
    proof: Proof | None = None
    tries: int = 1

    def record(self) -> dict[str, Any]:
        """The line of the report, without what is the same for all files."""
        names = {"input": public(self.job.source), "output": public(self.job.output)}
        line: dict[str, Any] = {**names, "status": self.status}
        if self.reason:
            line["reason"] = self.reason
        if self.outcome:
            done = self.outcome
            line |= {
                "size": done.size, "output_size": done.output_size, "range": done.range, "samples": done.samples,
                "below": done.below, "above": done.above, "seconds": round(done.seconds, 3),
            }  # fmt: skip
        if self.tries > 1:
            line["tries"] = self.tries
        return line | (asdict(self.proof) if self.proof else {})


@dataclass(frozen=True)
class Work:
    """What is done to every file of a folder.

    writing: keywords of Target. format: the outputs' suffix, instead of the inputs'. retries: how often a file that
    could not be read or written is tried again. prove: digest the outputs for a report. base: the folder that relative
    paths start from, for workers that run elsewhere.
    """

    recipe: Recipe
    options: PictureOptions = field(default_factory=PictureOptions)
    writing: dict[str, Any] = field(default_factory=dict)
    format: str | None = None
    force: bool = False
    threads: int = 1
    retries: int = 0
    prove: bool = False
    base: str = ""

    def do(self, job: FileJob) -> Result:
        """Filter one file; whatever goes wrong with it becomes a reason."""
        digests: list[str] = []
        for tries in range(1, self.retries + 2):
            result, again = self._try(job, digests)
            if not again or tries > self.retries:
                break
            time.sleep(_PAUSE * 2 ** (tries - 1))
        return replace(result, tries=tries)

    def _try(self, job: FileJob, digests: list[str]) -> tuple[Result, bool]:
        """The result, and whether another try may help. digests: grows by an output's digest before it is written."""
        try:
            if job.problem:
                return Result(job, "failed", job.problem), False
            return self._done(job, digests), False
        except AccessError as error:
            return Result(job, "failed", str(error)), True
        except ConvcliError as error:
            return Result(job, "failed", str(error)), False
        except MemoryError:
            return Result(job, "failed", f"{printable_path(job.source)}: not enough memory for it"), False
        except OSError as error:
            return Result(
                job, "failed", f"{printable_path(error.filename or job.output)}: {error.strerror or error}"
            ), True
        except Exception as error:  # one odd file must not end a night's work
            return Result(job, "failed", f"{printable_path(job.source)}: {type(error).__name__}: {error}"), False

    def _done(self, job: FileJob, digests: list[str]) -> Result:
        target = Target.for_path(job.output, self.format, threads=self.threads, **self.writing)
        source, output = (self._placed(path) for path in (job.source, job.output))
        before = files.stamp(source) if self.prove else None
        files.make_folder(output)

        def take_digest(stream: Any) -> None:
            stream.seek(0)
            digests.append(file_digest(stream, "sha256").hexdigest() if self.prove else "")

        force = self.force or bool(digests)  # what is there now, an earlier try has written without hearing of it
        outcome = filter_file(
            source,
            output,
            self.recipe,
            target,
            self.options,
            force=force,
            threads=self.threads,
            when_complete=take_digest,
        )
        proof = Proof(before, files.stamp(output), digests[-1] if digests else "") if self.prove else None
        return Result(job, "done", outcome=outcome, proof=proof)

    def _placed(self, path: str) -> str:
        return path if is_url(path) else os.path.join(self.base, path)  # noqa: PTH118

    def report_fields(self) -> dict[str, Any]:
        """What every line of a report says of the work: the recipe in words, its digest and that of its kernels.

        The recipe's digest covers all that decides the outputs' content: kernels, geometry, channels, range, options,
        writing and format.
        """
        kernels = kernel_digest(self.recipe.kernels)
        options = {name: value for name, value in asdict(self.options).items() if name != "max_bytes"}
        parts = (
            kernels, [kernel.range for kernel in self.recipe.kernels], asdict(self.recipe.geometry),
            self.recipe.channels, self.recipe.range, self.recipe.combine, options, self.writing, self.format,
        )  # fmt: skip
        text = json.dumps(parts, sort_keys=True)
        return {
            "recipe": described(self.recipe),
            "recipe_digest": sha256(text.encode()).hexdigest(),
            "kernel_digest": kernels,
        }
