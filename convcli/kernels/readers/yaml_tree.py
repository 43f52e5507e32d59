"""Parse YAML and JSON kernel files into Kernels, and write kernels as YAML.

A file is read as a tree of nodes with their lines and columns, never as Python objects, so that it cannot construct
any, and numbers are read as written (`1e-3`, `1/9`), not by the rules of YAML 1.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NoReturn

import numpy as np
import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from convcli.choices import RANGES, suggestion
from convcli.errors import KernelError
from convcli.kernel import Kernel
from convcli.kernels.numerals import integral, number

_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{tag}" for tag in ("bool", "float", "int", "map", "null", "seq", "str", "timestamp", "value")
)
_KEYS = ("name", "description", "weights", "divisor", "bias", "range", "source", "tags")
_DUMP: dict[str, Any] = {"allow_unicode": True, "width": 10**9}
_COMPUTED = (
    "origin", "size", "parameters", "depth", "sum", "rank", "separable", "flip_changes", "response",
)  # fmt: skip
_MOST_WEIGHTS = 512 * 512

# libyaml's parser, if PyYAML was built with it, is seven times as fast: about two seconds for a long text.
# It does not support lone surrogates, though, which a name may have.
_LONG = 1 << 16
_FAST, _LONGEST = (yaml.CSafeLoader, 3 << 20) if hasattr(yaml, "CSafeLoader") else (yaml.SafeLoader, 400 << 10)


def parse_yaml(text: str, file: str, stem: str = "") -> list[Kernel]:
    """Parse the kernels of a YAML text: one, or several listed under `kernels:`.

    file: the name of the text in messages. stem: the name of a single kernel that has none of its own.
    Raises KernelError naming file, line, column, key, and what was expected.
    """
    return _parsed(text, _Reader(file), stem)


def parse_json(text: str, file: str, stem: str = "") -> list[Kernel]:
    """Parse the kernels of a JSON text: the same keys as in YAML, or a bare grid of rows.

    The additional keys that `kernels show --json` prints are ignored.
    """
    reader = _Reader(file, passed_over=_COMPUTED, bare_grid=True)
    return _parsed(text.replace("\t", " "), reader, stem)


def _parsed(text: str, reader: _Reader, stem: str) -> list[Kernel]:
    file = reader.file
    if len(text) > _LONGEST:
        raise KernelError(f"{file}: more than {_LONGEST:,} characters; draw rows as [1, 2, 3], or use a .npy file")
    try:
        root = yaml.compose(text, Loader=_FAST if len(text) > _LONG else yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        if "nesting depth" in str(error.problem):
            reader.fail(error.problem_mark, "nested too deeply for a kernel file")
        reader.fail(error.problem_mark, f"not valid YAML: {error.problem or error.context}")
    except yaml.YAMLError as error:
        raise KernelError(f"{file}: not valid YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise KernelError(f"{file}: nested too deeply for a kernel file") from None
    if root is None:
        raise KernelError(f"{file}: empty; a mapping with `weights:` is expected")
    return reader.kernels(root, stem)


def to_yaml(kernel: Kernel) -> str:
    """Format the kernel as a preset file, its weights as a grid; `parse_yaml` reads the same kernel from it."""
    lines = [_line("name", kernel.name), _line("description", kernel.description), "weights:"]
    grids = kernel.weights.reshape(-1, *kernel.size)
    words = [[[plain(w) for w in row] for row in grid] for grid in grids]
    width = max(len(word) for grid in words for row in grid for word in row)
    for grid in words:
        start = "  - - " if kernel.weights.ndim == 3 else "  - "
        for row in grid:
            lines.append(f"{start}[{', '.join(word.rjust(width) for word in row)}]")
            start = "    - " if kernel.weights.ndim == 3 else "  - "
    lines += [f"divisor: {plain(kernel.divisor)}"] if kernel.divisor != 1 else []
    lines += [f"bias: {plain(kernel.bias)}"] if kernel.bias else []
    lines += [_line("range", kernel.range or ""), _line("source", kernel.source)]
    if kernel.tags:
        lines.append(yaml.safe_dump({"tags": list(kernel.tags)}, default_flow_style=None, **_DUMP).rstrip())
    return "\n".join(line for line in lines if line) + "\n"


def plain(value: float) -> str:
    """Format a number as people write it: integers without a decimal point, and all digits kept."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def _line(key: str, text: str) -> str:
    return yaml.safe_dump({key: text}, **_DUMP).rstrip() if text else ""


