"""Machine code of the loops: compiled once, cached on disk, loaded without Numba."""
