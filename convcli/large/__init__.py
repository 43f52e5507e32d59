"""One picture larger than memory: TIFF, OME-TIFF and Zarr, filtered in pieces with the rows that the kernel needs.

The result is bit for bit that of the whole picture at once, wherever the pieces are made: here, or on the workers of a
cluster. Needs the extra `large`.
"""

from __future__ import annotations

from pathlib import Path

from convcli.files.zarr_folder import is_zarr
from convcli.images import MAX_PIXELS
from convcli.large.reading import is_tiff
from convcli.large.run import OME, StreamOptions, filter_large, look
from convcli.large.tiff_in import weight

__all__ = ["StreamOptions", "filter_large", "look", "streams"]

_SMALL = 1 << 16  # bytes of a file that is never streamed for its size


def streams(source: str, output: str, streaming: StreamOptions, max_pixels: int | None) -> bool:
    """Whether the picture is filtered in pieces.

    Zarr always is; TIFF to TIFF is where it is too large to be held in memory, where it is or is to be OME-TIFF, or
    where levels or a cluster are wanted. max_pixels: as asked for; more is refused, and so not streamed.
    """
    if "-" in (source, output):
        return False
    if is_zarr(source) or is_zarr(output):
        return True
    if not output.lower().endswith((".tif", ".tiff")) or not is_tiff(source):
        return False
    asked = streaming.pyramid or streaming.cluster is not None or output.lower().endswith(OME)
    if not asked and Path(source).stat().st_size < _SMALL and not source.lower().endswith(OME):
        return False
    found = weight(source)
    if found is None:
        return asked
    pixels, held, ome = found
    if max_pixels is not None and pixels > max_pixels:
        return False
    return asked or ome or held * 3 > streaming.limit or pixels > (max_pixels or MAX_PIXELS)
