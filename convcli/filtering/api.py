"""`convcli.filter_image`: filter an array with one kernel, with every argument checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.choices import is_one
from convcli.engine.out import checked_out, filled
from convcli.errors import RecipeError
from convcli.filtering.recipe import Recipe, override
from convcli.filtering.run import run_recipe
from convcli.geometry import Geometry, whole_number
from convcli.kernel import Kernel, refuse_mask
from convcli.kernels.load import load_kernel


def filter_image(
    a: NDArray[Any],
    kernel: Kernel | str | NDArray[Any] | Sequence[Any],
    stride: int | tuple[int, int] = 1,
    padding: Any = "same",
    padding_mode: str = "zeros",
    padding_value: float = 0,
    dilation: int | tuple[int, int] = 1,
    flip: bool = False,
    channels: str | None = "each",
    range: str | None = "clip",
    *,
    threads: int | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Filter a picture: slide the kernel over it and return the feature map.

    a: uint8, uint16 or float32, shape (H, W) or (H, W, C); not modified. White is 255, 65535 or 1.0.
    kernel: a Kernel, a SPEC ("sobel-x", "gaussian:sigma=2", "my.yaml", "0 -1 0; -1 5 -1; 0 -1 0"), or weights as an
        array (KH, KW) or (3, KH, KW).
    stride, dilation: a number, or (vertical, horizontal).
    padding: "same", "valid", "full", a number, (PY, PX), (top, bottom, left, right) or ((top, bottom), (left, right)).
    padding_mode: zeros, constant (with padding_value, on the 0..255 scale), replicate, reflect, symmetric, circular.
    flip: rotate the kernel by 180 degrees first: convolution in the mathematical sense.
    channels: "each" filters every channel by itself; "sum" spans them (depth) and gives one map; "gray" takes the luma
        first. A kernel of depth 3 always spans the channels.
    range: how responses become pixels: "clip", "abs", "normalize", "offset"; "raw" gives the float32 responses;
        None is the kernel's own range.
    threads: how many threads the engine may use; the result does not depend on it.
    out: an array of the result's shape and dtype that is filled and returned; it may overlap a.

    Returns an array of a's dtype (float32 for "raw"), (H', W') or (H', W', C).
    Raises ConvcliError for wrong arguments.

    The memory of results that are gone, 256 MB at most, stays with the process for the next results;
    `convcli.engine.recycling.release()` gives it back.

    >>> import numpy as np
    >>> filter_image(np.eye(3, dtype=np.uint8) * 90, "1 1 1; 1 1 1; 1 1 1 / 9", padding="valid")
    array([[30]], dtype=uint8)
    """
    checked = picture(a)
    if not isinstance(flip, bool | np.bool_):
        raise RecipeError(f"flip must be True or False, not {flip!r}")
    if threads is not None:
        threads = whole_number("threads", threads, least=1)
    chosen = override(_as_kernel(kernel), flip=bool(flip))
    geometry = Geometry.from_options(stride, padding, padding_mode, padding_value, dilation)
    if chosen.depth > 1 and is_one(channels, ("each",)):
        channels = "sum"
    into = checked_out(out)
    return filled(
        into, run_recipe(checked, Recipe((chosen,), geometry, channels, range), threads=threads, out=into).pixels
    )


def picture(a: Any) -> NDArray[Any]:
    """Return the argument. Raises RecipeError unless it is an array that the engine accepts."""
    if not isinstance(a, np.ndarray):
        raise RecipeError(f"a picture must be a NumPy array, not {type(a).__name__}")
    refuse_mask("a picture", a)
    if a.dtype not in (np.uint8, np.uint16, np.float32):
        raise RecipeError(f"a picture must be uint8, uint16 or float32, not {a.dtype}; convert it with astype")
    if a.ndim not in (2, 3) or 0 in a.shape:
        raise RecipeError(f"a picture must have the shape (H, W) or (H, W, C), nothing empty, not {a.shape}")
    return a


def _as_kernel(kernel: Any) -> Kernel:
    if isinstance(kernel, Kernel):
        return kernel
    return load_kernel(kernel) if isinstance(kernel, str) else Kernel(kernel)
