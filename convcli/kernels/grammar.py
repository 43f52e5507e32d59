"""The grammar of a SPEC: names, files and rows, modified by `@` and combined by ` + `, ` - `, ` * ` and ` / `.

    spec    = rows | sum
    sum     = product { (" + " | " - ") product }
    product = factor { " * " factor | " / " number }
    factor  = ["-"] atom { "@" how }
    atom    = "(" sum ")" | "[" rows "]" | number | file ["#" name] | name [":" key "=" value { "," key "=" value }]
    how     = angle | "flip" | "transpose" | "sum" | "zero" | "l1" | "l2" | "dilate=" number

`*` composes two kernels, the left one applied first; beside a number it scales.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn

from convcli.errors import KernelError
from convcli.kernels.numerals import number
from convcli.kernels.tree import File, Modified, Named, Negated, Node, Number, Pair, Rows

_NAMED = re.compile(r"([A-Za-z][\w-]*)(?::(.*))?", re.DOTALL)
_FILE = re.compile(r"([^#]*\.[A-Za-z]\w*)(?:#(.*))?", re.DOTALL)
_WORD = re.compile(r"[^\s()\[\]@]+")
_OPERATOR = re.compile(r"(?<=\s)[-+*/](?=\s|$)")
_GLUED = re.compile(r"(?<=\w)[+*](?=[\w.-])|(?<=\w)/(?=[\d.]+$)")  # an operator without its spaces
_DEEPEST, _LONGEST = 30, 200
_SHOWN = 100


def parse(text: str, is_file: Callable[[str], bool] = lambda path: False) -> Node:
    """Parse a SPEC into its tree. Raises KernelError with the column of the first syntax error.

    is_file: whether the text as a whole is the name of an existing file, which may contain operators.
    """
    if not text.strip():
        raise KernelError("the kernel spec is empty; give a name such as sobel-x, a file, or rows of weights")
    whole = _FILE.fullmatch(text)
    if whole and (is_file(whole[1]) or _is_path_with_spaces(text)):
        return File(whole[1], whole[2])
    if _is_rows(text):
        return Rows(text)
    return _Parser(text).spec()


def column_error(text: str, column: int, message: str) -> KernelError:
    """Return an error that points to a column (from 1) of a SPEC; only the part around it is shown of a long SPEC."""
    start = max(0, min(column - _SHOWN // 2, len(text) - _SHOWN))
    part = text[start : start + _SHOWN]
    shown = f"{'...' * (start > 0)}{part}{'...' * (start + _SHOWN < len(text))}"
    return KernelError(f"{shown!r}, column {column}: {message}")


def _is_rows(text: str) -> bool:
    """Whether the whole text is rows of weights: it holds `;`, or begins with a number that no operator follows."""
    if "[" in text or "(" in text:
        return False
    if ";" in text:
        return True
    return bool(re.match(r"\s*[-+]?(\.?\d|,)", text)) and not (
        re.search(r"\s[-+]\s|[*@#]|\.[A-Za-z]|[A-Za-z]\w*\.[A-Za-z]", text)
    )


def _is_path_with_spaces(text: str) -> bool:
    """Whether the text looks like a file name with spaces (no operators, but a suffix) rather than a faulty sum."""
    return " " in text and not re.search(r"[@()\[\];:]|\s[-+*/]\s", text) and bool(re.search(r"\.[A-Za-z]\w*$", text))


class _Parser:
    """A recursive-descent parser; `at` is its position in the text."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth, self.steps = text, 0, 0, 0

    def fail(self, message: str, at: int | None = None) -> NoReturn:
        raise column_error(self.text, (self.at if at is None else at) + 1, message)

    def step(self) -> None:
        """Count an operation, and fail on too many: their tree would be too deep for recursion."""
        self.steps += 1
        if self.steps > _LONGEST:
            self.fail(f"more than {_LONGEST} operations; keep a part of it as a kernel file")

    def spec(self) -> Node:
        node = self.sum()
        if self.at < len(self.text):
            if re.search(r"[\w-]\($", self.text[: self.at + 1]):
                self.fail("'(' was not expected here; parameters follow a colon, as in gaussian:sigma=2")
            self.fail(f"{self.text[self.at]!r} was not expected here; operators are +, -, * and /, set off by spaces")
        return node

    def sum(self) -> Node:
        node = self.product()
        while sign := self.operator("+-"):
            at = self.at - 1
            node = Pair(node, sign, self.product(), at + 1)
        return node

    def product(self) -> Node:
        node = self.factor()
        while sign := self.operator("*/"):
            at = self.at - 1
            right = self.factor()
            if sign == "/" and not isinstance(right, Number):
                self.fail("after ` / ` a number is expected", at)
            node = Pair(node, sign, right, at + 1)
        return node

    def operator(self, signs: str) -> str:
        """Consume and return the next operator if it is one of `signs`."""
        self.spaces()
        match = _OPERATOR.match(self.text, self.at)
        if not match or match[0] not in signs:
            return ""
        self.step()
        self.at += 1
        return match[0]

    def factor(self) -> Node:
        self.spaces()
        if self.text.startswith("-", self.at) and not re.match(r"-[\d.]", self.text[self.at :]):
            self.at += 1
            self.step()
            return Negated(self.modified())
        return self.modified()

    def modified(self) -> Node:
        node = self.atom()
        while self.text.startswith("@", self.at):
            at = self.at + 1
            self.step()
            self.at += 1
            word = _WORD.match(self.text, self.at)
            if not word:
                self.fail("after @ an angle or a word is expected, as in @45 or @flip")
            self.at = word.end()
            node = Modified(node, word[0], at + 1)
        return node

    def atom(self) -> Node:
        self.spaces()
        start = self.text[self.at : self.at + 1]
        if start == "(":
            return self.bracketed()
        if start == "[":
            return self.rows()
        word = _WORD.match(self.text, self.at)
        if not word:
            found = f"not {start!r}" if start else "but the spec ends here"
            self.fail(f"a kernel is expected, {found}")
        at, self.at = self.at, word.end()
        return self.leaf(word[0], at)

    def leaf(self, word: str, at: int) -> Node:
        named = _NAMED.fullmatch(word)
        if named:
            values = self.parameters(named[1], named[2], at + len(named[1]) + 1)
            return Named(named[1], tuple(v[:2] for v in values), at + 1, tuple(v[2] for v in values))
        file = _FILE.fullmatch(word)
        if file:
            return File(file[1], file[2])
        try:
            return Number(number(word))
        except ValueError:
            glued = _GLUED.search(word)
            if glued:
                self.fail(f"operators stand between spaces: ` {glued[0]} `", at + glued.start())
            shown = word if len(word) <= _SHOWN else f"{word[:_SHOWN]}..."
            self.fail(f"{shown!r} is neither a kernel's name, nor a file, nor a number", at)

    def parameters(self, name: str, text: str | None, at: int) -> list[tuple[str, str, int]]:
        """Parse the parameters of a name into (key, value, column)."""
        values: list[tuple[str, str, int]] = []
        for part in text.split(",") if text is not None else ():
            key, equals, value = (word.strip() for word in part.partition("="))
            if not part.strip():
                self.fail(f"{name}: a parameter is missing; they stand without spaces, as in size=9,sigma=2", at)
            if not key or not equals or not value:
                self.fail(f"{name}: {part!r} is not of the form key=value", at)
            if key in (known for known, _, _ in values):
                self.fail(f"{name}: {key} is given twice", at)
            values.append((key, value, at + 1))
            at += len(part) + 1
        return values

    def bracketed(self) -> Node:
        start = self.at
        self.at += 1
        self.depth += 1
        if self.depth > _DEEPEST:
            self.fail(f"more than {_DEEPEST} brackets within one another")
        node = self.sum()
        if not self.text.startswith(")", self.at):
            self.fail("this bracket is not closed", start)
        self.at += 1
        self.depth -= 1
        return node

    def rows(self) -> Node:
        end = self.text.find("]", self.at)
        if end < 0:
            self.fail("this bracket is not closed")
        rows = Rows(self.text[self.at + 1 : end], self.at + 1)
        self.at = end + 1
        return rows

    def spaces(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
