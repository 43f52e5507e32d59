"""Every inner loop of the engine, and the only place that knows Numba.

All loops work on flat arrays. A row of a picture (W, C) is W*C samples, so the channels of a pixel are adjacent and
the neighbour to the right is C samples on. Borders are index maps: `rowmap` and `colmap` give, for a row or a flat
column of the padded picture, its index in the picture, or -1 where the border is the padding constant. The padded
picture itself is never made.

How the loops are written, and why:
- Offsets are unsigned (`uintp`): a signed index may be negative, and its wrap-around test keeps LLVM from vectorising.
- A group of taps is a tuple of known length, so that `dot` unrolls and its weights stay in registers. Functions that
  need such a length are built for it: `taps(6, "whole")` is the loop for six taps and no divisor.
- 16-bit lanes hold twice as many samples as float lanes; every expression is cast back to 16 bits, since integers
  are otherwise promoted to 64.
- What neither Numba nor LLVM's vectoriser vectorises is written in LLVM's vector instructions: pairs of taps
  (`pair_vectors`), tiles of sums (`blocks`, `plane_tiles`), the phases of a stride (`strides`).
- Only `contract` of fast-math is on: it allows FMA and keeps NaN and infinity.
"""
