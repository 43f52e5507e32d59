"""Feature maps and filters out: a contact sheet, a folder of pictures, or the numbers."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from convcli import files
from convcli.errors import ConvcliError, RecipeError
from convcli.layers.conv import Conv2d

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
    def of(cls, path: str, format_: str | None, force: bool) -> Output:
        """What the path's suffix, or the word of --format, asks for. Raises where it can't be written."""
        suffix = "." + format_.lower().lstrip(".") if format_ else Path(path).suffix.lower()
        if path != "-" and not format_ and (Path(path).is_dir() or not suffix):
            _check_folder(Path(path), force)
            return cls(path, "folder", None, force)
        if suffix in (".npy", ".npz"):
            kind = suffix[1:]
        else:
            from convcli.images import Target

            Target.of(path, format_)
            kind = "sheet"
        if path != "-":
            files.check_output(path, force)
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
        _write(self.path, np.asarray(image), self.format, self.force)


@dataclass(frozen=True)
class Look:
    """How maps are shown. shared: one scale for all of them. columns: of the sheet, None chooses."""

    colormap: str = "auto"
    shared: bool = True
    columns: int | None = None


def write_maps(output: Output, maps: NDArray[Any], labels: Sequence[str], look: Look, title: str = "") -> None:
    """The maps (C, H, W): the numbers, a picture each in a folder, or a contact sheet."""
    if output.kind in ("npy", "npz"):
        output.write_array(maps, labels)
    elif output.kind == "folder":
        _write_each(Path(output.path), maps, labels, look)
    else:
        output.write_picture(_sheet(list(maps), labels, look, title))


def _sheet(tiles: Sequence[NDArray[Any]], labels: Sequence[str], look: Look, title: str) -> Image.Image:
    from convcli.sheet import contact_sheet

    return contact_sheet(tiles, labels, look.columns, colormap=look.colormap, shared=look.shared, title=title)


def _write_each(folder: Path, maps: NDArray[Any], labels: Sequence[str], look: Look) -> None:
    """One PNG for each map at its full size, named by number and label."""
    from convcli.sheet import colormap_for, picture_of, scale_of

    planes = list(maps)
    name = colormap_for(planes) if look.colormap == "auto" else look.colormap
    common, digits = scale_of(planes, name), len(str(len(planes) - 1))
    folder.mkdir(exist_ok=True)
    for index, (plane, label) in enumerate(zip(planes, labels, strict=True)):
        scale = common if look.shared else scale_of([plane], name)
        ending = "" if label == str(index) else f"-{_plain(label)}"
        path = folder / f"{index:0{digits}}{ending}.png"
        _write(str(path), picture_of(plane, name, scale), None, True)


def write_filters(output: Output, layer: Conv2d, labels: Sequence[str], look: Look, title: str = "") -> None:
    """The weights themselves: an RGB tile for a filter of depth 3, else a tile for every grid; or the numbers."""
    weight = layer.weight
    if output.kind in ("npy", "npz"):
        output.write_array(weight, labels, "weight")
        return
    if output.kind == "folder":
        raise RecipeError(f"filters go onto one sheet; name a picture, as in {output.path.rstrip('/')}.png")
    if weight.shape[1] == 3 and look.colormap == "auto":
        tiles, names = _rgb_tiles(weight, look.shared), list(labels)
    else:
        depth = weight.shape[1]
        tiles = [grid for one in weight for grid in one]
        names = [f"{label}:{c}" if depth > 1 else label for label in labels for c in range(depth)]
    output.write_picture(_sheet(tiles, names, look, title))


def _rgb_tiles(weight: NDArray[Any], shared: bool) -> list[NDArray[np.uint8]]:
    """Filters of depth 3 as colours: the least weight 0, the greatest 255, of the bank or of each filter."""
    low, high = weight.min(axis=(1, 2, 3)), weight.max(axis=(1, 2, 3))
    if shared:
        low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
    span = np.where(high > low, high - low, 1)[:, None, None, None]
    scaled = (weight - low[:, None, None, None]) * (255 / span)
    return list(np.moveaxis(np.rint(scaled).clip(0, 255).astype(np.uint8), 1, 3))


def _check_folder(path: Path, force: bool) -> None:
    if path.exists() and not path.is_dir():
        raise ConvcliError(f"{files.shown(path)} is a file; name a folder for the maps, or an output with a suffix")
    if not path.parent.is_dir():
        raise ConvcliError(f"output folder {files.shown(path.parent)} does not exist; create it first")
    if path.is_dir() and any(path.iterdir()) and not force:
        raise ConvcliError(f"folder {files.shown(path)} is not empty; --force writes into it")
    if not os.access(path if path.is_dir() else path.parent, os.W_OK | os.X_OK):
        raise ConvcliError(f"output folder {files.shown(path)} is read-only; choose another one")


def _write(path: str, pixels: NDArray[np.uint8], format_: str | None, force: bool) -> None:
    from convcli.images import Frame, Metadata, Origin, Target

    target = Target.of(path, format_)
    with _stream(path, force) as stream:
        target.write(stream, [Frame(np.ascontiguousarray(pixels))], Origin(target.format, "RGB"), Metadata())


@contextlib.contextmanager
def _stream(path: str, force: bool) -> Iterator[BinaryIO]:
    if path != "-":
        with files.whole(path, force) as stream:
            yield stream
        return
    stdout, buffer = files.standard_output(), BytesIO()
    yield buffer
    stdout.write(buffer.getbuffer())
    stdout.flush()


def _plain(label: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in label).strip("-.")[:60]
