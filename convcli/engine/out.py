"""The argument `out=`: an array of the caller's that receives the result, as in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import RecipeError


def serves(out: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any], *sources: NDArray[Any]) -> bool:
    """Return whether a result can be computed directly in `out`: it is like a new array and overlaps no source."""
    like = out.shape == shape and out.dtype == dtype and out.flags.c_contiguous and out.flags.aligned
    return like and not any(np.may_share_memory(out, source) for source in sources)


def checked_out(out: Any) -> NDArray[Any] | None:
    """Return `out` if it is None or an array that can be filled. Raises RecipeError where it can't be."""
    if out is None:
        return None
    if not isinstance(out, np.ndarray):
        raise RecipeError(f"out must be a NumPy array, not {type(out).__name__}")
    if not out.flags.writeable:
        raise RecipeError("out is read-only; give an array that may be written to")
    return out


def filled(out: NDArray[Any] | None, result: NDArray[Any]) -> NDArray[Any]:
    """Return the result, copied into `out` where that is given. Raises RecipeError where shape or dtype differ."""
    if out is None or result is out:
        return result
    if out.shape != result.shape or out.dtype != result.dtype:
        raise RecipeError(
            f"out must have the shape {result.shape} and dtype {result.dtype}, not {out.shape} and {out.dtype}"
        )
    out[...] = result
    return out
