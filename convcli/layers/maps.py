"""Feature maps and filters out: a contact sheet, a folder of pictures, or the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import RecipeError
from convcli.layers.conv import Conv2d
from convcli.sheets.output import Output

if TYPE_CHECKING:
    from PIL import Image


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
        output.write_folder(_pictures(maps, labels, look))
    else:
        output.write_picture(_sheet(list(maps), labels, look, title))


def _sheet(tiles: Sequence[NDArray[Any]], labels: Sequence[str], look: Look, title: str) -> Image.Image:
    from convcli.sheets.contact_sheet import contact_sheet

    return contact_sheet(tiles, labels, look.columns, colormap=look.colormap, shared=look.shared, title=title)


def _pictures(maps: NDArray[Any], labels: Sequence[str], look: Look) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """A PNG for each map at its full size, named by number and label."""
    from convcli.sheets.contact_sheet import colormap_for, picture_of, scale_of

    planes = list(maps)
    name = colormap_for(planes) if look.colormap == "auto" else look.colormap
    common, digits = scale_of(planes, name), len(str(len(planes) - 1))
    for index, (plane, label) in enumerate(zip(planes, labels, strict=True)):
        scale = common if look.shared else scale_of([plane], name)
        ending = "" if label == str(index) else f"-{_plain(label)}"
        yield f"{index:0{digits}}{ending}.png", picture_of(plane, name, scale)


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


def _plain(label: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in label).strip("-.")[:60]
