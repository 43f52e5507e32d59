"""Where maps, filters and sheets go: a picture, a folder of pictures, or the numbers."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from convcli.errors import ConvcliError
from convcli.files import check_output, open_output
from convcli.files.names import printable_path
from convcli.files.pipes import write_standard_output
from convcli.files.whole_folder import holds_nothing, whole_folder
from convcli.images import Frame, Metadata, Origin, Target

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Output:
    """Where the maps go, and as what: "npy", "npz", "folder" or "sheet"; "-" is standard output."""

    path: str
    kind: str
    format: str | None = None
    force: bool = False

    @classmethod
    def for_path(cls, path: str, format_: str | None, force: bool) -> Output:
        """What the path's suffix, or the word of --format, asks for. Raises where it can't be written."""
        suffix = "." + format_.lower().lstrip(".") if format_ else Path(path).suffix.lower()
        if path != "-" and not format_ and (Path(path).is_dir() or not suffix):
            _check_folder(Path(path), force)
            return cls(path, "folder", None, force)
        if suffix in (".npy", ".npz"):
            kind = suffix[1:]
        else:
            Target.for_path(path, format_)
            kind = "sheet"
        if path != "-":
            check_output(path, force)
        return cls(path, kind, format_, force)

    def write_array(self, array: NDArray[Any], labels: Sequence[str], key: str = "maps") -> None:
        """The numbers: the array itself as npy; as npz under `key`, with the labels under `labels`."""
        with _stream(self.path, self.force) as stream:
            if self.kind == "npy":
                np.lib.format.write_array(stream, array, allow_pickle=False)
            else:
                both: dict[str, Any] = {key: array, "labels": np.array(labels)}
                np.savez(stream, **both)

    def write_picture(self, image: Image.Image) -> None:
        """A sheet, in the format asked for."""
        with _stream(self.path, self.force) as stream:
            _encode(stream, np.asarray(image), Target.for_path(self.path, self.format))

    def write_folder(self, pictures: Iterable[tuple[str, NDArray[np.uint8]]]) -> None:
        """Pictures with their names, all of them or none."""
        with whole_folder(self.path, self.force) as folder:
            for name, pixels in pictures:
                with (folder / name).open("w+b") as stream:
                    _encode(stream, pixels, Target.for_path(name))


def _check_folder(path: Path, force: bool) -> None:
    if path.exists() and not path.is_dir():
        raise ConvcliError(f"{printable_path(path)} is a file; name a folder for the maps, or an output with a suffix")
    if not path.parent.is_dir():
        raise ConvcliError(f"output folder {printable_path(path.parent)} does not exist; create it first")
    if path.is_dir() and not holds_nothing(path) and not force:
        raise ConvcliError(f"folder {printable_path(path)} is not empty; --force writes into it")
    if not os.access(path if path.is_dir() else path.parent, os.W_OK | os.X_OK):
        raise ConvcliError(f"output folder {printable_path(path)} is read-only; choose another one")


def _encode(stream: BinaryIO, pixels: NDArray[np.uint8], target: Target) -> None:
    target.write(stream, [Frame(np.ascontiguousarray(pixels))], Origin(target.format, "RGB"), Metadata())


@contextlib.contextmanager
def _stream(path: str, force: bool) -> Iterator[BinaryIO]:
    if path != "-":
        with open_output(path, force) as stream:
            yield stream
        return
    buffer = BytesIO()
    yield buffer
    write_standard_output(buffer.getbuffer())
