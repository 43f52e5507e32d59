"""Whatever a decoder stumbles over in a file, as one sentence: damage, or a kind of file that is not read."""

from __future__ import annotations

import re

from convcli.errors import AccessError, ConvcliError, ImageError, first_line

# How decoders say that a file may well be whole.
_UNREAD = re.compile(
    r"un(support|known|implement|recogni|handled)|not (a known|support|implement|available|identif)|cannot handle"
    r"|requires the|unable to determine|raw ?mode|no decoder|KeyError|^\d+$|^COMPRESSION",
    re.IGNORECASE,
)


def trouble(name: str, error: Exception) -> ConvcliError:
    """What a decoder's error says about the file `name`."""
    if isinstance(error, OSError) and error.errno:  # the disk's trouble, not the file's
        return AccessError(f"{name} can't be read: {error.strerror or error}")
    reason = first_line(error)
    if isinstance(error, (NotImplementedError, KeyError)) or _UNREAD.search(reason):
        return ImageError(f"{name} is of a kind that can't be read: {reason}")
    return ImageError(f"{name} is damaged or incomplete: {reason}")
