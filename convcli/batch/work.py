"""The task for each picture of a folder: read, filter, write, and return a result for the report.

Tasks run in parallel on threads, because decoders, the engine and encoders release the GIL.
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

_PAUSE = 0.2  # seconds before the first retry; doubled for each further one


@dataclass(frozen=True)
class Result:
    """The result of a job: "done", "failed" (with the reason), "skipped", or "writing" before a picture is replaced.

    proof: of a finished file; of a skipped one only if the report has no "done" line for it yet.
    """

    job: FileJob
    status: str
    reason: str = ""
    outcome: Outcome | None = None
    proof: Proof | None = None
    tries: int = 1

    def record(self) -> dict[str, Any]:
        """Return the report's line, without the fields that are the same for all files."""
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
    """The settings for filtering every file of a folder.

    writing: keywords of Target. format: the outputs' suffix, instead of the inputs'. retries: how often to retry a file
    that could not be read or written. prove: digest the outputs for a report. intents: the handle on the report, in
    which the replacement of a picture is recorded first. base: the folder of relative paths, for workers elsewhere.
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
        """Filter one file, with retries; an error becomes the reason of a failed result."""
        made: list[Proof] = []
        for tries in range(1, self.retries + 2):
            result, again = self._try(job, made)
            if not again or tries > self.retries:
                break
            time.sleep(_PAUSE * 2 ** (tries - 1))
        return replace(result, tries=tries)

    def _try(self, job: FileJob, made: list[Proof]) -> tuple[Result, bool]:
        """Try once; return the result and whether to retry. made: extended by the proof before the output appears."""
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
        except Exception as error:  # one bad file must not end the whole run
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
            force=self.force or bool(made),  # an earlier try may have written the output and still failed
            threads=self.threads,
            when_complete=take_proof,
        )
        if not self.prove:
            return Result(job, "done", outcome=outcome)
        proof = made[-1] if made else Proof(before, None, "")  # a device does not call `take_proof`
        if proof.output_stamp is None:
            proof = replace(proof, output_stamp=files.stamp(output))
        return Result(job, "done", outcome=outcome, proof=proof)

    def _replaced(self, job: FileJob, source: str, made: list[Proof]) -> Proof | None:
        """Return the proof that an earlier try or a lost worker has already replaced the picture by its output.

        None if the picture is still the one that was listed. Raises ConvcliError if it is neither.
        """
        if files.stamp(source) in (job.seen, None):  # filtering reports a missing picture
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
        """Record in the report what will replace the picture, and force the output and the report's line to disk.

        Raises AccessError, so that nothing is replaced, if that fails or the picture has changed since it was listed.
        """
        if files.stamp(source) != job.seen:
            raise AccessError(f"{printable_path(job.source)} has changed while it was filtered; nothing was written")
        files.to_disk(output)
        if self.intents:
            self.intents.write(Result(job, "writing", proof=proof).record() | self.report_fields())

    def _placed(self, path: str) -> str:
        return path if is_url(path) else os.path.join(self.base, path)  # noqa: PTH118

    def report_fields(self) -> dict[str, Any]:
        """Return the fields that all lines of a report share: the recipe in words, its digest, and the kernels' digest.

        The recipe's digest covers all that affects the outputs' content: kernels, geometry, channels, range, options,
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
