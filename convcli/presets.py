"""A SPEC -> a Kernel: by name, with parameters, from a file, written out, or combined of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from convcli import folders
from convcli.errors import ConvcliError, KernelError
from convcli.kernel import Kernel
from convcli.rationals import number
from convcli.specs import File, Modified, Named, Negated, Node, Number, Rows, column_error, near, parse

BUILT_IN = "built-in"
_LONGEST_NAME, _LONGEST_PATH = 80, 4000
_GROUPS = (
    "basic", "blur", "shape", "motion", "sharpen", "edge", "gradient", "compass", "laplacian", "line", "texture",
    "relief",
)  # fmt: skip


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
    from convcli.kernel_files import imagemagick

    theirs = imagemagick(text, repr(text[:60]))
    if theirs is not None:
        return replace(theirs, origin="inline")
    node = parse(text, lambda path: len(path) < _LONGEST_PATH and Path(path).is_file())
    if isinstance(node, File | Rows) or (isinstance(node, Named) and not node.parameters):
        return _leaf(node, text)
    kernel = _evaluate(node, text)
    if isinstance(kernel, Number):
        raise KernelError(f"{text!r} is a number, not a kernel")
    return replace(kernel, name=str(node), description="", source="", tags=(), origin="combined")


def preset_names() -> list[str]:
    """The names of the built-in fixed kernels, in order."""
    return sorted(path.stem for path in folders.built_in().glob("*.yaml"))


def catalogue() -> list[Kernel]:
    """Every kernel that has a name, sorted by group (its first tag) and name; families with default parameters."""
    from convcli.families import FAMILIES

    found = {name: family.kernel({}) for name, family in FAMILIES.items()}
    found |= {name: _preset(name) for name in preset_names()}
    found |= user_kernels().kernels
    return sorted(found.values(), key=lambda kernel: (_group_order(kernel), kernel.name))


@dataclass
class UserKernels:
    """The kernels of the user's folders by name, and the files there that are faulty, with what is wrong."""

    kernels: dict[str, Kernel] = field(default_factory=dict)
    faults: dict[Path, ConvcliError] = field(default_factory=dict)


def user_kernels(name: str | None = None) -> UserKernels:
    """What the user's folders hold; of two kernels of one name the nearer folder's counts.

    With a name, only the files that may hold it are read: those called so, and those that name their kernels.
    """
    from convcli.kernel_files import SELF_NAMING, SUFFIXES, load_file

    found = UserKernels()
    for folder in folders.users():
        for path in sorted(folder.iterdir()):
            suffix = path.suffix.lower()
            if suffix not in SUFFIXES or (name not in (None, path.stem) and suffix not in SELF_NAMING):
                continue
            try:
                for kernel in load_file(path):
                    found.kernels.setdefault(kernel.name, kernel)
            except ConvcliError as error:
                found.faults[path] = error
    return found


def hides_built_in(kernel: Kernel) -> bool:
    """Whether the kernel is a user's own under the name of a built-in one, and another one than that."""
    if kernel.origin in (BUILT_IN, "inline", "combined"):
        return False
    from convcli.families import FAMILIES

    if kernel.name in FAMILIES:
        return True
    return kernel.name in preset_names() and kernel != _preset(kernel.name)


def _evaluate(node: Node, text: str) -> Kernel | Number:
    """The kernel of a tree. What goes wrong is told with its column in the text."""
    from convcli import operations

    if isinstance(node, Number):
        return node
    if isinstance(node, Named):
        try:
            return _leaf(node)
        except KernelError as error:
            raise column_error(text, _column(node), str(error)) from None
    if isinstance(node, File | Rows):
        return _leaf(node, text)
    if isinstance(node, Negated):
        return operations.scale(_kernel(node.of, text, "-"), number("-1"))
    if isinstance(node, Modified):
        kernel = _kernel(node.of, text, "@")
        try:
            return _modified(kernel, node.how)
        except KernelError as error:
            raise column_error(text, node.column, str(error)) from None
    left, right = _evaluate(node.left, text), _evaluate(node.right, text)
    try:
        return _pair(left, node.sign, right)
    except KernelError as error:
        raise column_error(text, node.column, str(error)) from None


def _column(node: Named) -> int:
    """Where a name that gave no kernel is wrong: at a parameter that by itself is, at the first one, or at the name."""
    from convcli.families import ALIASES, FAMILIES

    family = FAMILIES.get(ALIASES.get(node.name, node.name))
    if family is None or not node.columns:
        return node.column
    for (key, value), column in zip(node.parameters, node.columns, strict=True):
        try:
            family.value(key, value)
            family.kernel({key: value})
        except KernelError:
            return column
    return node.columns[0]


