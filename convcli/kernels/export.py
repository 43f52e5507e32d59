"""Export a kernel to other tools: Python code or a shell command that gives the same responses.

The Python code takes `picture`, an array (H, W) of numbers on the 0..255 scale, and stores the responses in `response`.
These have the picture's size (zero padding), with no range applied. The commands filter INPUT into OUTPUT.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from convcli.errors import RecipeError
from convcli.kernel import Kernel
from convcli.kernels.readers.yaml_tree import plain

Array = NDArray[np.float64]


def emit(kernel: Kernel, tool: str) -> str:
    """Return the code or command for torch, numpy, opencv, scipy, imagemagick or vips.

    A side with an even number of weights gets a leading row or column of zeros, because tools disagree on the anchor
    of even kernels; of odd ones they all use the centre.
    Raises RecipeError for an unknown tool, or for a kernel of depth 3 if the tool does not support it.
    """
    if tool not in TOOLS:
        raise RecipeError(f"--emit knows {', '.join(TOOLS)}, not {tool!r}")
    if kernel.depth > 1 and tool != "torch":
        raise RecipeError(f"{kernel.label} has depth {kernel.depth}, which only --emit torch can say")
    return TOOLS[tool](kernel)


def odd(weights: Array) -> Array:
    """Prepend a row or column of zeros where the number of rows or columns is even."""
    rows, columns = weights.shape[-2:]
    return np.pad(weights, [(0, 0)] * (weights.ndim - 2) + [(1 - rows % 2, 0), (1 - columns % 2, 0)])


def _torch(kernel: Kernel) -> str:
    weights = odd(kernel.weights)
    planes = "picture[None, None]" if weights.ndim == 2 else "picture[None]  # (1, 3, H, W)"
    nested = "[None, None]" if weights.ndim == 2 else "[None]"
    return f"""\
import torch

picture = torch.as_tensor(picture, dtype=torch.float64)
weight = torch.tensor({_nested(weights)}, dtype=torch.float64){nested}{_over(kernel)}
planes = {planes}
response = torch.nn.functional.conv2d(planes, weight, padding="same")[0, 0]{_plus(kernel)}
"""


def _numpy(kernel: Kernel) -> str:
    weights = odd(kernel.weights)
    rows, columns = (n // 2 for n in weights.shape)
    return f"""\
import numpy as np

weight = np.array({_nested(weights)}, float){_over(kernel)}
padded = np.pad(np.asarray(picture, float), (({rows}, {rows}), ({columns}, {columns})))
windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape)
response = np.einsum("yxij,ij->yx", windows, weight){_plus(kernel)}
"""


def _opencv(kernel: Kernel) -> str:
    return f"""\
import cv2
import numpy as np

weight = np.array({_nested(odd(kernel.weights))}, float){_over(kernel)}
picture = np.asarray(picture, float)
response = cv2.filter2D(picture, cv2.CV_64F, weight, delta={plain(kernel.bias)}, borderType=cv2.BORDER_CONSTANT)
"""


def _scipy(kernel: Kernel) -> str:
    return f"""\
import numpy as np
from scipy import ndimage

weight = np.array({_nested(odd(kernel.weights))}, float){_over(kernel)}
response = ndimage.correlate(np.asarray(picture, float), weight, mode="constant"){_plus(kernel)}
"""


def _imagemagick(kernel: Kernel) -> str:
    weights = odd(kernel.weights) / kernel.divisor
    rows, columns = weights.shape
    values = " ".join(",".join(plain(w) for w in row) for row in weights.tolist())
    bias = f" -bias {plain(100 * kernel.bias / 255)}%" if kernel.bias else ""
    return (
        f"convert INPUT -virtual-pixel Black -define convolve:scale=1{bias} "
        f"-morphology Correlate '{columns}x{rows}: {values}' OUTPUT\n"
    )


def _vips(kernel: Kernel) -> str:
    weights = odd(kernel.weights)
    rows, columns = weights.shape
    header = f"{columns} {rows} {plain(kernel.divisor)} {plain(kernel.bias)}"
    matrix = "\\n".join([header, *(" ".join(plain(w) for w in row) for row in weights.tolist())])
    # libvips replicates the edge, so a black border is added before filtering and cropped afterwards.
    top, left = rows // 2, columns // 2
    return f"""\
printf '{matrix}\\n' > kernel.mat
width=$(vipsheader -f width INPUT) height=$(vipsheader -f height INPUT)
vips embed INPUT padded.v {left} {top} $((width + {2 * left})) $((height + {2 * top})) --extend black
vips conv padded.v filtered.v kernel.mat --precision float
vips crop filtered.v OUTPUT {left} {top} $width $height
rm kernel.mat padded.v filtered.v
"""


TOOLS: dict[str, Callable[[Kernel], str]] = {
    "torch": _torch, "numpy": _numpy, "opencv": _opencv, "scipy": _scipy, "imagemagick": _imagemagick, "vips": _vips,
}  # fmt: skip


def _nested(weights: Array) -> str:
    """Format the weights as a nested Python list, one row per line if there are several."""
    if weights.ndim == 3:
        return "[" + ",\n    ".join(_nested(grid) for grid in weights) + "]"
    rows = ["[" + ", ".join(plain(w) for w in row) + "]" for row in weights.tolist()]
    return "[" + ", ".join(rows) + "]" if len(rows) < 2 else "[\n    " + ",\n    ".join(rows) + ",\n]"


def _over(kernel: Kernel) -> str:
    return "" if kernel.divisor == 1 else f" / {plain(kernel.divisor)}"


def _plus(kernel: Kernel) -> str:
    exact = Fraction(kernel.bias)
    return "" if exact == 0 else f" {'+' if exact > 0 else '-'} {plain(abs(kernel.bias))}"
