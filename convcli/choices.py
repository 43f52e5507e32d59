"""The words that options accept, for checks, help and documentation, and suggestions for a mistyped word.

Nothing is imported until a suggestion is needed.
"""

from __future__ import annotations

from collections.abc import Iterable


def is_one(value: object, words: tuple[str, ...]) -> bool:
    """Return whether the value is one of the words; it may be of any type."""
    return isinstance(value, str) and value in words


def suggestion(word: str, words: Iterable[str], otherwise: str) -> str:
    """Return the end of a message on an unknown word: `did you mean 'stride'?`, or `otherwise` if none is similar."""
    from difflib import get_close_matches

    found = get_close_matches(word, list(words), 1)
    return f"did you mean {found[0]!r}?" if found else otherwise


def suggestions(word: str, names: list[str]) -> str:
    """Return `; did you mean ...?` with the most similar names, or an empty string."""
    from difflib import get_close_matches

    found = get_close_matches(word.lower().replace("_", "-"), names, 3, 0.5)
    return f"; did you mean {' or '.join(found)}?" if found else ""


PADDING_MODES = ("zeros", "constant", "replicate", "reflect", "symmetric", "circular")

# Other tools' names for these modes, where a name has the same meaning in all of them.
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

# How the responses of several kernels to the same picture are combined.
COMBINE = ("magnitude", "max", "sum", "mean", "angle")
