"""Reading Zarr (versions 2 and 3) and OME-Zarr by rows.

An array has the axes y and x, in this order, at most one axis c of channels, and any others before y; each y-x plane
along those is filtered separately. Axes are named as in OME-Zarr, dimension_names or xarray; an array without names is
(y, x), (y, x, c) with at most 4 channels, or (c, y, x) with at most 4.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import AccessError, ConvcliError, ImageError, first_line
from convcli.images import Frame
from convcli.large import libraries
from convcli.large.ome import facts_of_zarr, is_rgb
from convcli.large.pages import Facts, Stack

Array = NDArray[Any]
_KINDS = (np.uint8, np.uint16, np.float16, np.float32, np.float64)
_SYNONYMS = {
    "height": "y", "row": "y", "rows": "y", "width": "x", "column": "x", "columns": "x", "col": "x", "time": "t",
    "channel": "c", "channels": "c", "band": "c", "bands": "c", "s": "c", "depth": "z",
}  # fmt: skip
_FEW, _BELT, _LARGEST = 4, 256, 1 << 26  # channels; rows read at a time; bytes of them, where chunks are that high


class ZarrPage:
    """A picture of an array as a source of rows. All its samples are colours; there is no alpha.

    place: the picture's index along each axis before y, by the number of the axis.
    """

    alpha = False

    def __init__(self, array: Any, axes: list[str], place: dict[int, int], name: str, deep: bool) -> None:
        self._array, self._place, self.name = array, place, name
        self._y, self._x = axes.index("y"), axes.index("x")
        self._c = axes.index("c") if deep else None
        height, width = int(array.shape[self._y]), int(array.shape[self._x])
        self.shape: tuple[int, ...] = (height, width, int(array.shape[axes.index("c")])) if deep else (height, width)
        self.dtype = np.dtype(np.float32) if array.dtype.kind == "f" else np.dtype(array.dtype).newbyteorder("=")
        chunk = int(array.chunks[self._y])
        self._height = chunk * -(-_BELT // chunk)
        if self._height * int(np.prod(self.shape[1:])) * self.dtype.itemsize > _LARGEST:
            self._height = min(chunk, _BELT)
        self._kept: dict[int, Array] = {}

    def rows(self, wanted: NDArray[np.intp]) -> Frame:
        """Return the rows of the given numbers, which are ascending."""
        out = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        belts = np.unique(wanted // self._height)
        self._kept = {belt: rows for belt, rows in self._kept.items() if belt in belts}
        for belt in belts:
            here = np.flatnonzero(wanted // self._height == belt)
            out[here] = self._belt(int(belt))[wanted[here] - belt * self._height]
            if belt not in belts[-2:]:
                self._kept.pop(int(belt), None)
        return Frame(out)

    def _belt(self, belt: int) -> Array:
        if belt not in self._kept:
            index: list[Any] = [slice(None)] * self._array.ndim
            for axis, place in self._place.items():
                index[axis] = place
            index[self._y] = slice(belt * self._height, min((belt + 1) * self._height, self.shape[0]))
            try:
                rows = np.asarray(self._array[tuple(index)])
            except OSError as error:
                raise AccessError(f"{self.name} can't be read: {error.strerror or error}") from None
            except Exception as error:  # codecs raise almost any exception on damaged data
                raise ImageError(f"{self.name} is damaged or incomplete: {first_line(error)}") from None
            if self._c is not None and self._c < self._y:
                rows = np.moveaxis(rows, 0, 2)
            self._kept[belt] = np.ascontiguousarray(rows, self.dtype)
        return self._kept[belt]


@contextlib.contextmanager
def open_zarr(source: str, name: str, frame: int | None, together: str, threads: int) -> Iterator[list[Stack]]:
    """Open the stack of a Zarr array, of the full size of an OME-Zarr, or of the only array of a group.

    frame: the only one of its pictures to read.
    together: when channels form one picture instead of one each: "all", always; "last", if c is the last axis; "rgb",
        if there are 3 and c is the last axis or they are shown in red, green and blue.
    """
    zarr = libraries.zarr()
    zarr.config.set({"threading.max_workers": threads})
    array, facts, axes = _found(zarr, source, name)
    if array.dtype.newbyteorder("=") not in _KINDS:
        raise ImageError(f"{name} holds {array.dtype.name} samples; uint8, uint16 and floats are filtered")
    if 0 in array.shape:
        raise ImageError(f"{name} is empty: its shape is {array.shape}")
    at = {axis: axes.index(axis) for axis in axes}
    rgb = "c" in at and array.shape[at["c"]] == 3 and (axes[-1] == "c" or is_rgb(facts))
    deep = "c" in at and (together == "all" or (together == "last" and axes[-1] == "c") or rgb)
    apart = [axis for axis in axes if axis not in ("y", "x") and not (deep and axis == "c")]
    lead = tuple((axis, int(array.shape[at[axis]])) for axis in apart)
    places = [
        dict(zip((at[axis] for axis in apart), place, strict=True)) for place in product(*(range(n) for _, n in lead))
    ]
    if frame is not None:
        if not -len(places) <= frame < len(places):
            raise ImageError(f"{name} has no frame {frame}: it has {len(places)}, counted from 0")
        places, lead = [places[frame]], ()
    pages = [ZarrPage(array, axes, place, name, deep) for place in places]
    told = f"{array.dtype.name} {' '.join(axes)}"
    yield [Stack(name, list(pages), lead, facts, "OME-Zarr" if facts.ome else "Zarr", told, array.metadata.zarr_format)]


def _found(zarr: Any, source: str, name: str) -> tuple[Any, Facts, list[str]]:
    """Return the array, its facts, and its axes."""
    if not Path(source).exists():
        raise AccessError(f"{name} does not exist")
    try:
        node, facts = zarr.open(source, mode="r"), Facts()
        if isinstance(node, zarr.Group):
            told = facts_of_zarr(dict(node.attrs))
            arrays = dict(node.arrays())
            if told and told[2] in node:
                facts, axes, path = told
                return _checked(node[path], axes, facts, name)
            if len(arrays) != 1:
                inside = ", ".join(sorted([*arrays, *node.group_keys()])) or "nothing"
                raise ImageError(f"{name} is a group with {inside} in it; name one array, as in {name}/NAME")
            node = next(iter(arrays.values()))
    except ConvcliError:
        raise
    except PermissionError as error:
        raise AccessError(f"{name} can't be read: {error.strerror or error}") from None
    except Exception as error:
        raise ImageError(f"{name} is no Zarr array or group that can be read: {first_line(error)}") from None
    return _checked(node, _named(node), facts, name)


def _checked(array: Any, axes: list[str], facts: Facts, name: str) -> tuple[Any, Facts, list[str]]:
    axes = [_SYNONYMS.get(axis.lower(), axis.lower()) for axis in axes]
    if len(axes) != array.ndim or len(set(axes)) < len(axes):
        raise ImageError(
            f"{name} has the shape {array.shape} and no names of axes that say which are y, x and c; "
            "set dimension_names (version 3) or the attribute _ARRAY_DIMENSIONS (version 2)"
        )
    if "y" not in axes or "x" not in axes or axes.index("x") < axes.index("y"):
        raise ImageError(f"{name} has the axes {', '.join(axes)}; y and x are needed, in this order")
    between = axes[axes.index("y") + 1 : axes.index("x")]
    after = axes[axes.index("x") + 1 :]
    if between or after not in ([], ["c"]):
        raise ImageError(f"{name} has the axes {', '.join(axes)}; after y comes x, and after x only c")
    return array, facts, axes


def _named(array: Any) -> list[str]:
    """Return the array's axes by its names for them or, if it has none, by its shape; empty if that is ambiguous."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    if names and all(names):
        return list(names)
    if array.ndim == 2:
        return ["y", "x"]
    if array.ndim == 3 and array.shape[-1] <= _FEW:
        return ["y", "x", "c"]
    return ["c", "y", "x"] if array.ndim == 3 and array.shape[0] <= _FEW else []
