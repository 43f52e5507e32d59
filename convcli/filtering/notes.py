"""Messages about a recipe and its result: a line that describes the recipe, and warnings about lost values."""

from __future__ import annotations

from convcli.filtering.recipe import Recipe
from convcli.geometry import Geometry
from convcli.kernel import Kernel
from convcli.words import counted

_TOLD = 0.01  # the share of saturated samples above which the user is warned


def described(recipe: Recipe) -> str:
    """Describe the recipe in one line, for the output's metadata and for reports."""
    geometry, plain = recipe.geometry, Geometry()
    words = [" then ".join(_kernel_words(kernel) for kernel in recipe.kernels)]
    for name in ("stride", "padding", "padding_mode", "padding_value", "dilation"):
        value = getattr(geometry, name)
        if value != getattr(plain, name):
            words.append(f"{name} {','.join(map(str, value)) if isinstance(value, tuple) else value}")
    words += [f"{name} {value}" for name in ("combine", "channels", "range") if (value := getattr(recipe, name))]
    return ", ".join(words)


def _kernel_words(kernel: Kernel) -> str:
    """Describe a kernel: its name, its size, and its weights if they are few."""
    words = [f"{kernel.shown} {kernel.size[1]}x{kernel.size[0]}"]
    if kernel.depth == 1 and kernel.weights.size <= 25:
        words.append(f"[{'; '.join(' '.join(f'{w:.6g}' for w in row) for row in kernel.weights)}]")
    words += [f"/ {kernel.divisor:.6g}"] * (kernel.divisor != 1) + [f"+ {kernel.bias:.6g}"] * (kernel.bias != 0)
    return " ".join(words)


def saturation(range_: str, samples: int, below: int, above: int) -> str | None:
    """Return the warning about saturated samples, with the option that avoids them; None if they are few."""
    if below + above <= _TOLD * samples:
        return None
    shares = [
        f"{100 * count / samples:.1f} % of the samples {where}"
        for count, where in ((below, "fell below black"), (above, "rose above white"))
        if count
    ]
    return f"{' and '.join(shares)} and were clipped; {_way_out(range_, below)}"


def stretched_without(infinite: int) -> str | None:
    """Return the warning about responses that `normalize` left out; None if there are none."""
    if not infinite:
        return None
    are = counted(infinite, "response is", "responses are")
    return f"{are} NaN or infinite; --range normalize stretched the finite ones"


def _way_out(range_: str, below: int) -> str:
    if range_ == "clip" and below:
        return "--range abs shows both signs, --range offset keeps zero at mid-gray, --range normalize keeps all"
    return "--range normalize, or a larger --divisor, keeps them"
