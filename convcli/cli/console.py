"""How tables and grids reach the terminal; plain text where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_PLAIN_WIDTH = 120


def console() -> Console:
    """A Rich console on standard output; a pipe, a file, a dumb terminal and NO_COLOR get plain text, not even bold."""
    import io
    import os
    import sys

    from rich.console import Console

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a name that the terminal cannot show is no reason to fail
    screen = Console(highlight=False, soft_wrap=False, color_system=None if os.environ.get("NO_COLOR") else "auto")
    return screen if screen.is_terminal else Console(highlight=False, width=_PLAIN_WIDTH)
