"""Load the Kernel that a SPEC, as typed by the user, stands for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from convcli.errors import KernelError
from convcli.kernel import Kernel
from convcli.kernels.catalogue import named, named_or_own


def load_kernel(spec: str) -> Kernel:
    """Return the kernel that a SPEC names. Names are looked up among the built-in kernels only.

    spec: a built-in name (`sobel-x`), a name with parameters (`gaussian:sigma=2,size=9`), a file (`my.yaml`,
        `my.yaml#name`), rows of weights (`"1 2 1; 2 4 2; 1 2 1 / 16"`), or several of these combined (`sobel-x@45`,
        `gaussian * laplacian`).

    Raises KernelError if the SPEC or the file is faulty, ConvcliError if the file cannot be read.
    """
    return _loaded(spec, named)


def load_kernel_or_own(spec: str, tell: Callable[[str], None]) -> Kernel:
    """Load the kernel as `load_kernel` does, but look names up in the user's folders before the built-in ones.

    tell: called with a message for each kernel that hides a built-in one, and for what in those folders can't be read.
    """
    return _loaded(spec, partial(named_or_own, tell=tell))


def _loaded(spec: str, find: Callable[[str, dict[str, str]], Kernel]) -> Kernel:
    if not isinstance(spec, str):
        raise KernelError(f"a kernel spec must be text, not {type(spec).__name__}")
    text = spec.strip()
    if text.isascii() and text[:1].isalpha() and text.replace("-", "").replace("_", "").isalnum():
        return find(text, {})
    from convcli.kernels.evaluate import evaluated

    return evaluated(text, find)