@dataclass
class _Grids:
    """The numbers under `weights:`, flat, and their shape."""

    shape: tuple[int, ...] = ()
    flat: list[Fraction] = field(default_factory=list)
    fractions: bool = False


def _quotients(grids: _Grids, divisor: Fraction) -> tuple[list[float], float, float]:
    """Return weights, divisor and common denominator; if any weight is a fraction, as integers where possible."""
    if grids.fractions:
        return integral(grids.flat, divisor)
    return [float(w) for w in grids.flat], float(divisor), 1.0


class _Reader:
    """A converter from nodes to kernels, whose errors name file, line and column."""

    def __init__(self, file: str, passed_over: tuple[str, ...] = (), bare_grid: bool = False) -> None:
        self.file, self.passed_over, self.bare_grid = file, passed_over, bare_grid

    def fail(self, place: Any, message: str) -> NoReturn:
        mark = getattr(place, "start_mark", place)
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise KernelError(f"{self.file}{where}: {message}")

    def kernels(self, root: Node, stem: str) -> list[Kernel]:
        if self.bare_grid and isinstance(root, SequenceNode):
            return [self.bare(root, stem)]
        keys = self.mapping(root, "a mapping with `weights:` or `kernels:`", (*_KEYS, "kernels"))
        if "kernels" not in keys:
            return [self.kernel(root, stem)]
        for key, (place, _) in keys.items():
            if key != "kernels":
                self.fail(place, f"{key}: beside `kernels:` nothing else is expected; move it into one of the kernels")
        found: dict[str, Kernel] = {}
        for item in self.sequence(keys["kernels"][1], "kernels: a list of kernels"):
            kernel = self.kernel(item, "")
            if not kernel.name:
                self.fail(item, "name: missing; each of several kernels needs one")
            if kernel.name in found:
                self.fail(item, f"name: {kernel.name!r} is there twice")
            found[kernel.name] = kernel
        if not found:
            self.fail(keys["kernels"][1], "kernels: an empty list; at least one kernel is expected")
        return list(found.values())

    def bare(self, root: Node, stem: str) -> Kernel:
        grids = self.weights(root)
        weights, over, factor = _quotients(grids, Fraction(1))
        grid = np.array(weights).reshape(grids.shape)
        return Kernel(grid, divisor=over, name=stem, origin=self.file, denominator=factor)

    def kernel(self, node: Node, stem: str) -> Kernel:
        keys = self.mapping(node, "a mapping with `weights:`", _KEYS)
        if "weights" not in keys:
            self.fail(node, "weights: missing; rows of numbers are expected, as in `- [1, 2, 1]`")
        grids = self.weights(keys["weights"][1])
        divisor = self.divisor(keys["divisor"][1], grids) if "divisor" in keys else Fraction(1)
        weights, over, factor = _quotients(grids, divisor)
        texts = {key: self.text(keys[key][1], key) for key in ("name", "description", "source") if key in keys}
        return Kernel(
            np.array(weights).reshape(grids.shape),
            divisor=over,
            bias=float(self.number(keys["bias"][1], "bias")) if "bias" in keys else 0.0,
            range=self.range(keys["range"][1]) if "range" in keys else None,
            name=texts.get("name", stem),
            description=texts.get("description", ""),
            source=texts.get("source", ""),
            tags=self.tags(keys["tags"][1]) if "tags" in keys else (),
            origin=self.file,
            denominator=factor,
        )

    def mapping(self, node: Node, expected: str, known: tuple[str, ...]) -> dict[str, tuple[Node, Node]]:
        self.plain(node)
        if not isinstance(node, MappingNode):
            self.fail(node, f"{expected} is expected")
        keys: dict[str, tuple[Node, Node]] = {}
        for key_node, value in node.value:
            key = self.text(key_node, "key")
            if key in self.passed_over:
                continue
            if key not in known:
                hint = suggestion(key, known, f"expected one of {', '.join(known)}")
                self.fail(key_node, f"{key}: unknown key; {hint}")
            if key in keys:
                first = keys[key][0].start_mark.line + 1
                self.fail(key_node, f"{key}: the key is there twice, first in line {first}")
            keys[key] = key_node, value
        return keys

    def sequence(self, node: Node, expected: str) -> list[Node]:
        self.plain(node, expected.rpartition(": ")[0])
        if not isinstance(node, SequenceNode):
            found = f"not {node.value!r}" if isinstance(node, ScalarNode) and node.value else "but none is there"
            self.fail(node, f"{expected} is expected, {found}")
        items: list[Node] = node.value
        return items

    def plain(self, node: Node, key: str = "") -> None:
        if node.tag not in _PLAIN_TAGS:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self.fail(
                node,
                f"{key}: " * bool(key) + f"the tag {tag} is refused; a kernel file holds only text, numbers and lists",
            )

    def scalar(self, node: Node, key: str, expected: str) -> str:
        self.plain(node, key)
        if not isinstance(node, ScalarNode):
            self.fail(
                node, f"{key}: {expected} is expected, not a {'list' if isinstance(node, SequenceNode) else 'mapping'}"
            )
        return str(node.value)

    def text(self, node: Node, key: str) -> str:
        value = self.scalar(node, key, "text")
        if not value.strip() and not self.bare_grid:
            self.fail(node, f"{key}: text is expected, but none is there")
        return value.strip()

    def number(self, node: Node, key: str) -> Fraction:
        word = self.scalar(node, key, "a number")
        try:
            return number(word.strip())
        except ValueError as error:
            self.fail(node, f"{key}: {error}")

    def divisor(self, node: Node, grids: _Grids) -> Fraction:
        if isinstance(node, ScalarNode) and node.value == "sum":
            total = sum(grids.flat, Fraction(0))
            if total == 0:
                self.fail(node, "divisor: the weights sum to zero, so `sum` cannot divide; a number is expected")
            return total
        divisor = self.number(node, "divisor")
        if divisor == 0:
            self.fail(node, "divisor: must not be zero; a number or the word `sum` is expected")
        return divisor

    def range(self, node: Node) -> str:
        word = self.text(node, "range")
        if word not in RANGES:
            self.fail(node, f"range: one of {', '.join(RANGES)} is expected, not {word!r}")
        return word

    def tags(self, node: Node) -> tuple[str, ...]:
        return tuple(self.text(item, "tags") for item in self.sequence(node, "tags: a list of words"))

    def weights(self, node: Node) -> _Grids:
        rows = self.sequence(node, "weights: a list of rows")
        grids = _Grids()
        first = rows[0] if rows else None
        if isinstance(first, SequenceNode) and first.value and isinstance(first.value[0], SequenceNode):
            if len(rows) != 3:
                self.fail(node, f"weights: {len(rows)} grids, expected 3 (red, green, blue) or one grid of rows")
            shapes = [self.grid(plane, f"weights: grid {i}", grids) for i, plane in enumerate(rows, 1)]
            for i, shape in enumerate(shapes[1:], 2):
                if shape != shapes[0]:
                    size, wanted = "x".join(map(str, shape[::-1])), "x".join(map(str, shapes[0][::-1]))
                    self.fail(rows[i - 1], f"weights: grid {i} is {size}, expected {wanted} as grid 1")
            grids.shape = (3, *shapes[0])
        else:
            grids.shape = self.grid(node, "weights", grids)
        return grids

    def grid(self, node: Node, key: str, grids: _Grids) -> tuple[int, int]:
        rows = self.sequence(node, f"{key}: a list of rows")
        if not rows:
            self.fail(node, f"{key}: empty; rows of numbers are expected, as in `- [1, 2, 1]`")
        width = 0
        for index, row in enumerate(rows, 1):
            items = self.sequence(row, f"{key}: row {index}: a list of numbers, as in `[1, 2, 1]`,")
            if not items:
                self.fail(row, f"{key}: row {index} is empty; numbers are expected")
            if width and len(items) != width:
                self.fail(row, f"{key}: row {index} has {len(items)} values, expected {width} as in row 1")
            width = len(items)
            if len(grids.flat) + width > _MOST_WEIGHTS:
                self.fail(row, f"{key}: more than {_MOST_WEIGHTS} weights; a .npy file holds more")
            grids.flat += [self.number(item, f"{key}: row {index}, value {i}") for i, item in enumerate(items, 1)]
            grids.fractions |= any("/" in item.value for item in items)
        return len(rows), width
