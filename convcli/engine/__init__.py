"""The convolution engine: check, plan, run.

It computes what deep learning calls convolution: the kernel is not flipped (cross-correlation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.geometry import Geometry
from convcli.kernel import Kernel
from convcli.tone import Tone, full_scale

_NUMPY_MODES: dict[str, Any] = {"replicate": "edge", "reflect": "reflect", "symmetric": "symmetric", "circular": "wrap"}


@dataclass(frozen=True)
class Convolved:
    """A feature map (H, W) or (H, W, C), and how many of its samples saturated; counts are 0 unless asked for."""

    pixels: NDArray[Any]
    below: int = 0
    above: int = 0


def convolve(
    image: NDArray[Any],
    kernel: Kernel,
    geometry: Geometry,
    *,
    depth: bool = False,
    tone: Tone | None = None,
    count: bool = False,
    threads: int | None = None,
) -> Convolved:
    """Slide the kernel over the picture.

    image: uint8, uint16 or float32, (H, W) or (H, W, C); not modified.
    depth: sum over the channels, one map (H, W) comes out; else every channel by itself.
    tone: how responses become pixels of the picture's dtype; None gives the float32 responses themselves.
    count: also count the samples that saturate below and above.
    threads: how many; None is what the machine or CONVCLI_THREADS offers. The result does not depend on it.
    """
    a = image[:, :, None] if image.ndim == 2 else image
    pads = geometry.pads(a.shape[:2], kernel.size)
    rows, columns = geometry.output(a.shape[:2], kernel.size)
    unit = full_scale(image.dtype) / 255
    wide = [*pads, (0, 0)]
    if geometry.padding_mode in ("zeros", "constant"):
        value = geometry.padding_value * unit if geometry.padding_mode == "constant" else 0
        padded = np.pad(a.astype(np.float64), wide, constant_values=value)
    else:
        padded = np.pad(a.astype(np.float64), wide, mode=_NUMPY_MODES[geometry.padding_mode])
    weights = np.broadcast_to(kernel.weights, (a.shape[2], *kernel.size))
    (sy, sx), (dy, dx) = geometry.stride, geometry.dilation
    r = np.zeros((rows, columns, a.shape[2]))
    for i in range(kernel.size[0]):
        for j in range(kernel.size[1]):
            part = padded[i * dy : i * dy + (rows - 1) * sy + 1 : sy, j * dx : j * dx + (columns - 1) * sx + 1 : sx]
            r += part * weights[:, i, j]
    if depth:
        r = r.sum(axis=2)
    elif image.ndim == 2:
        r = r[:, :, 0]
    r = r / kernel.divisor + kernel.bias * unit
    if tone is None:
        return Convolved(r.astype(np.float32))
    r = (np.abs(r) if tone.absolute else r) + tone.offset
    if image.dtype.kind == "f":
        return Convolved(r.astype(image.dtype))
    r = np.rint(r)
    top = full_scale(image.dtype)
    below, above = (int((r < 0).sum()), int((r > top).sum())) if count else (0, 0)
    return Convolved(r.clip(0, top).astype(image.dtype), below, above)


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
) -> NDArray[Any]:
    """What torch.nn.functional.conv2d computes, on NumPy arrays.

    x: (N, C, H, W) or (C, H, W), float32 or float64; not modified.
    weight: (O, C/groups, KH, KW), taken as x's dtype; not flipped. bias: (O,) or None.
    stride, dilation: a number, or (vertical, horizontal).
    padding: a number, (vertical, horizontal), ((top, bottom), (left, right)), "valid", "same" (O = ceil(W/S), an odd
        pixel after, as ONNX's SAME_UPPER; "same-lower" puts it before) or "full".
    groups: input and output channels are split into so many parts that do not see each other; depthwise is groups=C.
    padding_mode: zeros, replicate, reflect, symmetric, circular. A border wider than the planes repeats, where PyTorch
        refuses.

    Returns (N, O, H', W') or (O, H', W'), of x's dtype.
    Raises ConvcliError for wrong arguments.

    >>> import numpy as np
    >>> conv2d(np.ones((3, 4, 4), np.float32), np.ones((2, 3, 3, 3)), padding=1)[:, 0, 0]
    array([12., 12.], dtype=float32)
    """
    from convcli.engine.planes import conv2d as run

    return run(x, weight, bias, stride, padding, dilation, groups, padding_mode)
