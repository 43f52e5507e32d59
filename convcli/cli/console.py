"""How tables, grids and JSON reach the terminal; plain text where there is none."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from convcli.files.pipes import styled

if TYPE_CHECKING:
    from rich.console import Console

_PLAIN_WIDTH = 120


def console() -> Console:
    """A Rich console on standard output; a pipe, a file, a dumb terminal and NO_COLOR get plain text, not even bold.

    It escapes nothing: what came from outside goes through `printable` before it is printed there.
    """
    import os

    from rich.console import Console

    file = styled(sys.stdout)
    screen = Console(file=file, highlight=False, color_system=None if os.environ.get("NO_COLOR") else "auto")
    return screen if screen.is_terminal else Console(file=file, highlight=False, width=_PLAIN_WIDTH)


def error_console() -> Console:
    """A Rich console on standard error, for bars."""
    from rich.console import Console

    return Console(file=styled(sys.stderr))


def json_text(value: Any) -> str:
    """The value as JSON in one line; in escapes where the terminal's encoding has not all of it, or would obey it."""
    import json

    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return json.dumps(value)
    return text if text.isprintable() else json.dumps(value)


def tell_json(value: Any) -> None:
    """Print the value as JSON in one line."""
    click.echo(json_text(value))
