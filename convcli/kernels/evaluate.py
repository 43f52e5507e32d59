"""Evaluate a SPEC to a Kernel: a name with parameters, a file, written-out weights, or a combination of these."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from convcli.choices import suggestions
from convcli.errors import KernelError
from convcli.kernel import Kernel
from convcli.kernels import algebra
from convcli.kernels.grammar import column_error, parse
from convcli.kernels.numerals import number
from convcli.kernels.readers.by_suffix import load_file
from convcli.kernels.readers.grids import imagemagick
from convcli.kernels.rows import inline
from convcli.kernels.tree import File, Modified, Named, Negated, Node, Number, Rows

Find = Callable[[str, dict[str, str]], Kernel]

_LONGEST_PATH = 4000


def evaluated(text: str, find: Find) -> Kernel:
    """Evaluate a SPEC that has no blanks around it. Raises as `load_kernel` does.

    find: returns the kernel of a name and its parameters.
    """
    theirs = imagemagick(text, lambda at, message: column_error(text, at + 1, message))
    if theirs is not None:
        return replace(theirs, origin="inline")
    node = parse(text, _is_file)
    if isinstance(node, File | Rows) or (isinstance(node, Named) and not node.parameters):
        return _leaf(node, find, text)
    kernel = _evaluate(node, text, find)
    if isinstance(kernel, Number):
        raise KernelError(f"{text!r} is a number, not a kernel")
    if isinstance(node, Named):
        return kernel
    return replace(kernel, name=str(node), description="", source="", tags=(), origin="combined")


def _is_file(path: str) -> bool:
    return len(path) < _LONGEST_PATH and Path(path).is_file()


def _evaluate(node: Node, text: str, find: Find) -> Kernel | Number:
    """Evaluate a node of the tree; error messages point to its column in `text`."""
    if isinstance(node, Number):
        return node
    if isinstance(node, Named):
        try:
            return _leaf(node, find)
        except KernelError as error:
            raise column_error(text, _column(node), str(error)) from None
    if isinstance(node, File | Rows):
        return _leaf(node, find, text)
    if isinstance(node, Negated):
        return algebra.scale(_kernel(node.of, text, "-", find), number("-1"))
    if isinstance(node, Modified):
        kernel = _kernel(node.of, text, "@", find)
        try:
            return _modified(kernel, node.how)
        except KernelError as error:
            raise column_error(text, node.column, str(error)) from None
    left, right = _evaluate(node.left, text, find), _evaluate(node.right, text, find)
    try:
        return _pair(left, node.sign, right)
    except KernelError as error:
        raise column_error(text, node.column, str(error)) from None


def _column(node: Named) -> int:
    """Return the column to report for a name that gave no kernel.

    That is the column of a parameter that is wrong by itself, else of the first parameter, else of the name.
    """
    from convcli.kernels.families import ALIASES, FAMILIES

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


def _kernel(node: Node, text: str, sign: str, find: Find) -> Kernel:
    value = _evaluate(node, text, find)
    if isinstance(value, Number):
        raise KernelError(f"{text!r}: {sign} works on a kernel, not on the number {value}")
    return value


def _pair(left: Kernel | Number, sign: str, right: Kernel | Number) -> Kernel | Number:
    if isinstance(left, Kernel) and isinstance(right, Kernel):
        if sign == "*":
            return algebra.compose(left, right)
        return algebra.add(left, right, 1 if sign == "+" else -1)
    if sign in "+-" or (isinstance(left, Number) and isinstance(right, Number)):
        raise KernelError(f"{sign} needs a kernel on both sides; a number can only scale one, as in 2 * sobel-x")
    kernel, factor = (left, right) if isinstance(left, Kernel) else (right, left)
    if not isinstance(kernel, Kernel) or not isinstance(factor, Number):
        raise KernelError(f"{sign} needs a kernel")
    if sign == "/" and factor.value == 0:
        raise KernelError("division by zero")
    return algebra.scale(kernel, 1 / factor.value if sign == "/" else factor.value)


def _modified(kernel: Kernel, how: str) -> Kernel:
    if how in algebra.MODIFIERS:
        return algebra.MODIFIERS[how][0](kernel)
    key, _, value = how.partition("=")
    if key == "dilate":
        if not re.fullmatch("[0-9]{1,9}", value):
            raise KernelError(f"@{how}: a whole number is expected, as in @dilate=2")
        return algebra.dilate(kernel, int(value))
    try:
        angle = float(number(how))
    except ValueError:
        words = [*algebra.MODIFIERS, "dilate=N"]
        hint = suggestions(how, words) or f"; expected an angle in degrees or one of {', '.join(words)}"
        raise KernelError(f"@{how}: unknown{hint}") from None
    return algebra.turn(kernel, angle)


def _leaf(node: Named | File | Rows, find: Find, text: str = "") -> Kernel:
    if isinstance(node, Named):
        return find(node.name, dict(node.parameters))
    if isinstance(node, File):
        return _member(Path(node.path), node.member)
    return inline(node.text, text, node.column)


def _member(path: Path, wanted: str | None) -> Kernel:
    kernels = load_file(path)
    held = [kernel.name for kernel in kernels]
    if wanted is None:
        if len(kernels) == 1:
            return kernels[0]
        raise KernelError(f"{path} holds several kernels ({', '.join(held)}); choose one, as in {path}#{held[0]}")
    if wanted in held:
        return kernels[held.index(wanted)]
    hint = suggestions(wanted, held) or f"; it holds {', '.join(held)}"
    raise KernelError(f"{path} holds no kernel {wanted!r}{hint}")
