"""The words a user chooses among, shared by the checks, the help text and the documentation. Imports nothing."""


def is_one(value: object, words: tuple[str, ...]) -> bool:
    """Whether the value is one of the words; whatever else it may be, it is not."""
    return isinstance(value, str) and value in words


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
