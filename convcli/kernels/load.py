"""From a SPEC, as it is typed, to a Kernel."""

from __future__ import annotations

from convcli.errors import KernelError
from convcli.kernel import Kernel
from convcli.kernels import folders
from convcli.kernels.catalogue import (
    hides_built_in,
    named,
)


def load_kernel(spec: str) -> Kernel:
    """The kernel that a SPEC names.

    spec: a name (`sobel-x`), a name with parameters (`gaussian:sigma=2,size=9`), a file (`my.yaml`, `my.yaml#name`),
        rows of weights (`"1 2 1; 2 4 2; 1 2 1 / 16"`), or several of these combined (`sobel-x@45`,
        `gaussian * laplacian`).

    Raises KernelError where the spec or the file is wrong, ConvcliError where the file cannot be read.
    """
    if not isinstance(spec, str):
        raise KernelError(f"a kernel spec must be text, not {type(spec).__name__}")
    text = spec.strip()
    if text.isascii() and text[:1].isalpha() and text.replace("-", "").replace("_", "").isalnum():
        return named(text, {})
    from convcli.kernels.evaluate import evaluated

    return evaluated(text)


def hiding(spec: str) -> list[Kernel]:
    """The user's own kernels in a SPEC, which makes a kernel, that hide built-in ones."""
    if not folders.users():
        return []
    from convcli.kernels.evaluate import users_own

    return [kernel for kernel in users_own(spec.strip()) if hides_built_in(kernel)]
