"""The report of a batch: a line of JSON for each file, written as it finishes; and what an earlier one proves.

A line says what was read, what was made of it and how, so that a later run can tell by the disk and the line together
whether the file is finished: the same recipe, an input that is still the same, an output that is what was written.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Callable, Iterator
from hashlib import blake2b, sha256
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from convcli.errors import AccessError, ConvcliError
from convcli.files import digest, stamp
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


class Report:
    """A report file that is being written. Every line is on its way to the disk before the next file's is made.

    Raises AccessError where it can't be opened or written.
    """

    def __init__(self, path: str | Path, append: bool = False) -> None:
        self.path = Path(path)
        try:
            self._stream = self.path.open("ab" if append else "wb", buffering=0)
            if append and self.path.is_file():
                _mend(self.path)
        except OSError as error:
            raise self._trouble(error) from None

    def add(self, record: dict[str, Any]) -> None:
        """Write one line, whole or not at all."""
        line = json.dumps(record).encode() + b"\n"
        try:
            written = self._stream.write(line)
            if written != len(line):
                with contextlib.suppress(OSError):  # a pipe has no end that could be cut off
                    self._stream.truncate(self._stream.tell() - (written or 0))
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise self._trouble(error) from None

    def _trouble(self, error: OSError) -> ConvcliError:
        return AccessError(f"report {printable_path(self.path)} can't be written: {error.strerror or error}")

    def __enter__(self) -> Report:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()


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
    try:
        json.loads(line)
    except ValueError:
        return line.startswith(b"{")
    return False


class EarlierReport:
    """What an earlier report says, sixteen bytes of memory a file: the digest of its name and where its line stands.

    there: whether there is one.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self.there = self._path.exists()
        found = np.fromiter(_places(self._path), dtype=np.dtype([("name", "u8"), ("place", "i8")]))
        self._found = found[np.argsort(found["name"], kind="stable")]

    def record(self, source: str, output: str) -> dict[str, Any] | None:
        """The latest line about this file that says it is done."""
        source, output = public(source), public(output)
        name = np.uint64(_name(source, output))
        at = int(np.searchsorted(self._found["name"], name, side="right")) - 1
        if at < 0 or self._found["name"][at] != name:
            return None
        with self._path.open("rb") as stream:
            stream.seek(int(self._found["place"][at]))
            line: dict[str, Any] = json.loads(stream.readline())
        return line if (line["input"], line["output"]) == (source, output) and line["status"] == "done" else None


def _places(path: Path) -> Iterator[tuple[int, int]]:
    """Name and place of every line about a file; what was cut off or is no such line is passed over."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as stream:
        place = 0
        for line in stream:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                record = json.loads(line)
                if record["status"] != "skipped":
                    yield _name(record["input"], record["output"]), place
            place += len(line)


def _name(source: str, output: str) -> int:
    names = f"{source}\0{output}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(names, digest_size=8).digest())


def shows_finished(
    record: dict[str, Any], source: str, output: str, recipe: str, in_place: bool = False,
    look: Callable[[str], Stamp | None] = stamp,
) -> bool:  # fmt: skip
    """Whether the line and the disk together show that the file is finished, under the recipe of that digest.

    look: tells the stamp of a file.
    """
    try:
        if record["recipe_digest"] != recipe:
            return False
        if not in_place and list(look(source) or ()) != record["input_stamp"]:
            return False
        now = look(output)
        if now is None or now[0] != record["output_stamp"][0]:
            return False
        return bool(list(now) == record["output_stamp"] or digest(output) == record["output_digest"])
    except (KeyError, TypeError, OSError):
        return False
