"""Look kernels up by name: built-in fixed grids, families with parameters, and the user's own files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from convcli.errors import ConvcliError, KernelError
from convcli.files.reading import read_regular
from convcli.kernel import Kernel
from convcli.kernels import folders

BUILT_IN = "built-in"
_LONGEST_NAME = 80
_GROUPS = (
    "basic", "blur", "shape", "motion", "sharpen", "edge", "gradient", "compass", "laplacian", "line", "texture",
    "relief",
)  # fmt: skip


def preset_names() -> list[str]:
    """Return the sorted names of the built-in fixed kernels."""
    return sorted(path.stem for path in folders.built_in().glob("*.yaml"))


def catalogue() -> list[Kernel]:
    """Return every named kernel, sorted by group (its first tag) and name; families have their default parameters."""
    found = {kernel.name: kernel for kernel in built_in()}
    found |= user_kernels().kernels
    return sorted(found.values(), key=lambda kernel: (_group_order(kernel), kernel.name))


def built_in() -> list[Kernel]:
    """Return every built-in kernel, hidden by a user's or not: families with default parameters, and fixed grids."""
    from convcli.kernels.families import FAMILIES

    found = {name: family.kernel({}) for name, family in FAMILIES.items()}
    found |= {name: _preset(name) for name in preset_names()}
    return list(found.values())


@dataclass
class UserKernels:
    """The kernels in the user's folders, by name, and the error of each faulty file there."""

    kernels: dict[str, Kernel] = field(default_factory=dict)
    faults: dict[Path, ConvcliError] = field(default_factory=dict)


def user_kernels(name: str | None = None) -> UserKernels:
    """Read the kernels in the user's folders; of two kernels with the same name, the one in the nearer folder counts.

    Copies of built-in files, as in a checkout, are skipped.
    With a name, only files that may hold that kernel are read: those whose name or text contains it.
    """
    from convcli.kernels.readers.by_suffix import SUFFIXES, load_file, may_hold

    found = UserKernels()
    for folder in folders.users():
        try:
            paths = sorted(folder.iterdir())
        except OSError as error:
            found.faults[folder] = ConvcliError(f"{folder} can't be listed: {error.strerror or error}")
            continue
        for path in paths:
            if path.suffix.lower() not in SUFFIXES:
                continue
            try:
                if (name is None or may_hold(path, name)) and not _is_built_in(path):
                    for kernel in load_file(path):
                        found.kernels.setdefault(kernel.name, kernel)
            except ConvcliError as error:
                found.faults[path] = error
    return found


def _is_built_in(path: Path) -> bool:
    twin = folders.built_in() / path.name
    try:
        return twin.is_file() and twin.read_bytes() == read_regular(path)
    except OSError:  # `load_file` reports what cannot be read
        return False


def hides_built_in(kernel: Kernel) -> bool:
    """Whether this is a user's kernel that has the name of a built-in one and differs from it."""
    if kernel.origin in (BUILT_IN, "inline", "combined"):
        return False
    from convcli.kernels.families import FAMILIES

    if kernel.name in preset_names():
        return kernel != _preset(kernel.name)
    return kernel.name in FAMILIES


def named(name: str, parameters: Mapping[str, str]) -> Kernel:
    """Return the built-in kernel of that name, or the family's kernel with these parameters (as text)."""
    fixed = _is_fixed(name)
    if fixed and not parameters:
        return _preset(name)
    from convcli.kernels.families import ALIASES, FAMILIES

    family = FAMILIES.get(ALIASES.get(name, name))
    if family:
        return family.kernel(parameters)
    if fixed:
        raise _takes_none(name, parameters)
    raise _unknown(name, ())


def named_or_own(name: str, parameters: Mapping[str, str], tell: Callable[[str], None]) -> Kernel:
    """Return the user's kernel of that name, or else the built-in one, as `named` does.

    tell: called with a message if the kernel hides a built-in one, and with one for everything in the user's folders
    that can't be read. A faulty kernel file is an error only if the requested kernel is named after it.
    """
    if not folders.users():
        return named(name, parameters)
    from convcli.kernels.families import ALIASES, FAMILIES

    found, known = user_kernels(name), _is_fixed(name) or ALIASES.get(name, name) in FAMILIES
    own = found.kernels.get(name)
    for path, fault in found.faults.items():
        if path.stem == name and not own and (isinstance(fault, KernelError) or not known):
            raise fault
        if not isinstance(fault, KernelError):
            tell(f"left out: {fault}")
    if own and not parameters:
        if hides_built_in(own):
            tell(f"{name} is your own kernel in {own.origin}; it hides the built-in one")
        return own
    if known:
        return named(name, parameters)
    raise _takes_none(name, parameters) if own else _unknown(name, user_kernels().kernels)


def _is_fixed(name: str) -> bool:
    return len(name) < _LONGEST_NAME and (folders.built_in() / f"{name}.yaml").is_file()


def _takes_none(name: str, parameters: Mapping[str, str]) -> KernelError:
    given = ",".join(f"{key}={value}" for key, value in parameters.items())
    return KernelError(f"{name} is a fixed grid and takes no parameters, but {given!r} was given")


def _unknown(name: str, own: Iterable[str]) -> KernelError:
    from convcli.choices import suggestions
    from convcli.kernels.families import ALIASES, FAMILIES

    name = name if len(name) < _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
    hint = suggestions(name, [*preset_names(), *FAMILIES, *ALIASES, *own])
    return KernelError(f"unknown kernel {name!r}{hint or '; `convcli kernels list` shows the names'}")


@cache
def _preset(name: str) -> Kernel:
    from convcli.kernels.readers.by_suffix import load_file

    return replace(load_file(folders.built_in() / f"{name}.yaml")[0], origin=BUILT_IN)


def _group_order(kernel: Kernel) -> tuple[int, str]:
    first = kernel.tags[0] if kernel.tags else "other"
    return (_GROUPS.index(first) if first in _GROUPS else len(_GROUPS)), first
