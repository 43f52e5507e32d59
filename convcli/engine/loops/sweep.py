"""Float loop for any taps, row by row."""

from __future__ import annotations

import numpy as np

from convcli.engine.loops.shared import FINISH, Loop, accumulate, claim, enter, entry
from convcli.engine.loops.strides import keep


def sweep(finish: str) -> Loop:
    """Build the loop for any taps in float lanes: sparse, dilated, strided, or a sum of separable kernels.

    Rows enter a ring as floats. If `terms` is 0, they enter unfiltered, and the taps span rows and columns; else they
    are filtered horizontally for each term as they enter, and the taps filter each term's rows vertically.
    """
    finished, pick = FINISH[finish], keep(0, 0)

    @entry
    def sweep(
        dst, src, rowmap, colmap, inside, pitch, value, terms, ho, hw, rows, vi, vx, vw, init, n, kept, tile, halo,
        scale, divisor, shift, magnitude, top, stride, step, channels, y0, y1, ring, width, period, held, line,
        acc, at, counts,
    ):  # fmt: skip
        """dst[y, p] = finish(init + sum over t of vw[t] * ring[y*stride + rows[vi[t]], p + vx[t]])

        Row r is in slot r % period of the ring, or, if period is 0, each of `rows` has a slot of its own.
        """
        for x0 in range(0, n, tile):
            m = min(tile, n - x0)
            held[:] = -1
            for y in range(y0, y1):
                for i in range(rows.size):
                    r = y * stride + rows[i]
                    slot = r % period if period > 0 else i
                    if claim(held, slot, r):
                        q = ring[slot * width : (slot + 1) * width]
                        enter(q, src, rowmap[r], x0, m, halo, colmap, inside, pitch, value, terms, ho, hw, line, counts)
                for t in range(vw.size):
                    i = vi[t]
                    slot = (y * stride + rows[i]) % period if period > 0 else i
                    at[t] = np.uintp(slot * width + vx[t])
                a = acc[:m]
                a[:] = init
                accumulate(a, ring, np.uintp(0), at, vw, 0, vw.size)
                pick(a, a, m, step, channels)
                end = (m // channels + step - 1) // step * channels
                begin = y * kept + x0 // step
                finished(dst[begin : begin + end], a, end, scale, divisor, shift, magnitude, top, counts)

    return sweep
