"""Writes the tables of docs/formats.md from what convcli does to pictures: `python docs/make_formats.py`.

The pictures and the observations are those of the tests.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

PAGE = Path(__file__).parent / "formats.md"
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))


def table(rows: Iterable[tuple[str, ...]]) -> str:
    """Rows as Markdown, the first one as the head."""
    head, *body = rows
    lines = [head, ("---",) * len(head), *body]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def tables() -> dict[str, str]:
    """The tables by name."""
    import survey

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        modes = ("Mode", "Filtered", "As", "PNG", "TIFF", "JPEG")
        formats = ("Format", "Suffixes", "Modes read", "Pixels after the identity kernel", "Frames", "Options")
        return {
            "modes": table([modes, *survey.modes_seen(folder)]),
            "formats": table([formats, *survey.formats_seen(folder)]),
            "metadata": table(survey.metadata_seen(folder)),
        }


def page(text: str) -> str:
    """The page with its tables renewed."""
    for name, rows in tables().items():
        text = re.sub(
            rf"(<!-- {name} -->\n).*?(\n<!-- end -->)", lambda m, rows=rows: m[1] + rows + m[2], text, flags=re.DOTALL
        )
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
