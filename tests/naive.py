"""The definition: what a convolution is, written as slowly and plainly as it can be said. The engine must agree.

Pixels and integral weights stay whole numbers and everything else is a fraction, so nothing here is ever rounded
before the last line. `responses_by_tap` says the same with one array operation per weight, for larger pictures.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

FULL_SCALE = {"uint8": 255, "uint16": 65535, "float32": 1}
HALF_SCALE = {"uint8": 128, "uint16": 32768, "float32": Fraction(1, 2)}


def border(i: int, n: int, mode: str) -> int | None:
    """Which of n pixels stands at place i, counted from the first; None where the border holds a constant."""
    if 0 <= i < n:
        return i
    if mode in ("zeros", "constant"):
        return None
    if mode == "replicate":
        return 0 if i < 0 else n - 1
    if mode == "circular":
        return i % n
    if mode == "symmetric":  # ... b a | a b c | c b a | a b c ...
        i = i % (2 * n)
        return i if i < n else 2 * n - 1 - i
    assert mode == "reflect"  # ... c b | a b c | b a | b c ...
    if n == 1:
        return 0
    i = i % (2 * n - 2)
    return i if i < n else 2 * n - 2 - i


def pads(size, kernel, stride, dilation, padding):
    """Padding before and after, along one axis. padding: valid, same, full, or (before, after)."""
    reach = dilation * (kernel - 1) + 1
    if padding == "valid":
        return 0, 0
    if padding == "full":
        return reach - 1, reach - 1
    if padding == "same":
        wanted = (size + stride - 1) // stride
        total = max(0, (wanted - 1) * stride + reach - size)
        return total // 2, total - total // 2
    return padding


def positions(size, kernel, stride, dilation, before, after):
    """Where the first weight of the kernel may stand along one axis, so that the last one is still on the padding."""
    last_tap = dilation * (kernel - 1)
    return [start for start in range(-before, size + after, stride) if start + last_tap < size + after]


def four_sides(padding):
    """(rows, columns): each a name or (before, after)."""
    if isinstance(padding, str):
        return padding, padding
    if isinstance(padding, int):
        return (padding, padding), (padding, padding)
    if len(padding) == 2:
        return (padding[0], padding[0]), (padding[1], padding[1])
    return (padding[0], padding[1]), (padding[2], padding[3])


def pair(value):
    return (value, value) if isinstance(value, int) else value


def starts(shape, kernel, stride, padding, dilation):
    """Row and column starts of every kernel position."""
    found = []
    for n, k, s, d, p in zip(shape, kernel, pair(stride), pair(dilation), four_sides(padding), strict=True):
        found.append(positions(n, k, s, d, *pads(n, k, s, d, p)))
    return found


def exact(number):
    """The number itself: a whole one as int, any other as the fraction that the float is."""
    number = float(number)
    return int(number) if number.is_integer() else Fraction(number)


def responses(image, weights, divisor=1, bias=0, stride=1, padding="same", padding_mode="zeros", padding_value=0,
              dilation=1, depth=False):  # fmt: skip
    """Exact responses, a nested list [row][column][channel]; with depth, one sum over the channels."""
    a = image.reshape(*image.shape[:2], -1)
    height, width, channels = a.shape
    w = np.broadcast_to(weights, (channels, *np.shape(weights)[-2:]))
    unit = Fraction(FULL_SCALE[image.dtype.name], 255)
    outside = Fraction(padding_value) * unit if padding_mode == "constant" else 0
    rows, columns = starts((height, width), w.shape[1:], stride, padding, dilation)
    dy, dx = pair(dilation)
    result = []
    for y in rows:
        line = []
        for x in columns:
            sums = []
            for c in range(channels):
                total = 0
                for i in range(w.shape[1]):
                    for j in range(w.shape[2]):
                        row = border(y + i * dy, height, padding_mode)
                        column = border(x + j * dx, width, padding_mode)
                        pixel = outside if row is None or column is None else exact(a[row, column, c])
                        total += exact(w[c, i, j]) * pixel
                sums.append(total)
            if depth:
                sums = [sum(sums)]
            line.append([Fraction(s) / Fraction(divisor) + Fraction(bias) * unit for s in sums])
        result.append(line)
    return result


def pixel(r, range_, dtype):
    """One response as a pixel of that dtype."""
    if range_ == "abs":
        r = abs(r)
    if range_ == "offset":
        r = r + HALF_SCALE[dtype]
    if dtype == "float32":
        return float(r)
    return min(max(round(r), 0), FULL_SCALE[dtype])  # Python rounds a fraction half to even


def convolve(image, weights, divisor=1, bias=0, range="clip", depth=False, **geometry):
    """The feature map: pixels of the picture's dtype, or float64 for range="raw"."""
    r = responses(image, weights, divisor, bias, depth=depth, **geometry)
    if range == "raw":
        pixels = np.array([[[float(c) for c in x] for x in y] for y in r])
    else:
        name = image.dtype.name
        pixels = np.array([[[pixel(c, range, name) for c in x] for x in y] for y in r], dtype=image.dtype)
    return pixels[:, :, 0] if depth or image.ndim == 2 else pixels


def responses_by_tap(image, weights, divisor=1, bias=0, stride=1, padding="same", padding_mode="zeros",
                     padding_value=0, dilation=1, depth=False):  # fmt: skip
    """The responses in float64, one array operation per weight: exact while sums of integers stay below 2**53."""
    a = image.reshape(*image.shape[:2], -1).astype(np.float64)
    w = np.broadcast_to(np.asarray(weights, np.float64), (a.shape[2], *np.shape(weights)[-2:]))
    unit = FULL_SCALE[image.dtype.name] / 255
    rows, columns = starts(a.shape[:2], w.shape[1:], stride, padding, dilation)
    dy, dx = pair(dilation)
    total = np.zeros((len(rows), len(columns), a.shape[2]))
    for i in range(w.shape[1]):
        at_y = [border(y + i * dy, a.shape[0], padding_mode) for y in rows]
        for j in range(w.shape[2]):
            at_x = [border(x + j * dx, a.shape[1], padding_mode) for x in columns]
            part = a[np.ix_([y or 0 for y in at_y], [x or 0 for x in at_x])]
            outside = np.array([y is None for y in at_y])[:, None] | np.array([x is None for x in at_x])
            part[outside] = padding_value * unit if padding_mode == "constant" else 0
            total += part * w[:, i, j]
    if depth:
        total = total.sum(axis=2)
    elif image.ndim == 2:
        total = total[:, :, 0]
    return total / divisor + bias * unit


def pixels_of(r, range_, dtype):
    """Responses in float64 as pixels: `pixel` for whole arrays."""
    name = np.dtype(dtype).name
    r = np.abs(r) if range_ == "abs" else r + float(HALF_SCALE[name]) * (range_ == "offset")
    return r.astype(dtype) if name == "float32" else np.rint(r).clip(0, FULL_SCALE[name]).astype(dtype)
