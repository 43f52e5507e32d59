"""The report of a batch: a line of JSON for each file, written as it finishes; and what an earlier one proves.

A line says what was read, what was made of it and how, so that a later run can tell by the disk and the line together
whether the file is finished: the same recipe, an input that is still the same, an output that is what was written.
Where an output takes the place of its input, which can't be had again, a line says so before it is done.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from hashlib import blake2b, sha256
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from convcli import files
from convcli.batch.listing import FileJob
from convcli.errors import AccessError, ConvcliError
from convcli.files.names import Stamp, printable_path, public
from convcli.kernel import Kernel


def kernel_digest(kernels: tuple[Kernel, ...]) -> str:
    """SHA-256 of the kernels' numbers: shape, weights, divisor, bias."""
    state = sha256()
    for kernel in kernels:
        weights = np.ascontiguousarray(kernel.weights, "<f8")
        state.update(repr((weights.shape, float(kernel.divisor), float(kernel.bias))).encode())
        state.update(weights.tobytes())
    return state.hexdigest()


@dataclass(frozen=True)
class Proof:
    """What shows later whether a file is finished. input_digest: only of a picture whose place the output takes."""

    input_stamp: Stamp | None
    output_stamp: Stamp | None
    output_digest: str
    input_digest: str = ""

    def fields(self) -> dict[str, Any]:
        """What a line says of it."""
        return {name: value for name, value in asdict(self).items() if name != "input_digest" or value}


class Report:
    """A report file that is being written. Every line is on its way to the disk before the next file's is made.

    Raises AccessError where it can't be opened or written.
    """

    def __init__(self, path: str | Path, append: bool = False) -> None:
        self.path = Path(path)
        try:
            self._stream = self.path.open("ab", buffering=0)  # also a new one, for workers write their intents there
            if self.path.is_file():
                if not append:
                    self._stream.truncate(0)
                _mend(self.path)
        except OSError as error:
            raise _trouble(self.path, error) from None

    def add(self, record: dict[str, Any]) -> None:
        """Write one line, whole or not at all."""
        try:
            _append(self._stream, record)
        except OSError as error:
            raise _trouble(self.path, error) from None

    def intents(self) -> Intents | None:
        """Where workers write what they are about to do; None where the report is no file that can be read again."""
        info = os.fstat(self._stream.fileno())
        return Intents(str(self.path.absolute()), info.st_ino) if stat.S_ISREG(info.st_mode) else None

    def __enter__(self) -> Report:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()


@dataclass(frozen=True)
class Intents:
    """The report as a worker reaches it, to say there what is about to be done. inode: tells it from another file."""

    path: str
    inode: int

    def write(self, record: dict[str, Any]) -> None:
        """Have the line on the disk. Raises AccessError where that can't be done, and the deed must be left undone."""
        try:
            with open(self.path, "ab", buffering=0, opener=_there) as to:
                if os.fstat(to.fileno()).st_ino != self.inode:
                    raise OSError(errno.ENOENT, "it is another file here; put it into a folder that all workers share")
                _append(to, record)
                os.fsync(to.fileno())
        except OSError as error:
            raise _trouble(self.path, error) from None


def _there(path: str, flags: int) -> int:
    return os.open(path, flags & ~os.O_CREAT)


def _append(stream: FileIO, record: dict[str, Any]) -> None:
    """Write one line, whole or not at all, also where others write to the same file."""
    line = json.dumps(record).encode() + b"\n"
    with _alone(stream):
        written = stream.write(line)
        if written != len(line):
            with contextlib.suppress(OSError):  # a pipe has no end that could be cut off
                stream.truncate(stream.tell() - (written or 0))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextlib.contextmanager
def _alone(stream: FileIO) -> Iterator[None]:
    """Nobody else writes there meanwhile, where the file system has locks."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with contextlib.suppress(OSError):
        fcntl.flock(stream, fcntl.LOCK_EX)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(stream, fcntl.LOCK_UN)


def _trouble(path: str | Path, error: OSError) -> ConvcliError:
    return AccessError(f"report {printable_path(path)} can't be written: {error.strerror or error}")


def _mend(path: Path) -> None:
    """End the last line; or take it away, where a full disk or a power failure has cut it off."""
    with path.open("r+b") as stream:
        end = stream.seek(0, os.SEEK_END)
        tail = b""
        while end > 0 and b"\n" not in tail:
            end = max(0, end - 65536)
            stream.seek(end)
            tail = stream.read()
        last = tail[tail.rfind(b"\n") + 1 :]
        if last and _torn(last):
            stream.seek(-len(last), os.SEEK_END)
            stream.truncate()
        elif last:
            stream.write(b"\n")


def _torn(line: bytes) -> bool:
    """Whether it is a line of a report that was cut off."""
    return line.startswith(b"{") and _parsed(line) is None


def _parsed(line: bytes) -> Any:
    """The line's value; None where it is no JSON, or nested so deeply that it is none of ours."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


