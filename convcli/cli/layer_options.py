"""From the options of `convcli layer` to the layers that they ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from convcli.cli.options import kernel_from
from convcli.errors import RecipeError

GEOMETRY = ("stride", "padding", "padding_mode", "dilation", "groups")


def layers_from(source: str, channels: int, options: dict[str, Any]) -> Any:
    """The layers that the filters' source describes."""
    how = {name: options[name] for name in GEOMETRY}
    if source == "layers_file":
        from convcli.layers.layer_files import load_stack

        return load_stack(Path(options["layers_file"]), channels, kernel_from).layers
    from convcli.layers.banks import from_kernels, from_weights
    from convcli.layers.conv import Conv2d

    if source == "weights":
        return [from_weights(options["weights"], bias=options["bias"], **how)]
    if source == "out_channels":
        return [Conv2d(channels, options["out_channels"], options["kernel_size"], bias=options["bias"],
                       seed=options["seed"], **how)]  # fmt: skip

    each = options["channels"] == "each"
    if each:
        del how["groups"]
    return [from_kernels([kernel_from(spec) for spec in options["kernels"]], channels, each, **how)]


def steps_from(source: str, options: dict[str, Any]) -> Any:
    """The layers that --then asks for; batch-norm finds its numbers in the weights file."""
    from convcli.layers.steps import step_of
    from convcli.layers.weights import split_name

    weights = split_name(options["weights"])[0] if source == "weights" else None
    return [step_of(text, weights) for text in options["steps"]]


def preparation_from(options: dict[str, Any]) -> Any:
    """What --preprocess says, changed by what else was given."""
    from dataclasses import replace

    from convcli.layers.prepare import PREPROCESS, Preparation

    base = PREPROCESS[options["preprocess"]] if options["preprocess"] else Preparation()
    given = {name: options[name] for name in ("resize", "center_crop", "scale", "mean", "std") if options[name]}
    if isinstance(given.get("center_crop"), int):
        given["center_crop"] = (given["center_crop"], given["center_crop"])
    if "scale" in given:
        if len(given["scale"]) != 1:
            raise RecipeError(f"--scale is one number, not {len(given['scale'])}")
        given["scale"] = given["scale"][0]
    return replace(base, **given)


def default_channels(source: str, options: dict[str, Any]) -> int:
    """How many channels filters are drawn for when there is no picture."""
    if source != "kernels":
        return 3
    return max(int(kernel_from(spec).depth) for spec in options["kernels"])


def first_bank(stack: Any) -> Any:
    """The first convolution, whose filters can be shown."""
    from convcli.layers.conv import Conv2d

    bank = next((one for one in stack.layers if isinstance(one, Conv2d)), None)
    if bank is None:
        raise RecipeError("there are no filters to show: no layer of the stack is a convolution")
    return bank


def labels_of(layers: Any, channels: int) -> tuple[str, ...]:
    """A label for each map behind the layers: the last bank's names, where it has any, else numbers."""
    from convcli.layers.conv import Conv2d

    bank = next((one for one in reversed(layers) if isinstance(one, Conv2d)), None)
    if bank is not None and bank.names:
        return bank.names
    return tuple(str(i) for i in range(channels if bank is None else bank.out_channels))
