"""Writes docs/kernels.md from the kernels themselves: `python docs/make_kernels.py`."""
# ruff: noqa: E501 - a row of a Markdown table is one line

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from convcli.kernel import Kernel
from convcli.kernels.algebra import MODIFIERS
from convcli.kernels.catalogue import catalogue
from convcli.kernels.families import ALIASES, FAMILIES

ROOT = Path(__file__).parent.parent

HEAD = """# Kernels

What stands after `-k`, every kernel that has a name, and the files that hold kernels of your own.
This page is made by `docs/make_kernels.py` from the program itself.

```sh
convcli kernels list                                   # every kernel, by group
convcli kernels list blur sharpen                      # some groups
convcli kernels show "gaussian:sigma=1.5,size=5"       # weights, sum, rank, symmetry, range of the response
convcli kernels show sobel-x@45 --image turned.png     # the weights drawn, their frequency response beside them
convcli kernels show "1/9 2/9 1/3" --yaml              # any kernel as a file to keep and change
convcli kernels show scharr-x --emit opencv            # the equal call in another tool
```

## What a SPEC says

| Form | Example | Meaning |
|---|---|---|
| name | `sobel-x` | a kernel of the tables below, or of your own folders |
| name and parameters | `gaussian:sigma=2,size=9` | a family; `kernels show` tells its parameters |
| file | `my.yaml`, `set.yaml#edge` | a kernel file; `#` chooses where it holds several |
| rows | `1 2 1; 2 4 2; 1 2 1 / 16` | rows by `;`, numbers by spaces or commas, a divisor (or `sum`) after a free-standing `/` |
| ImageMagick's | `3x1: 1,2,1` | `WxH[+X+Y]: values`; `nan` and `-` weigh nothing |
| turned, changed | `sobel-x@45`, `sobel-x@flip` | `@` and how; several in a row apply from left to right |
| scaled | `2 * sobel-x`, `sobel-x / 4`, `-sobel-x` | every weight times a number |
| added | `identity - gaussian` | centre on centre; the sum or difference of both responses |
| composed | `gaussian:sigma=1.4 * laplacian` | one kernel that does first the left and then the right |
| grouped | `(sobel-x + sobel-y)@90`, `[1 0 -1] * [1; 2; 1]` | brackets; square ones hold rows inside a longer spec |

` + `, ` - `, ` * ` and ` / ` stand between spaces; `@` and a leading `-` stand beside what they change. `*` and `/` bind
closer than `+` and `-`. A spec that cannot be read is told with the column of the fault. Numbers are decimals (`0.1`,
`1e-3`) or fractions (`1/9`); as rows they are kept as whole weights over a divisor, so that results are exact.

"""

HOW = """A combination has the range of its parts where they agree and its weights sum to zero, `abs` where they sum to zero
otherwise, and else `clip`.

`--divisor` takes the place of the divisor as it is written, `--bias` of the bias: the divisor of a sum is the one that both
are written with, else the least that both go into; that of `A * B` is the product of both.

Angles are degrees, clockwise on the screen, because rows are counted downwards: `sobel-x@90` is `sobel-y`. The direction of
an edge kernel is where brightness must grow for a positive response: `e` is 0, `se` 45, `s` 90, and so on round to `ne`.
Multiples of 90 turn exactly; a 3x3 grid also turns by 45, every weight moving one place round the centre; all else is
interpolated, and the sums of the positive and of the negative weights stay what they were.

## Several kernels, one result

`-k a -k b` applies one kernel after the other, with pixels between. With `--combine` all see the same picture:

| `--combine` | Result |
|---|---|
| `magnitude` | the root of the sum of the squares: `-k sobel-x -k sobel-y` is the gradient's length, exact where weights and pixels are whole |
| `max` | the greatest response: the eight directions of `kirsch` are Kirsch's operator |
| `sum`, `mean` | theirs; with the kernels' own range where it is the same for all |
| `angle` | the direction of two gradients, across and down, as a hue: red to the right, then clockwise; as bright as the gradient is long, and black where there is none; no range but `clip` |

```sh
convcli apply -k sobel-x -k sobel-y --combine magnitude samples/scene.png gradient.png
convcli apply -k sobel-x -k sobel-y --combine angle samples/scene.png directions.png
convcli compare samples/scene.png -k sobel-x -k emboss -k sharpen sheet.png
convcli compare samples/scene.png -k gaussian-5 --padding-mode all modes.png
```

"""

