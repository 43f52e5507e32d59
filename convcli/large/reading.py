"""Which file a large picture is read from: TIFF or Zarr."""

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
    """A file, and how it is read: the only frame of it, without alpha, which channels in one picture
    (`open_zarr` tells).

    Can be sent to another machine that sees the same disk, where `source` is an absolute path. name: as it was typed.
    """

    source: str
    name: str
    frame: int | None
    drop: bool
    together: str = "rgb"

    def opened(self, threads: int) -> contextlib.AbstractContextManager[list[Stack]]:
        """Its stacks, at least one."""
        if is_zarr(self.source):
            return open_zarr(self.source, self.name, self.frame, self.together, threads)
        if not is_tiff(self.source):
            raise ImageError(f"{self.name} is neither TIFF nor Zarr, from which alone Zarr is made; convert it to TIFF")
        return open_tiff(self.source, self.name, self.frame, self.drop)


def is_tiff(path: str) -> bool:
    """Whether a file begins as TIFF and BigTIFF do; a pipe, which can be read only once, is none."""
    try:
        with open_regular(path) as stream:
            return stream.read(4) in _TIFF
    except OSError:
        return False
