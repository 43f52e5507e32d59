"""Loops for box kernels: running sums."""

from __future__ import annotations

import numpy as np

from convcli.engine.loops.shared import FINISH, Loop, entry, jit, load
from convcli.engine.loops.strides import keep


def box(finish: str, step: int = 1, channels: int = 0) -> Loop:
    """Build the loop for boxes; its cost does not depend on their height, and on their width only by its logarithm."""
    finished, pick, whole = FINISH[finish], keep(step, channels), finish == "levels"

    @jit
    def double(out, a, line, apart, odd):
        """out[x] = a[x] + a[x + apart], and the next sample of the line where the window is odd"""
        n, near, far = np.uintp(out.size), np.uintp(apart), np.uintp(2 * apart)
        if odd:
            for x in range(n):
                out[x] = a[x] + a[near + x] + line[far + x]
        else:
            for x in range(n):
                out[x] = a[x] + a[near + x]

    @jit
    def widen(row, line, spare, across, apart):
        """row[x] = sum over j < across of line[x + j*apart], by doubling the window for each bit of `across`."""
        size, bit, a, half = 1, -1, line, spare.size // 2
        while across >> (bit + 2) > 0:
            bit += 1
        if bit < 0:
            for x in range(row.size):  # a slice would compile in an error message, and with it Python's C API
                row[x] = line[x]
        while bit >= 0:
            odd = across >> bit & 1
            length = row.size + (across - 2 * size - odd) * apart
            out = row if bit == 0 else spare[bit % 2 * half : bit % 2 * half + length]
            double(out, a, line, size * apart, odd)
            a, size, bit = out, 2 * size + odd, bit - 1

    @entry
    def box(
        dst, src, rowmap, colmap, inside, pitch, value, down, across, init, n, kept, scale, divisor, shift, magnitude,
        top, stride, step, channels, y0, y1, ring, width, line, spare, total, acc, counts,
    ):  # fmt: skip
        """dst[y, p] = finish(init + sum of the `down` rows and `across` columns of the window at y*stride, p)"""
        total[:] = 0
        first = y0 * stride
        for r in range(first, (y1 - 1) * stride + down):
            q = ring[r % (down + 1) * width : r % (down + 1) * width + n]
            s = rowmap[r]
            if s < 0:
                q[:] = across * value
            else:
                load(line, src, s * pitch, 0, colmap, inside, pitch, value)
                widen(q, line, spare, across, channels)
            if r - first >= down:
                gone = (r - down) % (down + 1) * width
                out = ring[gone : gone + n]
                for x in range(n):
                    total[x] = total[x] + q[x] - out[x]
            else:
                for x in range(n):
                    total[x] = total[x] + q[x]
            y = (r - down + 1) // stride
            if r - first < down - 1 or y * stride != r - down + 1:
                continue
            level = dst[y * kept : y * kept + kept]
            if whole and step == 1 and init == 0 and divisor == 0 and magnitude > 0:
                finished(level, total, kept, scale, divisor, shift, magnitude, top, counts)
                continue
            for x in range(n):
                acc[x] = total[x] + init
            pick(acc, acc, n, step, channels)
            finished(level, acc, kept, scale, divisor, shift, magnitude, top, counts)

    return box