@dataclass(frozen=True)
class Line:
    """What a line of a report says about a file. proof: what a file that is finished, or about to be, looks like."""

    names: tuple[str, str]
    status: str
    recipe: str
    proof: Proof | None


class EarlierReport:
    """What an earlier report says, sixteen bytes of memory a line: the digest of its name and where it stands.

    there: whether there is one.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self.there = self._path.exists()
        self._end = 0  # of the lines that were read
        self._late: dict[int, int] = {}  # the places of intents that were written later on
        found = np.fromiter(self._read(), dtype=np.dtype([("name", "u8"), ("place", "i8")]))
        self._found = found[np.argsort(found["name"], kind="stable")]

    def lines(self, source: str, output: str) -> Iterator[Line]:
        """The lines about this file, the latest first; not those that say it was skipped."""
        names = public(source), public(output)
        name = np.uint64(_name(names))
        first, end = (int(np.searchsorted(self._found["name"], name, side=side)) for side in ("left", "right"))
        return self._lines(names, self._found["place"][first:end][::-1])

    def late_intents(self, source: str, output: str) -> Iterator[Line]:
        """What was said about this file since: by a worker, say, that has not heard yet of the end of its run."""
        self._late.update(self._read("writing"))
        names = public(source), public(output)
        place = self._late.get(_name(names))
        return self._lines(names, () if place is None else (place,))

    def _lines(self, names: tuple[str, str], places: Iterable[int]) -> Iterator[Line]:
        for place in places:
            with self._path.open("rb") as stream:
                stream.seek(int(place))
                line = _line(stream.readline())
            if line and line.names == names:
                yield line

    def _read(self, status: str = "") -> Iterator[tuple[int, int]]:
        """Name and place of every further line about a file (of this status); what is no such line is passed over."""
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as stream:
            stream.seek(self._end)
            for text in stream:
                line = _line(text)
                if line and line.status != "skipped" and status in ("", line.status):
                    yield _name(line.names), self._end
                if text.endswith(b"\n"):  # else it was cut off, and may be taken away
                    self._end += len(text)


def _line(text: bytes) -> Line | None:
    """What the line says; None where it says nothing of a file. It may hold anything."""
    record = _parsed(text)
    if not isinstance(record, dict):
        return None
    words = [record.get(key, "") for key in ("input", "output", "status", "recipe_digest")]
    if not all(isinstance(word, str) for word in words) or not {"input", "output", "status"} <= record.keys():
        return None
    source, output, status, recipe = words
    return Line((source, output), status, recipe, _proof(record))


def _proof(record: dict[str, Any]) -> Proof | None:
    made, read = record.get("output_digest"), record.get("input_digest", "")
    if not isinstance(made, str) or not isinstance(read, str):
        return None
    return Proof(_stamp(record.get("input_stamp")), _stamp(record.get("output_stamp")), made, read)


def _stamp(value: Any) -> Stamp | None:
    kinds = [type(part) for part in value] if isinstance(value, list) else []
    return tuple(value) if kinds in ([int, int], [int, int, str]) else None


def _name(names: tuple[str, str]) -> int:
    return int.from_bytes(blake2b("\0".join(names).encode("utf-8", "surrogatepass"), digest_size=8).digest())


def shows_finished(proof: Proof, job: FileJob, look: Callable[[str], Stamp | None] = files.stamp) -> bool:
    """Whether the proof and the disk together show that the file is finished. look: tells the stamp of a file."""
    try:
        if job.seen is None and (proof.input_stamp is None or look(job.source) != proof.input_stamp):
            return False
        now = look(job.output)
        if now is None or (proof.output_stamp and now[0] != proof.output_stamp[0]):
            return False
        return now == proof.output_stamp or files.digest(job.output) == proof.output_digest
    except OSError:
        return False
