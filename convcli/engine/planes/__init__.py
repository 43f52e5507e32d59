"""conv2d on planes: `checks` checks the arguments, `run` computes the result."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.out import checked_out, filled
from convcli.engine.planes.checks import checked
from convcli.engine.planes.run import convolve_planes


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    *,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Compute torch.nn.functional.conv2d on NumPy arrays.

    x: (N, C, H, W) or (C, H, W), float32 or float64; not modified.
    weight: (O, C/groups, KH, KW), taken as x's dtype; not flipped. bias: (O,) or None.
    stride, dilation: a number, or (vertical, horizontal).
    padding: a number, (vertical, horizontal), ((top, bottom), (left, right)), "valid", "same" (O = ceil(W/S), an odd
        pixel after, as ONNX's SAME_UPPER; "same-lower" puts it before) or "full".
    groups: input and output channels are split into so many parts that do not see each other; depthwise is groups=C.
    padding_mode: zeros, replicate, reflect, symmetric, circular. A border wider than the planes repeats, where PyTorch
        refuses.
    out: an array of the result's shape and dtype that is filled and returned; it may overlap the others.

    Returns (N, O, H', W') or (O, H', W'), of x's dtype.
    Raises ConvcliError for wrong arguments.

    >>> import numpy as np
    >>> conv2d(np.ones((3, 4, 4), np.float32), np.ones((2, 3, 3, 3)), padding=1)[:, 0, 0]
    array([12., 12.], dtype=float32)
    """
    into, planes = checked_out(out), checked(x, weight, bias, stride, padding, dilation, groups, padding_mode)
    batch = np.ndim(x) == 4
    given = into if into is None or batch else into[None]
    maps = convolve_planes(planes, out=given)
    if into is not None and maps is given:
        return into
    return filled(into, maps if batch else maps[0])
