"""convcli: filter images with convolution kernels, from the command line or from Python.

The public names below are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing has it, whose import would be most of ours
if TYPE_CHECKING:
    from typing import Any

    from convcli.engine import conv2d
    from convcli.errors import ConvcliError
    from convcli.geometry import output_size
    from convcli.kernel import Kernel
    from convcli.layers import Conv2d
    from convcli.presets import load_kernel
    from convcli.recipe import filter_image

__version__ = "0.1.0"

_HOME = {
    "Conv2d": "convcli.layers",
    "ConvcliError": "convcli.errors",
    "Kernel": "convcli.kernel",
    "conv2d": "convcli.engine",
    "filter_image": "convcli.recipe",
    "load_kernel": "convcli.presets",
    "output_size": "convcli.geometry",
}

__all__ = ["Conv2d", "ConvcliError", "Kernel", "conv2d", "filter_image", "load_kernel", "output_size"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'convcli' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
