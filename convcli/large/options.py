"""Options for filtering and writing large pictures."""

from __future__ import annotations

from dataclasses import dataclass

from convcli.system.memory import free_memory

OME = (".ome.tif", ".ome.tiff", ".ome.zarr")


@dataclass(frozen=True)
class StreamOptions:
    """Options for filtering and writing a large picture.

    compression: "none", "fast" (the default) or "max". strip: write no profile and no note of how it was made.
    pyramid: add smaller levels. zarr_format: 2 or 3; None for the source's, else 3.
    memory: bytes that may be used; None for a quarter of free memory. cluster: a Dask scheduler's address, or "local".
    """

    compression: str | None = None
    strip: bool = False
    pyramid: bool = False
    zarr_format: int | None = None
    memory: int | None = None
    threads: int | None = None
    force: bool = False
    cluster: str | None = None

    @property
    def limit(self) -> int:
        """Bytes that may be used."""
        return self.memory if self.memory is not None else (free_memory() or 1 << 32) // 4

    @property
    def asked_for(self) -> str | None:
        """The name of the first option given that needs filtering in pieces, as on the command line; or None."""
        given = {"--pyramid": self.pyramid, "--cluster": self.cluster, "--zarr-format": self.zarr_format}
        return next((name for name, value in given.items() if value), None)
