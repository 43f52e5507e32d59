"""Writes docs/kernels.md from the kernels themselves: `python docs/make_kernels.py`."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from convcli.kernel import Kernel
from convcli.presets import catalogue

HEAD = """# Kernels

Every kernel that has a name, as `convcli kernels list` shows them; `convcli kernels show NAME` draws the weights.
This page is made by `docs/make_kernels.py`.
"""


def group_of(kernel: Kernel) -> str:
    """What it is for: its first tag."""
    return kernel.tags[0] if kernel.tags else "other"


def page() -> str:
    """The whole page as Markdown."""
    parts = [HEAD]
    for group, members in groupby(catalogue(), group_of):
        parts.append(
            f"## {group.capitalize()}\n\n| Kernel | Size | Range | What it does | Source |\n|---|---|---|---|---|"
        )
        for k in members:
            height, width = k.size
            cells = (f"`{k.name}`", f"{width}x{height}", k.range or "clip", k.description, k.source)
            parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append("")
    return "\n".join(parts)


if __name__ == "__main__":
    (Path(__file__).parent / "kernels.md").write_text(page(), encoding="utf-8")
