"""What a stack does to a picture's shape, and what it costs, in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from convcli.layers.base import Shape
from convcli.layers.conv import Conv2d
from convcli.layers.stack import Stack
from convcli.words import amount, counted, size


def summary(stack: Stack, shape: Shape) -> dict[str, Any]:
    """Everything `convcli layer --summary` tells, ready for JSON.

    receptive_field: how many pixels of the picture, (height, width), one value looks at: r + (K' - 1) * j with the
        field r and the step j so far (Araujo, Norris & Sim, "Computing receptive fields of convolutional neural
        networks", Distill 2019).
    total_stride: how many pixels of the picture lie between neighbouring values.
    dense_weights: how many a fully connected layer between the same shapes would need.
    weight_uses: at how many places each weight of the bank is used.
    """
    shapes = stack.shapes(shape)
    field, step = (1, 1), (1, 1)
    rows: list[dict[str, Any]] = []
    for layer, before, after in zip(stack.layers, shapes[:-1], shapes[1:], strict=True):
        window = layer.window(before)
        field = _pair(r + (k - 1) * j for r, k, j in zip(field, window.extent, step, strict=True))
        step = _pair(j * s for j, s in zip(step, window.stride, strict=True))
        row: dict[str, Any] = {
            "type": layer.type,
            "layer": repr(layer),
            "input": list(before),
            "output": list(after),
            "parameters": layer.parameters,
            "multiply_adds": layer.multiply_adds(before),
            "receptive_field": list(field),
            "total_stride": list(step),
        }
        formula = layer.formula(before)
        if formula:
            row["formula"] = {"height": f"{formula[0]} = {after[1]}", "width": f"{formula[1]} = {after[2]}"}
        if isinstance(layer, Conv2d):
            row |= _convolution(layer, before, after)
        rows.append(row)
    return {
        "layers": rows,
        "input": list(shape),
        "output": list(shapes[-1]),
        "parameters": stack.parameters,
        "multiply_adds": sum(row["multiply_adds"] for row in rows),
        "receptive_field": list(field),
        "total_stride": list(step),
        "memory": stack.memory(shape),
    }


def _convolution(layer: Conv2d, before: Shape, after: Shape) -> dict[str, Any]:
    dense = prod(before) * prod(after)
    return {
        "kernel_size": list(layer.kernel_size),
        "stride": list(layer.stride),
        "dilation": list(layer.dilation),
        "groups": layer.groups,
        "weights": layer.weight.size,
        "biases": 0 if layer.bias is None else layer.bias.size,
        "dense_weights": dense,
        "dense_ratio": dense / layer.weight.size,
        "weight_uses": after[1] * after[2],
    }


def _pair(numbers: Any) -> tuple[int, int]:
    first, second = numbers
    return first, second


def shape_line(shape: Sequence[int], after: Sequence[int]) -> str:
    """The shapes as the framework prints them, for a batch of one picture: "(1, 3, 32, 32) -> (1, 16, 32, 32)"."""
    return f"{(1, *shape)} -> {(1, *after)}"


def as_text(numbers: dict[str, Any]) -> str:
    """The summary as a table, and below it each convolution in words."""
    head = ("", "layer", "output", "parameters", "multiply-adds", "field", "step")
    table = [head, ("0", "input", _size(numbers["input"]), "", "", "1x1", "1")]
    notes = []
    for number, row in enumerate(numbers["layers"], 1):
        cells = (_count(row["parameters"]), _count(row["multiply_adds"]), _size(row["receptive_field"]))
        table.append((str(number), row["layer"], _size(row["output"]), *cells, _even(row["total_stride"])))
        if "formula" in row:
            notes += _notes(number, row)
    total = (_count(numbers["parameters"]), _count(numbers["multiply_adds"]))
    table.append(("", "together", _size(numbers["output"]), *total, _size(numbers["receptive_field"]), ""))
    return "\n".join([*_aligned(table), "", *notes, _memory(numbers), shape_line(numbers["input"], numbers["output"])])


def _notes(number: int, row: dict[str, Any]) -> list[str]:
    lines = [f"{number}  height {row['formula']['height']}", f"   width  {row['formula']['width']}"]
    if "weights" in row:
        filters, depth = row["output"][0], row["input"][0] // row["groups"]
        kernel = "x".join(map(str, row["kernel_size"]))
        biases = f" + {counted(row['biases'], 'bias', 'biases')}" if row["biases"] else ""
        lines += [
            f"   {counted(filters, 'filter')} of {depth}x{kernel}{biases} = {counted(row['parameters'], 'parameter')}",
            "   sparse connectivity: a dense layer between these shapes has "
            f"{counted(row['dense_weights'], 'weight')}, "
            f"{amount(row['dense_ratio'])} times as many",
            f"   parameter sharing: each weight is used at {counted(row['weight_uses'], 'place')}",
        ]
    return [*lines, ""]


def _memory(numbers: dict[str, Any]) -> str:
    return f"memory for the largest layer's maps: {size(numbers['memory'])}"


def _aligned(table: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows of text: the first two columns to the left, the numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for row in table:
        left = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        right = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join([*left, *right]).rstrip())
    return lines


def _size(numbers: Sequence[int]) -> str:
    return "x".join(map(str, numbers))


def _even(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if len(set(numbers)) == 1 else _size(numbers)


def _count(number: int) -> str:
    return f"{number:,}" if number else "-"
