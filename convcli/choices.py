"""The words a user chooses among, for checks, help and documentation; and which of them another word may mean.

Imports nothing before there is such a word.
"""

from __future__ import annotations

from collections.abc import Iterable


def is_one(value: object, words: tuple[str, ...]) -> bool:
    """Whether the value is one of the words; whatever else it may be, it is not."""
    return isinstance(value, str) and value in words


def suggestion(word: str, words: Iterable[str], otherwise: str) -> str:
    """How a sentence about an unknown word ends: `did you mean 'stride'?`, or `otherwise` where no word is near."""
    from difflib import get_close_matches

    found = get_close_matches(word, list(words), 1)
    return f"did you mean {found[0]!r}?" if found else otherwise


def suggestions(word: str, names: list[str]) -> str:
    """`; did you mean ...?` with the nearest of the names, or nothing."""
    from difflib import get_close_matches

    found = get_close_matches(word.lower().replace("_", "-"), names, 3, 0.5)
    return f"; did you mean {' or '.join(found)}?" if found else ""


PADDING_MODES = ("zeros", "constant", "replicate", "reflect", "symmetric", "circular")

# What other tools call these modes, where the word has only one meaning among them.
SYNONYMS = {
    "zero": "zeros",
    "edge": "replicate",
    "nearest": "replicate",
    "mirror": "reflect",
    "wrap": "circular",
    "tile": "circular",
}

RANGES = ("clip", "abs", "normalize", "offset")
CHANNELS = ("each", "sum", "gray")
ALPHA = ("keep", "weight", "filter", "drop")
COMPRESSION = ("none", "fast", "max")

# How the responses of several kernels to the same picture become one.
COMBINE = ("magnitude", "max", "sum", "mean", "angle")