def _kernel(node: Node, text: str, sign: str) -> Kernel:
    value = _evaluate(node, text)
    if isinstance(value, Number):
        raise KernelError(f"{text!r}: {sign} works on a kernel, not on the number {value}")
    return value


def _pair(left: Kernel | Number, sign: str, right: Kernel | Number) -> Kernel | Number:
    from convcli import operations

    if isinstance(left, Kernel) and isinstance(right, Kernel):
        if sign == "*":
            return operations.compose(left, right)
        return operations.add(left, right, 1 if sign == "+" else -1)
    if sign in "+-" or (isinstance(left, Number) and isinstance(right, Number)):
        raise KernelError(f"{sign} needs a kernel on both sides; a number can only scale one, as in 2 * sobel-x")
    kernel, factor = (left, right) if isinstance(left, Kernel) else (right, left)
    if not isinstance(kernel, Kernel) or not isinstance(factor, Number):
        raise KernelError(f"{sign} needs a kernel")
    if sign == "/" and factor.value == 0:
        raise KernelError("division by zero")
    return operations.scale(kernel, 1 / factor.value if sign == "/" else factor.value)


def _modified(kernel: Kernel, how: str) -> Kernel:
    from convcli import operations

    if how in operations.MODIFIERS:
        return operations.MODIFIERS[how][0](kernel)
    try:
        if how.startswith("dilate="):
            return operations.dilate(kernel, int(how.removeprefix("dilate=")))
        angle = float(number(how))
    except ValueError as error:
        if isinstance(error, KernelError):
            raise
        words = [*operations.MODIFIERS, "dilate=N"]
        hint = near(how, words) or f"; expected an angle in degrees or one of {', '.join(words)}"
        raise KernelError(f"@{how}: unknown{hint}") from None
    return operations.turn(kernel, angle)


def _leaf(node: Named | File | Rows, text: str = "") -> Kernel:
    if isinstance(node, Named):
        return _named(node.name, dict(node.parameters))
    if isinstance(node, File):
        return _member(Path(node.path), node.member)
    from convcli.inline import inline

    return inline(node.text, text, node.column)


def _named(name: str, parameters: Mapping[str, str]) -> Kernel:
    own = None if parameters else _users_own(name)
    if own:
        return own
    fixed = len(name) < _LONGEST_NAME and (folders.built_in() / f"{name}.yaml").is_file()
    if fixed and not parameters:
        return _preset(name)
    from convcli.families import ALIASES, FAMILIES

    family = FAMILIES.get(ALIASES.get(name, name))
    if family:
        return family.kernel(parameters)
    if fixed:
        given = ",".join(f"{key}={value}" for key, value in parameters.items())
        raise KernelError(f"{name} is a fixed grid and takes no parameters, but {given!r} was given")
    name = name if len(name) < _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
    hint = near(name, [*preset_names(), *FAMILIES, *ALIASES, *user_kernels().kernels])
    raise KernelError(f"unknown kernel {name!r}{hint or '; `convcli kernels list` shows the names'}")


def _users_own(name: str) -> Kernel | None:
    """The user's kernel of that name. A faulty file is no reason to stop, unless the name is its own."""
    if not folders.users():
        return None
    found = user_kernels(name)
    for path, fault in found.faults.items():
        if path.stem == name:
            raise fault
    return found.kernels.get(name)


def _member(path: Path, wanted: str | None) -> Kernel:
    from convcli.kernel_files import load_file

    kernels = load_file(path)
    names = [kernel.name for kernel in kernels]
    if wanted is None:
        if len(kernels) == 1:
            return kernels[0]
        raise KernelError(f"{path} holds several kernels ({', '.join(names)}); choose one, as in {path}#{names[0]}")
    if wanted in names:
        return kernels[names.index(wanted)]
    hint = near(wanted, names) or f"; it holds {', '.join(names)}"
    raise KernelError(f"{path} holds no kernel {wanted!r}{hint}")


@cache
def _preset(name: str) -> Kernel:
    from convcli.kernel_files import load_file

    return replace(load_file(folders.built_in() / f"{name}.yaml")[0], origin=BUILT_IN)


def _group_order(kernel: Kernel) -> tuple[int, str]:
    first = kernel.tags[0] if kernel.tags else "other"
    return (_GROUPS.index(first) if first in _GROUPS else len(_GROUPS)), first
