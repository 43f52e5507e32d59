"""Write the report of a batch, a line of JSON for each finished file, and read the report of an earlier run.

A line records the input, the output and the recipe. A later run compares it with the disk: a file is finished if the
recipe and the input are unchanged and the output is what was written. If an output replaces its input, which is then
lost, a line is written before that happens.
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
    """Return the SHA-256 of the kernels' numbers: shape, weights, divisor, bias."""
    state = sha256()
    for kernel in kernels:
        weights = np.ascontiguousarray(kernel.weights, "<f8")
        state.update(repr((weights.shape, float(kernel.divisor), float(kernel.bias))).encode())
        state.update(weights.tobytes())
    return state.hexdigest()


@dataclass(frozen=True)
class Proof:
    """Stamps and digests by which a later run recognises a finished file.

    input_digest: only of a picture that the output replaces.
    """

    input_stamp: Stamp | None
    output_stamp: Stamp | None
    output_digest: str
    input_digest: str = ""

    def fields(self) -> dict[str, Any]:
        """Return the proof as fields of a report line."""
        return {name: value for name, value in asdict(self).items() if name != "input_digest" or value}


class Report:
    """A report file that is being written, without buffering.

    Raises AccessError if it can't be opened or written.
    """

    def __init__(self, path: str | Path, append: bool = False) -> None:
        self.path = Path(path)
        try:
            self._stream = self.path.open("ab", buffering=0)  # append mode, because workers write there too
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
        """Return the handle by which workers write to the report; None if it is not a regular file."""
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
    """A handle on the report for workers, who record in it that they are about to replace a picture.

    inode: the report's, to detect another file under the same path on a worker's machine.
    """

    path: str
    inode: int

    def write(self, record: dict[str, Any]) -> None:
        """Append a line and force it to disk. Raises AccessError on failure; the picture must not be replaced then."""
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
    """Append one line, whole or not at all, even if other processes write to the same file."""
    line = json.dumps(record).encode() + b"\n"
    with _alone(stream):
        written = stream.write(line)
        if written != len(line):
            with contextlib.suppress(OSError):  # a pipe can't be truncated
                stream.truncate(stream.tell() - (written or 0))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextlib.contextmanager
def _alone(stream: FileIO) -> Iterator[None]:
    """Lock the file while the block runs, if the file system has locks."""
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
    """Terminate the last line, or remove it if a full disk or a power failure has truncated it."""
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
    """Whether this is a truncated line of a report."""
    return line.startswith(b"{") and _parsed(line) is None


def _parsed(line: bytes) -> Any:
    """Parse a line of JSON; None if it is invalid or too deeply nested to be from a report."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


@dataclass(frozen=True)
class Line:
    """A parsed line of a report about one file. proof: of a finished file, or of one about to be replaced."""

    names: tuple[str, str]
    status: str
    recipe: str
    proof: Proof | None


class EarlierReport:
    """An index of an earlier report, with sixteen bytes a line: a digest of the file names, and the line's position.

    there: whether the report exists.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self.there = self._path.exists()
        self._end = 0  # position after the lines read so far
        self._late: dict[int, int] = {}  # positions of intents written since
        found = np.fromiter(self._read(), dtype=np.dtype([("name", "u8"), ("place", "i8")]))
        self._found = found[np.argsort(found["name"], kind="stable")]

    def lines(self, source: str, output: str) -> Iterator[Line]:
        """Yield the lines about a file, the latest first, without those of status "skipped"."""
        names = public(source), public(output)
        name = np.uint64(_name(names))
        first, end = (int(np.searchsorted(self._found["name"], name, side=side)) for side in ("left", "right"))
        return self._lines(names, self._found["place"][first:end][::-1])

    def late_intents(self, source: str, output: str) -> Iterator[Line]:
        """Yield the last intent about a file that was written after the report was indexed.

        It may be from a worker of an earlier run that is still running.
        """
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
        """Yield name digest and position of every new line about a file, or of those with this status."""
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as stream:
            stream.seek(self._end)
            for text in stream:
                line = _line(text)
                if line and line.status != "skipped" and status in ("", line.status):
                    yield _name(line.names), self._end
                if text.endswith(b"\n"):  # else it is truncated, and may be removed
                    self._end += len(text)


def _line(text: bytes) -> Line | None:
    """Parse a line, which may hold anything; None if it is not about a file."""
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
    """Whether the files on disk match the proof, so that the job is finished. look: returns the stamp of a file."""
    try:
        if job.seen is None and (proof.input_stamp is None or look(job.source) != proof.input_stamp):
            return False
        now = look(job.output)
        if now is None or (proof.output_stamp and now[0] != proof.output_stamp[0]):
            return False
        return now == proof.output_stamp or files.digest(job.output) == proof.output_digest
    except OSError:
        return False
