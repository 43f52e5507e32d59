"""Standard input and output, as bytes."""

from __future__ import annotations

import sys
from typing import Any

from convcli.errors import RecipeError
from convcli.files.reading import MOST, read_to_end


def standard_input(most: int = MOST) -> bytes:
    """All of standard input, of at most so many bytes."""
    if sys.stdin.isatty():
        raise RecipeError("standard input is a terminal; pipe a picture into it, or name a file")
    return read_to_end(sys.stdin.buffer, "standard input", most)


def standard_output() -> Any:
    """Standard output for bytes; a terminal is refused."""
    if sys.stdout.isatty():
        raise RecipeError("a picture is not written to a terminal; redirect standard output, or name a file")
    return sys.stdout.buffer