FILES = """## Files

| Suffix | What it holds |
|---|---|
| `.yaml`, `.yml` | the keys below; several kernels as a list under `kernels:` |
| `.json` | the same keys, or a bare grid; what `kernels show --json` prints |
| `.csv`, `.tsv`, `.txt` | rows of numbers, `#` begins a comment; or ImageMagick's `WxH: values` |
| `.mat` | a libvips matrix: `WIDTH HEIGHT [SCALE [OFFSET]]`, then the rows |
| `.npy` | an array (KH, KW) or (3, KH, KW) |
| `.png`, `.tif` and other pictures | the luma as weights, divided by their sum: a point-spread function |

```yaml
name: my-edge                       # optional, else the file's name
description: High on the left, low on the right.
weights:                            # one grid, or three for red, green and blue
  - [1, 0, -1]
  - [1, 0, -1]
  - [1, 0, -1]
divisor: 1                          # optional; a number, a fraction, or the word sum
bias: 0                             # optional; added after the division, on the 0..255 scale
range: abs                          # optional; clip, abs, normalize or offset
source: Where the numbers are from
tags: [edge, gradient]
```

A file is data: nothing in it is ever executed, and tags that would construct objects are refused. A key that is unknown
or there twice, a ragged row, what is no number, and a divisor of zero are told with file, line and column.

Files in `kernels/` of the current folder, in the folders of `CONVCLI_KERNELS` and in `convcli/kernels` of the
configuration folder (`$XDG_CONFIG_HOME`, else `~/.config`) are known by name, the nearest first, and `kernels list` says
where they come from. One that hides a built-in kernel is told whenever it is used; a copy of a built-in file counts as
built in.

`convcli kernels check FILE...` tells the facts of each kernel, notes what may be meant otherwise (a `clip` that loses half
of the response, weights that brighten), and exits with 2 where a file is faulty.

"""

IMAGEMAGICK = """## ImageMagick's kernels

Each has its equal, up to a factor; our kernels are not turned before they are applied, while `-morphology Convolve` turns
them by 180 degrees, so the equal of `Sobel` is `sobel-x` and not its negative. Lists of turned kernels (`@`, `>`) are
several kernels with `--combine`. In version 6.9.11 `FreiChen:12` and `FreiChen:17` have wrong signs; ours are the published
ones.

| ImageMagick | convcli |
|---|---|
"""


def group_of(kernel: Kernel) -> str:
    """What it is for: its first tag."""
    return kernel.tags[0] if kernel.tags else "other"


def row(cells: Iterable[str]) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def parameters(kernel: Kernel) -> str:
    """The parameters of the kernel's family with their defaults."""
    family = FAMILIES.get(kernel.name)
    if not family:
        return ""
    told = []
    for name, parameter in family.parameters.items():
        default = parameter.default
        told.append(
            f"`{name}`"
            if default is None
            else f"`{name}={default:g}`"
            if not isinstance(default, str)
            else f"`{name}={default}`"
        )
    return ", ".join(told)


def how() -> list[str]:
    """The words after `@`."""
    rows = [row(("`@45`", "turned clockwise by that many degrees"))]
    rows += [row((f"`@{word}`", meaning)) for word, (_, meaning) in MODIFIERS.items()]
    rows.append(row(("`@dilate=2`", "zeros between the weights, neighbours that far apart")))
    return ["| How | Meaning |", "|---|---|", *rows, ""]


def tables() -> list[str]:
    """All kernels, by group."""
    parts = ["## Names", ""]
    for group, members in groupby(catalogue(), group_of):
        parts += [
            f"### {group.capitalize()}",
            "",
            "| Kernel | Size | Range | What it does | Parameters | Source |",
            "|" + "---|" * 6,
        ]
        for k in members:
            size = f"{k.size[1]}x{k.size[0]}"
            parts.append(row((f"`{k.name}`", size, k.range or "clip", k.description, parameters(k), k.source)))
        parts.append("")
    parts += [f"`{alias}` is another word for `{name}`." for alias, name in ALIASES.items()]
    return [
        *parts,
        "A parameter without a value follows from the others: a Gaussian's size reaches three sigma to each side.",
        "",
    ]


def imagemagick() -> list[str]:
    """ImageMagick's names and ours, from the table that the tests compare."""
    lines = (ROOT / "tests" / "kernels" / "imagemagick_kernels.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split(" | ")[:2] for line in lines if not line.startswith(("#", " "))]
    return [row((f"`{theirs}`", f"`{ours}`")) for theirs, ours in pairs]


def page() -> str:
    """The whole page as Markdown."""
    parts = [HEAD + "\n".join(how()), HOW + "\n".join(tables()), FILES + IMAGEMAGICK + "\n".join(imagemagick())]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    (Path(__file__).parent / "kernels.md").write_text(page(), encoding="utf-8")
