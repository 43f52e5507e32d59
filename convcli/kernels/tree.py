"""The syntax tree of a SPEC: kernels by name, from files or written out, and the operations on them.

`str` of a tree is an equivalent SPEC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction


@dataclass(frozen=True)
class Named:
    """A named kernel, with its parameters as text."""

    name: str
    parameters: tuple[tuple[str, str], ...] = ()
    column: int = field(default=0, compare=False)
    columns: tuple[int, ...] = field(default=(), compare=False)  # of the parameters

    def __str__(self) -> str:
        values = ",".join(f"{key}={value}" for key, value in self.parameters)
        return f"{self.name}:{values}" if values else self.name


@dataclass(frozen=True)
class File:
    """A kernel from a file, with its name if the file holds several."""

    path: str
    member: str | None = None

    def __str__(self) -> str:
        return self.path if self.member is None else f"{self.path}#{self.member}"


@dataclass(frozen=True)
class Rows:
    """Weights written out."""

    text: str
    column: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"[{self.text}]"


@dataclass(frozen=True)
class Number:
    """A factor or divisor."""

    value: Fraction

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True)
class Modified:
    """A kernel with an `@` modifier: an angle or a word."""

    of: Node
    how: str
    column: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{_bracketed(self.of, (Pair, Negated))}@{self.how}"


@dataclass(frozen=True)
class Negated:
    """A kernel with the signs of its weights inverted."""

    of: Node

    def __str__(self) -> str:
        return f"-{_bracketed(self.of, (Pair, Negated))}"


@dataclass(frozen=True)
class Pair:
    """Two operands of `+`, `-`, `*` or `/`."""

    left: Node
    sign: str
    right: Node
    column: int = field(default=0, compare=False)

    def __str__(self) -> str:
        loose = self.sign in "+-"
        left = str(self.left)
        if isinstance(self.left, Pair) and not loose and self.left.sign in "+-":
            left = f"({left})"
        right = str(self.right)
        if isinstance(self.right, Pair) and not (loose and self.right.sign in "*/"):
            right = f"({right})"
        return f"{left} {self.sign} {right}"


Node = Named | File | Rows | Number | Modified | Negated | Pair


def _bracketed(node: Node, kinds: tuple[type, ...]) -> str:
    return f"({node})" if isinstance(node, kinds) else str(node)
