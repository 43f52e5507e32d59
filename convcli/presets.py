"""Names, files, inline text and parameters -> Kernel."""

from __future__ import annotations

from convcli.kernel import Kernel


def load_kernel(spec: str) -> Kernel:
    """The kernel that a SPEC names."""
    raise NotImplementedError
