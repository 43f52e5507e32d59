"""Machine code of the loops: compiled once, kept, loaded without Numba."""
