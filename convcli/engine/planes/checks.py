"""Check the arguments of conv2d, which are those of torch.nn.functional.conv2d, and compute its geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import GeometryError, RecipeError
from convcli.geometry import Geometry, Pads, whole_number
from convcli.kernel import refuse_mask
from convcli.words import counted


@dataclass(frozen=True)
class Form:
    """The shapes and the geometry of a convolution, without its data.

    x, weight: shapes (N, C, H, W) and (O, C/groups, KH, KW); itemsize: bytes of a number, 4 or 8.
    output: height and width of a feature map.
    """

    x: tuple[int, int, int, int]
    weight: tuple[int, int, int, int]
    itemsize: int
    groups: int
    stride: tuple[int, int]
    dilation: tuple[int, int]
    pads: Pads
    padding_mode: str
    output: tuple[int, int]


@dataclass(frozen=True)
class Planes:
    """A convolution of checked arrays, all of one dtype, float32 or float64; bias: (O,)."""

    x: NDArray[Any]
    weight: NDArray[Any]
    bias: NDArray[Any]
    form: Form


def checked(
    x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int, padding_mode: str
) -> Planes:
    """Return the arguments of conv2d as one convolution of a batch. Raises ConvcliError where they are wrong."""
    planes = _array("x", x, (3, 4), ("(N, C, H, W)", "(C, H, W)"))
    if planes.dtype not in (np.float32, np.float64):
        raise RecipeError(f"x must be float32 or float64, not {planes.dtype}; convert it with astype")
    batch = planes if planes.ndim == 4 else planes[None]
    return _settled(batch, weight, bias, Geometry.from_options(stride, 0, padding_mode, 0, dilation), padding, groups)


def _settled(x: NDArray[Any], weight: Any, bias: Any, geometry: Geometry, padding: Any, groups: int) -> Planes:
    groups = whole_number("groups", groups, least=1)
    w = _array("weight", weight, (4,), ("(O, C/groups, KH, KW)",)).astype(x.dtype, copy=False)
    check_channels(x.shape[1], w.shape, groups)
    if 0 in w.shape or 0 in x.shape[1:]:
        raise RecipeError(f"x {x.shape} and weight {w.shape} must not be empty")
    size, kernel = (x.shape[2], x.shape[3]), (w.shape[2], w.shape[3])
    pads = pads_of(padding, geometry, size, kernel)
    fixed = Geometry(geometry.stride, (*pads[0], *pads[1]), geometry.padding_mode, 0, geometry.dilation)
    form = Form(
        x.shape, w.shape, x.itemsize, groups, fixed.stride, fixed.dilation, pads, fixed.padding_mode,
        fixed.output(size, kernel),
    )  # fmt: skip
    return Planes(x, w, _bias(bias, w), form)


def check_channels(channels: int, shape: tuple[int, ...], groups: int) -> None:
    """Raise RecipeError unless weights of that shape fit that many input channels in that many groups."""
    for what, number in (("input channels", channels), ("filters", shape[0])):
        if number % groups:
            raise RecipeError(f"groups={groups} does not divide the {number} {what}")
    if shape[1] * groups != channels:
        raise RecipeError(
            f"weight {shape} spans {counted(shape[1], 'channel')} in each of {counted(groups, 'group')}, "
            f"{shape[1] * groups} together, "
            f"but the input has {channels}"
        )


def pads_of(padding: Any, geometry: Geometry, size: tuple[int, int], kernel: tuple[int, int]) -> Pads:
    """Return padding as ((top, bottom), (left, right)) in pixels, from any form that conv2d takes.

    "same" puts an odd pixel after, as ONNX's SAME_UPPER does; "same-lower" puts it before, as SAME_LOWER does.
    """
    lower = padding == "same-lower" if isinstance(padding, str) else False
    if isinstance(padding, Sequence) and not isinstance(padding, str) and any(isinstance(p, Sequence) for p in padding):
        if len(padding) != 2 or not all(isinstance(p, Sequence) and len(p) == 2 for p in padding):
            raise GeometryError(f"padding must be a number, a pair or ((top, bottom), (left, right)), not {padding!r}")
        padding = (*padding[0], *padding[1])
    settled = Geometry.from_options(geometry.stride, "same" if lower else padding, dilation=geometry.dilation)
    (top, bottom), (left, right) = settled.pads(size, kernel)
    return ((bottom, top), (right, left)) if lower else ((top, bottom), (left, right))


def real_array(what: str, value: Any) -> NDArray[Any]:
    """Return the value as an array of real numbers, if the conversion loses nothing."""
    refuse_mask(what, value)
    try:
        array = np.asarray(value)
    except ValueError:
        raise RecipeError(f"{what} must be an array, not ragged lists") from None
    if array.dtype.kind not in "fiu":
        raise RecipeError(f"{what} must be an array of real numbers, not of {array.dtype}")
    return array


def _array(what: str, value: Any, ranks: tuple[int, ...], shapes: tuple[str, ...]) -> NDArray[Any]:
    array = real_array(what, value)
    if array.ndim not in ranks:
        raise RecipeError(f"{what} must have the shape {' or '.join(shapes)}, not {array.shape}")
    return array


def _bias(bias: Any, weight: NDArray[Any]) -> NDArray[Any]:
    if bias is None:
        return np.zeros(weight.shape[0], weight.dtype)
    array = _array("bias", bias, (1,), ("(O,)",))
    if array.shape != weight.shape[:1]:
        raise RecipeError(f"bias must hold one number for each of the {weight.shape[0]} filters, not {array.shape[0]}")
    return array.astype(weight.dtype, copy=False)
