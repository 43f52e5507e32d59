"""convcli: filter images with convolution kernels, from the command line or from Python.

The public names below are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from convcli.version import __version__

TYPE_CHECKING = False  # as typing has it, whose import would be most of ours
if TYPE_CHECKING:
    from typing import Any

    from convcli.engine.planes import conv2d
    from convcli.errors import ConvcliError
    from convcli.filtering.api import filter_image
    from convcli.geometry import output_size
    from convcli.kernel import Kernel
    from convcli.kernels.load import load_kernel
    from convcli.layers import Conv2d


_HOME = {
    "Conv2d": "convcli.layers",
    "ConvcliError": "convcli.errors",
    "Kernel": "convcli.kernel",
    "conv2d": "convcli.engine.planes",
    "filter_image": "convcli.filtering.api",
    "load_kernel": "convcli.kernels.load",
    "output_size": "convcli.geometry",
}

__all__ = [
    "Conv2d", "ConvcliError", "Kernel", "__version__", "conv2d", "filter_image", "load_kernel", "output_size",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'convcli' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
