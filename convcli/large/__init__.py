"""Filtering pictures larger than memory: TIFF, OME-TIFF and Zarr, in pieces with the extra rows that the kernel needs.

The result is bit for bit that of filtering the whole picture at once, whether pieces are made here or by the workers of
a cluster. Needs the extra `large`, whose libraries are imported only when a picture is filtered in pieces.
"""

from __future__ import annotations

from pathlib import Path

from convcli.errors import RecipeError
from convcli.files.names import is_url, printable_path
from convcli.files.zarr_folder import is_zarr
from convcli.images import MAX_PIXELS
from convcli.images.source import opened
from convcli.large.options import OME, StreamOptions

__all__ = ["StreamOptions", "streams"]

_TIFF = (".tif", ".tiff")
_SMALL = 1 << 16  # bytes; smaller files are never streamed for their size


def streams(
    source: str, output: str, format_: str | None, options: StreamOptions, max_pixels: int | None, lossy: bool = False
) -> bool:
    """Return whether the picture is filtered in pieces instead of in memory.

    Zarr always is. TIFF to TIFF is if the picture is too large for memory, if source or output is OME-TIFF, or if a
    pyramid or a cluster is asked for. format_: the output's, if given by option. max_pixels: the limit the user has
    set; larger pictures are refused, and so not streamed. lossy: whether --quality was given.
    Raises RecipeError if the options do not fit these files.
    """
    zarr, asked = is_zarr(source) or is_zarr(output), options.asked_for
    if not (zarr or asked or output.lower().endswith(_TIFF)):
        return False
    if is_url(source) or is_url(output):
        if zarr or asked:
            raise RecipeError("large pictures are read and written on disk, not at a URL")
        return False
    if (format_ is None or f".{format_.lstrip('.')}" in _TIFF) and _suits(source, output, options, max_pixels):
        if zarr and lossy:
            raise RecipeError("Zarr has no --quality and is always lossless; see --compression")
        return True
    if zarr or asked:
        if source != "-":
            opened(source, printable_path(source)).close()  # a missing file is reported first
        raise RecipeError(
            f"{asked or 'Zarr'} is for a TIFF or Zarr filtered to a TIFF or Zarr, by the names of the files"
        )
    return False


def _suits(source: str, output: str, options: StreamOptions, max_pixels: int | None) -> bool:
    if "-" in (source, output):
        return False
    if is_zarr(source) or is_zarr(output):
        return True
    from convcli.large.reading import is_tiff
    from convcli.large.tiff_in import weight

    if not output.lower().endswith(_TIFF) or not is_tiff(source):
        return False
    asked = options.pyramid or options.cluster is not None or output.lower().endswith(OME)
    if not asked and Path(source).stat().st_size < _SMALL and not source.lower().endswith(OME):
        return False
    found = weight(source)
    if found is None:
        return asked
    pixels, held, ome = found
    if max_pixels is not None and pixels > max_pixels:
        return False
    return asked or ome or held * 3 > options.limit or pixels > (max_pixels or MAX_PIXELS)
