"""What is done to each picture of a folder: read, filter, write, and tell of it.

This is one task a file, and tasks run side by side on threads: decoders, the engine and encoders hold no lock while
they work.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from hashlib import file_digest, sha256
from typing import Any

from convcli import files
from convcli.batch.listing import FileJob
from convcli.batch.report import EarlierReport, Intents, Proof, kernel_digest
from convcli.errors import AccessError, ConvcliError
from convcli.files.names import is_url, printable_path, public
from convcli.filtering.file import Outcome, filter_file
from convcli.filtering.frame import PictureOptions
from convcli.filtering.notes import described
from convcli.filtering.recipe import Recipe
from convcli.images import Target

_PAUSE = 0.2  # seconds before the first retry; each further one waits twice as long


@dataclass(frozen=True)
class Result:
    """What became of a job: "done", "failed" (with the reason) or "skipped"; "writing" is one that is about to be done.

    proof: also of what was skipped, where no line of the report says yet that it is done.
    """

    job: FileJob
    status: str
    reason: str = ""
    outcome: Outcome | None = None
    proof: Proof | None = None
    tries: int = 1

    def record(self) -> dict[str, Any]:
        """The line of the report, without what is the same for all files."""
        names = {"input": public(self.job.source), "output": public(self.job.output)}
        line: dict[str, Any] = {**names, "status": "done" if self.status == "skipped" and self.proof else self.status}
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
        return line | (self.proof.fields() if self.proof else {})


@dataclass(frozen=True)
class Work:
    """What is done to every file of a folder.

    writing: keywords of Target. format: the outputs' suffix, instead of the inputs'. retries: how often a file that
    could not be read or written is tried again. prove: digest the outputs for a report. intents: the report, where a
    picture is not replaced before it says so. base: the folder that relative paths start from, for workers that run
    elsewhere.
    """

    recipe: Recipe
    options: PictureOptions = field(default_factory=PictureOptions)
    writing: dict[str, Any] = field(default_factory=dict)
    format: str | None = None
    force: bool = False
    threads: int = 1
    retries: int = 0
    prove: bool = False
    intents: Intents | None = None
    base: str = ""

    def do(self, job: FileJob) -> Result:
        """Filter one file; whatever goes wrong with it becomes a reason."""
        made: list[Proof] = []
        for tries in range(1, self.retries + 2):
            result, again = self._try(job, made)
            if not again or tries > self.retries:
                break
            time.sleep(_PAUSE * 2 ** (tries - 1))
        return replace(result, tries=tries)

    def _try(self, job: FileJob, made: list[Proof]) -> tuple[Result, bool]:
        """The result, and whether another try may help. made: grows by an output's proof before it gets its name."""
        try:
            if job.problem:
                return Result(job, "failed", job.problem), False
            return self._done(job, made), False
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

    def _done(self, job: FileJob, made: list[Proof]) -> Result:
        target = Target.for_path(job.output, self.format, threads=self.threads, **self.writing)
        source, output = (self._placed(path) for path in (job.source, job.output))
        in_place = job.seen is not None
        if in_place and (earlier := self._replaced(job, source, made)):
            return Result(job, "done", proof=earlier)
        before = job.seen or (files.stamp(source) if self.prove else None)
        read = files.digest(source) if in_place else ""
        files.make_folder(output)

        def take_proof(stream: Any) -> None:
            stream.seek(0)
            digest = file_digest(stream, "sha256").hexdigest() if self.prove or in_place else ""
            made.append(Proof(before, files.stamp_of(stream), digest, read))
            if in_place:
                self._announce(job, source, made[-1], stream)

        outcome = filter_file(
            source,
            output,
            self.recipe,
            target,
            self.options,
            force=self.force or bool(made),  # what is there now, an earlier try has written without hearing of it
            threads=self.threads,
            when_complete=take_proof,
        )
        if not self.prove:
            return Result(job, "done", outcome=outcome)
        proof = made[-1] if made else Proof(before, None, "")  # a device is complete without a word
        if proof.output_stamp is None:
            proof = replace(proof, output_stamp=files.stamp(output))
        return Result(job, "done", outcome=outcome, proof=proof)

    def _replaced(self, job: FileJob, source: str, made: list[Proof]) -> Proof | None:
        """The proof that this run has put its output in the picture's place: an earlier try, or a worker that was lost.

        None where the picture is still the one that was listed. Raises ConvcliError where it is neither.
        """
        if files.stamp(source) in (job.seen, None):  # filtering says that there is none
            return None
        now = files.digest(source)
        for proof in (*made, *self._announced(job)):
            if proof.output_digest == now:
                return proof
        raise ConvcliError(
            f"{printable_path(job.source)} is no longer the picture that was listed, and the report does not tell that "
            "this run has filtered it; look at it, and filter it by itself if it needs that"
        )

    def _announced(self, job: FileJob) -> Iterator[Proof]:
        if self.intents:
            recipe = self.report_fields()["recipe_digest"]
            for line in EarlierReport(self.intents.path).lines(job.source, job.output):
                if line.proof and line.recipe == recipe:
                    yield line.proof

    def _announce(self, job: FileJob, source: str, proof: Proof, output: Any) -> None:
        """Say what takes the picture's place, and have it on the disk with the output, before it does.

        Raises AccessError where it can't be said, or what was read is not what was listed: nothing is replaced then.
        """
        if files.stamp(source) != job.seen:
            raise AccessError(f"{printable_path(job.source)} has changed while it was filtered; nothing was written")
        files.to_disk(output)
        if self.intents:
            self.intents.write(Result(job, "writing", proof=proof).record() | self.report_fields())

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
