"""YAML layer files -> stacks.

layers:
  - conv2d:
      filters:
        - {name: redness, weights: [[[1]], [[-0.5]], [[-0.5]]]}
        - {kernel: sobel-x}
      stride: 2
      padding: 1
  - relu
  - max-pool: {kernel_size: 3, stride: 2, padding: 1}
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from convcli.errors import ConvcliError, RecipeError
from convcli.files.reading import read_regular
from convcli.kernel import Kernel
from convcli.kernels.load import load_kernel
from convcli.kernels.readers.yaml_tree import _Grids, _Reader
from convcli.layers.banks import Filter, bank_of, from_weights
from convcli.layers.base import Layer
from convcli.layers.conv import Conv2d
from convcli.layers.stack import Stack
from convcli.layers.steps import STEPS, layer_of

_LARGEST = 32 * 2**20  # bytes of a file
_CONV_KEYS = (
    "in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "bias", "padding_mode",
    "seed", "filters", "weights",
)  # fmt: skip
_FILTER_KEYS = ("name", "description", "kernel", "weights", "divisor", "bias")


def load_stack(path: Path, channels: int, load: Callable[[str], Kernel] = load_kernel) -> Stack:
    """The stack that a layer file describes, for a picture of that many channels. load: gives the kernel of a SPEC.

    Raises KernelError naming file, line, column, and what was expected; ConvcliError where it cannot be read.
    """
    try:
        text = read_regular(path, _LARGEST).decode("utf-8-sig")
    except FileNotFoundError:
        raise ConvcliError(f"{path} does not exist") from None
    except UnicodeDecodeError:
        raise RecipeError(f"{path}: not a text file in UTF-8") from None
    except OSError as error:
        raise ConvcliError(f"{path} can't be read: {error.strerror or error}") from None
    reader = _LayerReader(path, channels, load)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        reader.fail(error.problem_mark, f"not valid YAML: {error.problem or error.context}")
    except (yaml.YAMLError, RecursionError):
        raise RecipeError(f"{path}: not valid YAML") from None
    if root is None:
        raise RecipeError(f"{path}: empty; a mapping with `layers:` is expected")
    return reader.stack(root)


class _LayerReader(_Reader):
    """Turns nodes into layers, with the number of channels that has come so far."""

    def __init__(self, path: Path, channels: int, load: Callable[[str], Kernel]) -> None:
        super().__init__(str(path))
        self.load = load
        self.folder, self.channels = path.parent, channels

    def stack(self, root: Node) -> Stack:
        keys = self.mapping(root, "a mapping with `layers:`", ("name", "description", "layers"))
        if "layers" not in keys:
            self.fail(root, "layers: missing; a list of layers is expected")
        items = self.sequence(keys["layers"][1], "layers: a list of layers")
        if not items:
            self.fail(keys["layers"][1], "layers: an empty list; at least one layer is expected")
        return Stack([self.layer(item) for item in items])

    def layer(self, node: Node) -> Layer:
        words = ("conv2d", *STEPS)
        if isinstance(node, ScalarNode):
            name, value = self.text(node, "layer"), None
            if name not in words:
                self.mapping(MappingNode(node.tag, [(node, node)], node.start_mark), "a layer", words)
        else:
            entries = self.mapping(node, f"a layer, one of {', '.join(words)},", words)
            if len(entries) != 1:
                self.fail(node, "a list item is one layer; begin each with a dash of its own")
            name, (_, value) = next(iter(entries.items()))
        try:
            return self.convolution(value, node) if name == "conv2d" else self.step(name, value)
        except ConvcliError as error:
            if str(error).startswith(self.file):
                raise
            self.fail(node, f"{name}: {error}")

    def step(self, name: str, node: Node | None) -> Layer:
        known, given = STEPS[name], {}
        if isinstance(node, MappingNode):
            given = {key: self.argument(value, key) for key, (_, value) in self.mapping(node, name, known).items()}
        elif node is not None and known:
            given = {known[0]: self.argument(node, known[0])}
        elif node is not None:
            self.fail(node, f"{name}: takes no value")
        if "tensors" in given:
            given["tensors"] = self.beside(given["tensors"])
        return layer_of(name, given)

    def argument(self, node: Node, key: str) -> str:
        if isinstance(node, SequenceNode):
            return "x".join(self.text(item, key) for item in node.value)
        return self.text(node, key)

    def convolution(self, node: Node | None, place: Node) -> Conv2d:
        if node is None:
            self.fail(place, "conv2d: filters, weights, or out_channels and kernel_size are expected")
        keys = self.mapping(node, "conv2d: a mapping", _CONV_KEYS)
        sources = [key for key in ("filters", "weights", "out_channels") if key in keys]
        if len(sources) != 1:
            self.fail(node, "conv2d: exactly one of filters, weights and out_channels is expected")
        options: dict[str, Any] = {
            key: self.size(keys[key][1], key) for key in ("stride", "padding", "dilation") if key in keys
        }
        if "padding_mode" in keys:
            options["padding_mode"] = self.text(keys["padding_mode"][1], "padding_mode")
        groups = self.whole(keys["groups"][1], "groups") if "groups" in keys else 1
        bias = self.flag(keys["bias"][1], "bias") if "bias" in keys else True
        self.refuse(keys, sources[0])
        if "filters" in keys:
            items = self.sequence(keys["filters"][1], "filters: a list of filters")
            layer = bank_of([self.filter(item) for item in items], self.channels, groups=groups, **options)
        elif "weights" in keys:
            spec = self.beside(self.text(keys["weights"][1], "weights"))
            layer = from_weights(spec, bias=bias, groups=groups, **options)
        else:
            layer = self.seeded(keys, groups=groups, bias=bias, **options)
        if "in_channels" in keys and self.whole(keys["in_channels"][1], "in_channels") != layer.in_channels:
            self.fail(keys["in_channels"][0], f"in_channels: {layer.in_channels} come in here")
        self.channels = layer.out_channels
        return layer

    def refuse(self, keys: dict[str, tuple[Node, Node]], source: str) -> None:
        """Keys that mean nothing beside where the weights come from."""
        without = {"filters": ("kernel_size", "seed", "bias"), "weights": ("kernel_size", "seed"), "out_channels": ()}
        for key in without[source]:
            if key in keys:
                self.fail(keys[key][0], f"{key}: has no meaning beside {source}")

    def seeded(self, keys: dict[str, tuple[Node, Node]], **options: Any) -> Conv2d:
        if "kernel_size" not in keys:
            self.fail(keys["out_channels"][0], "kernel_size: missing; out_channels needs it")
        out = self.whole(keys["out_channels"][1], "out_channels")
        seed = self.whole(keys["seed"][1], "seed") if "seed" in keys else 0
        return Conv2d(self.channels, out, self.size(keys["kernel_size"][1], "kernel_size"), seed=seed, **options)

    def filter(self, node: Node) -> Filter:
        keys = self.mapping(node, "a filter with `weights:` or `kernel:`", _FILTER_KEYS)
        name = self.text(keys["name"][1], "name") if "name" in keys else ""
        if ("kernel" in keys) == ("weights" in keys):
            self.fail(node, "a filter has either `weights:` or `kernel:`, a preset's name")
        bias = float(self.number(keys["bias"][1], "bias")) if "bias" in keys else None
        if "kernel" in keys:
            if "divisor" in keys:
                self.fail(keys["divisor"][0], "divisor: has no meaning beside `kernel:`, which brings its own")
            kernel = self.load(self.text(keys["kernel"][1], "kernel"))
            return Filter(kernel.scaled, kernel.bias if bias is None else bias, name or kernel.name)
        weights = self.planes(keys["weights"][1])
        if "divisor" in keys:
            weights = weights / float(self.divisor(keys["divisor"][1], _flat(weights)))
        return Filter(weights, bias or 0.0, name)

    def planes(self, node: Node) -> NDArray[np.float64]:
        """(KH, KW), or (C, KH, KW) for one grid a channel."""
        rows = self.sequence(node, "weights: a list of rows, or one such list for each channel")
        grids = _Grids()
        first = rows[0] if rows else None
        if not (isinstance(first, SequenceNode) and first.value and isinstance(first.value[0], SequenceNode)):
            shape: tuple[int, ...] = self.grid(node, "weights", grids)
        else:
            shapes = [self.grid(plane, f"weights: grid {i}", grids) for i, plane in enumerate(rows, 1)]
            for i, other in enumerate(shapes):
                if other != shapes[0]:
                    self.fail(rows[i], f"weights: grid {i + 1} is not {shapes[0][0]}x{shapes[0][1]} as grid 1")
            shape = (len(rows), *shapes[0])
        return np.array([float(w) for w in grids.flat]).reshape(shape)

    def size(self, node: Node, key: str) -> Any:
        """A whole number, a pair, four numbers, or a word."""
        if isinstance(node, SequenceNode):
            return tuple(self.whole(item, key) for item in node.value)
        word = self.text(node, key)
        return word if key == "padding" and word.replace("-", "").isalpha() else self.whole(node, key)

    def whole(self, node: Node, key: str) -> int:
        value = self.number(node, key)
        if value.denominator != 1:
            self.fail(node, f"{key}: a whole number is expected, not {self.text(node, key)}")
        return int(value)

    def flag(self, node: Node, key: str) -> bool:
        word = self.text(node, key).lower()
        if word not in ("true", "false"):
            self.fail(node, f"{key}: true or false is expected, not {word!r}")
        return word == "true"

    def beside(self, spec: str) -> str:
        """A weights file is named from the layer file's folder."""
        return str(self.folder / spec)


def _flat(weights: NDArray[np.float64]) -> _Grids:
    return _Grids(weights.shape, [Fraction(float(w)) for w in weights.ravel()])
