"""One self-contained page on which a convolution can be touched: the picture, the map, the kernel and every number."""

from __future__ import annotations

import base64
import html
import json
import re
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import RecipeError
from convcli.explain.pixel import Crop, check_crop, checked_point, liveliest, stage_of
from convcli.files.web_pages import content_policy, shell_word
from convcli.filtering.recipe import Recipe
from convcli.images.eight_bit import as_bytes
from convcli.kernel import Kernel
from convcli.printable import printable

MOST_PIXELS = 1 << 20
_LARGEST_PRESET = 15
_NAME = re.compile(r"[A-Za-z][\w-]*")  # of a kernel, as a SPEC takes it


def check_page(path: str | Path) -> None:
    """Raise where a page can't have that name."""
    suffix = Path(path).suffix
    if suffix.lower() not in (".html", ".htm"):
        raise RecipeError(f"a page is HTML: its name ends in .html, not in {suffix or 'nothing'}")


def page(
    image: NDArray[Any], recipe: Recipe, name: str, crop: Crop | None = None, alpha: bool = False,
    at: tuple[int, int] | None = None,
) -> str:  # fmt: skip
    """The page for an array (H, W) or (H, W, 3) and a recipe of one kernel; more than 8 bits are shown as 8.

    at: the pixel (x, y) of the map that it begins with; a lively one without. alpha: whether the picture has one
    besides, which the page leaves alone, and its command too.

    Raises RecipeError for a chain, for CMYK and for a picture too large, GeometryError for a crop or a point outside.
    """
    if len(recipe.kernels) > 1:
        raise RecipeError(
            "the page shows one kernel; give a single -k, or `convcli apply` the first ones to a file and explain the "
            "last on that"
        )
    if image.ndim == 3 and image.shape[2] == 4:
        raise RecipeError(
            "the page shows gray and RGB pictures, not CMYK; leave out --html to see a pixel's arithmetic in the "
            "terminal"
        )
    part = as_bytes(_cropped(image, crop))
    stage = stage_of(part, recipe)
    x, y = checked_point(at, stage.raw.shape) if at else liveliest(stage)
    kernel = recipe.kernels[0]
    deep = kernel.depth > 1
    presets = _presets(1 if part.ndim == 2 else 3)
    data = {
        "picture": _data_url(part),
        "channels": 1 if part.ndim == 2 else 3,
        "input": shell_word(f"./{name}" if name.startswith("-") else name),
        "name": printable(Path(name).name),
        "at": {"x": x, "y": y},
        "alpha": alpha,
        "notes": _notes(image, crop),
        "preset": kernel.shown if kernel in presets else None,
        "presets": [_words(k) for k in presets],
        "recipe": {
            **_words(kernel),
            "range": stage.range,
            "channels": "sum" if deep else recipe.channels or "each",
            "stride": recipe.geometry.stride,
            "dilation": recipe.geometry.dilation,
            "padding": recipe.geometry.padding,
            "mode": recipe.geometry.padding_mode,
            "value": recipe.geometry.padding_value,
        },
    }
    return _filled(f"convcli: {kernel.shown if kernel.name else 'a kernel'} on {printable(Path(name).name)}", data)


def _cropped(image: NDArray[Any], crop: Crop | None) -> NDArray[Any]:
    x, y, wide, high = crop or (0, 0, image.shape[1], image.shape[0])
    check_crop((x, y, wide, high), image.shape)
    if wide * high > MOST_PIXELS:
        times = int(np.ceil(np.sqrt(wide * high / MOST_PIXELS)))
        raise RecipeError(
            f"{wide}x{high} is more than the {MOST_PIXELS:,} pixels that a page can hold; --crop X,Y,W,H takes a part, "
            f"or reduce the picture first: convcli apply -k box:size={times} --stride {times} --padding valid"
        )
    return image[y : y + high, x : x + wide]


def _notes(image: NDArray[Any], crop: Crop | None) -> str:
    """What the page shows otherwise than the file holds it, in sentences."""
    height, width = image.shape[:2]
    found = []
    if crop:
        x, y, wide, high = crop
        found.append(
            f"This is the part of {wide}x{high} at {x},{y} of a picture of {width}x{height}; beyond it is padding."
        )
    if image.dtype != np.uint8:
        bits = {"uint16": "16 bits", "float32": "floating-point numbers"}[image.dtype.name]
        found.append(f"The file holds {bits}; the page shows and filters them as 8 bits.")
    return " ".join(found)


def _presets(channels: int) -> list[Kernel]:
    """The kernels of the menu: none too large to be edited, none of a depth that the picture hasn't."""
    from convcli.kernels.catalogue import catalogue

    return [k for k in catalogue() if max(k.size) <= _LARGEST_PRESET and k.depth in (1, channels)]


def _words(kernel: Kernel) -> dict[str, Any]:
    planes = kernel.weights.reshape(-1, *kernel.size)
    return {
        "name": kernel.shown,
        "spec": shell_word(kernel.name) if _NAME.fullmatch(kernel.name) else None,
        "weights": [[[_whole(w) for w in row] for row in plane] for plane in planes.tolist()],
        "divisor": _whole(kernel.divisor),
        "bias": _whole(kernel.bias),
        "range": kernel.range or "clip",
    }


def _whole(value: float) -> float:
    return int(value) if value.is_integer() else value


def _data_url(image: NDArray[np.uint8]) -> str:
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _filled(title: str, data: dict[str, Any]) -> str:
    parts = {
        "title": html.escape(title),
        "css": web_file("page.css"),
        "arithmetic": web_file("arithmetic.js"),
        "script": "\n".join(map(web_file, ("view.js", "told.js", "exports.js", "page.js"))),
        "data": json.dumps(data, ensure_ascii=False).replace("<", "\\u003c"),
    }
    scripts, style = [f"\n{parts[name]}\n" for name in ("arithmetic", "script")], f"\n{parts['css']}\n"
    parts["policy"] = content_policy(scripts, [style], "img-src data:", "worker-src blob:")
    head, *rest = web_file("page.html").split("{{")
    return head + "".join(parts[name] + after for name, after in (piece.split("}}", 1) for piece in rest))


def web_file(name: str) -> str:
    """A part of a page that ships with the package."""
    return (files("convcli.explain") / "web" / name).read_text(encoding="utf-8")
