"""The exceptions of convcli. Their messages are for users; each has the exit code of the command line."""

import errno


class ConvcliError(ValueError):
    """An error whose message says what could not be done, with which value, and what to do instead."""

    exit_code = 1


class RecipeError(ConvcliError):
    """The request itself is wrong: a kernel, an option, or the two together. Another file would not help."""

    exit_code = 2


class KernelError(RecipeError):
    """A kernel, its file or its name is wrong."""


class GeometryError(RecipeError):
    """Stride, padding or dilation is impossible, or the kernel does not fit the picture."""


class ImageError(ConvcliError):
    """A picture could not be read, understood or written."""


class AccessError(ImageError):
    """A file could not be reached: the disk, the network or a permission. Another try may help."""


def first_line(error: Exception) -> str:
    """Return the message of a library's or the system's error, as one line without its full stop."""
    told = str(getattr(error, "strerror", None) or error).strip().splitlines()
    if told:
        return told[0].strip().rstrip(".")
    if isinstance(error, OSError) and error.errno == getattr(errno, "EREMOTEIO", None):
        return "the store failed"
    return "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
