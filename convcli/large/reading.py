"""Opening the file of a large picture: TIFF or Zarr."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from convcli.errors import ImageError
from convcli.files.reading import open_regular
from convcli.files.zarr_folder import is_zarr
from convcli.large.pages import Stack
from convcli.large.tiff_in import open_tiff
from convcli.large.zarr_in import open_zarr

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True)
class Reading:
    """A source file and how to read it.
    source: an absolute path, so that the object can be sent to another machine that shares the disk. name: as typed.
    frame: the only one to read. drop: leave alpha out. together: which channels form one picture, see `open_zarr`.
    """

    source: str
    name: str
    frame: int | None
    drop: bool
    together: str = "rgb"

    def opened(self, threads: int) -> contextlib.AbstractContextManager[list[Stack]]:
        """Open the file as a context manager that gives its stacks, at least one."""
        if is_zarr(self.source):
            return open_zarr(self.source, self.name, self.frame, self.together, threads)
        if not is_tiff(self.source):
            raise ImageError(f"{self.name} is neither TIFF nor Zarr, from which alone Zarr is made; convert it to TIFF")
        return open_tiff(self.source, self.name, self.frame, self.drop)


def is_tiff(path: str) -> bool:
    """Return whether a file begins like TIFF or BigTIFF; False for a pipe, which could be read only once."""
    try:
        with open_regular(path) as stream:
            return stream.read(4) in _TIFF
    except OSError:
        return False
