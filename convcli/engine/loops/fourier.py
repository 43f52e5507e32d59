"""Loop for large kernels that are not separable: a Fourier transform down the columns."""

from __future__ import annotations

import numpy as np

from convcli.engine.loops.shared import FINISH, TAKE, Loop, entry, infinite, jit, load
from convcli.engine.loops.strides import keep

STRIP = 64  # columns that `_transform` takes through all its stages at a time


@jit
def _forward(ar, ai, br, bi, cr, ci, dr, di, c1, s1, c2, s2, c3, s3):
    """Apply a radix-4 butterfly of the forward transform to rows a, b, c, d, in place; c + i s: the twiddle factors."""
    for x in range(ar.size):
        p, q, u, v = ar[x] + cr[x], ai[x] + ci[x], ar[x] - cr[x], ai[x] - ci[x]
        e, f, g, h = br[x] + dr[x], bi[x] + di[x], bi[x] - di[x], dr[x] - br[x]
        ar[x], ai[x] = p + e, q + f
        e, f, p, q = p - e, q - f, u + g, v + h
        u, v = u - g, v - h
        br[x], bi[x] = e * c2 + f * s2, f * c2 - e * s2
        cr[x], ci[x] = p * c1 + q * s1, q * c1 - p * s1
        dr[x], di[x] = u * c3 + v * s3, v * c3 - u * s3


@jit
def _backward(ar, ai, br, bi, cr, ci, dr, di, c1, s1, c2, s2, c3, s3):
    """Apply the inverse of `_forward`, times four, in place."""
    for x in range(ar.size):
        e, f = br[x] * c2 - bi[x] * s2, bi[x] * c2 + br[x] * s2
        p, q = cr[x] * c1 - ci[x] * s1, ci[x] * c1 + cr[x] * s1
        u, v = dr[x] * c3 - di[x] * s3, di[x] * c3 + dr[x] * s3
        g, h, k, m = ar[x] + e, ai[x] + f, ar[x] - e, ai[x] - f
        e, f, u, v = p + u, q + v, v - q, p - u
        ar[x], ai[x], cr[x], ci[x] = g + e, h + f, g - e, h - f
        br[x], bi[x], dr[x], di[x] = k + u, m + v, k - u, m - v


@jit
def _transform(re, im, pitch, size, cosines, sines, backward, start, end):
    """Transform the columns start..end of `size` rows, a power of four, in place.

    The frequencies come out in the order of their reversed bits. Every column is a vector lane, so nothing is shuffled.
    """
    quarter = 1 if backward else size // 4
    while 0 < quarter < size:
        turn = size // (4 * quarter)
        for j in range(quarter):
            c1, s1, c2, s2 = cosines[j * turn], sines[j * turn], cosines[2 * j * turn], sines[2 * j * turn]
            c3, s3 = cosines[3 * j * turn], sines[3 * j * turn]
            for first in range(j, size, 4 * quarter):
                a = first * pitch + start
                b = a + quarter * pitch
                c = b + quarter * pitch
                d = c + quarter * pitch
                n = end - start
                ar, br, cr, dr = re[a : a + n], re[b : b + n], re[c : c + n], re[d : d + n]
                ai, bi, ci, di = im[a : a + n], im[b : b + n], im[c : c + n], im[d : d + n]
                if backward:
                    _backward(ar, ai, br, bi, cr, ci, dr, di, c1, s1, c2, s2, c3, s3)
                else:
                    _forward(ar, ai, br, bi, cr, ci, dr, di, c1, s1, c2, s2, c3, s3)
        quarter = quarter * 4 if backward else quarter // 4


@jit
def _multiply(yr, yi, re, im, at, wr, wi, n):
    """y[x] += sum over t of (wr[t] + i wi[t]) * (re + i im)[at[t] + x], four taps a pass"""
    for x in range(n):
        p, q = yr[x], yi[x]
        for t in range(len(at)):
            u, v = re[at[t] + x], im[at[t] + x]
            p += wr[t] * u
            q += wr[t] * v
            p -= wi[t] * v
            q += wi[t] * u
        yr[x], yi[x] = p, q


def fft(finish: str) -> Loop:
    """Build the loop for large kernels: Fourier transform down the columns, direct taps along the rows.

    A tile has 2*(size - down + 1) output rows. As the kernel is real, its upper half is the real part and its lower
    half the imaginary part of one complex picture. The transform turns the convolution down the columns into products;
    along the rows, each frequency has complex weights of its own.
    """
    finished, take, pick = FINISH[finish], TAKE[4], keep(0, 0)

    @entry
    def fft(
        dst, src, rowmap, colmap, inside, pitch, value, wr, wi, offsets, size, down, cosines, sines, n, kept, tile,
        halo, init, scale, divisor, shift, magnitude, top, stride, step, channels, y0, y1, re, im, width, yr, yi,
        at, counts,
    ):  # fmt: skip
        """dst[y, p] = finish(init + response at y*stride, p); y0 and y1 count tiles of rows."""
        taps, half = offsets.size, size - down + 1
        for block in range(y0, y1):
            for x0 in range(0, n, tile):
                m = min(tile, n - x0)
                for k in range(2 * size):
                    r = block * 2 * half + (k if k < size else half + k - size)
                    row = re[k * width : k * width + m + halo] if k < size else im[(k - size) * width :][: m + halo]
                    s = rowmap[r] if r < rowmap.size else -1
                    if s < 0:
                        row[:] = value
                    else:
                        load(row, src, s * pitch, x0, colmap, inside, pitch, value)
                        if src.itemsize == 4:
                            counts[2] += infinite(row)
                for x in range(0, m + halo, STRIP):
                    _transform(re, im, width, size, cosines, sines, False, x, min(x + STRIP, m + halo))
                for f in range(size):
                    yr[:m] = 0
                    yi[:m] = 0
                    for t in range(0, taps, 4):
                        for k in range(4):
                            at[k] = np.uintp(f * width + offsets[t + k])
                        _multiply(
                            yr,
                            yi,
                            re,
                            im,
                            take(at, 0),
                            take(wr, f * taps + t),
                            take(wi, f * taps + t),
                            np.uintp(m),
                        )
                    zr, zi = re[f * width : f * width + m], im[f * width : f * width + m]
                    for i in range(np.uintp(m)):  # not by slices, as in `boxes.widen`
                        zr[i], zi[i] = yr[i], yi[i]
                for x in range(0, m, STRIP):
                    _transform(re, im, width, size, cosines, sines, True, x, min(x + STRIP, m))
                for k in range(2 * half):
                    r = block * 2 * half + k
                    y = r // stride
                    if r % stride or y * kept >= dst.size:
                        continue
                    done = re[k * width : k * width + m] if k < half else im[(k - half) * width :][:m]
                    done += init
                    pick(done, done, m, step, channels)
                    end = (m // channels + step - 1) // step * channels
                    begin = y * kept + x0 // step
                    finished(dst[begin : begin + end], done, end, scale, divisor, shift, magnitude, top, counts)

    return fft
