"""Error messages for files that a decoder fails on: they are damaged, or of an unsupported kind."""

from __future__ import annotations

import re

from convcli.errors import AccessError, ConvcliError, ImageError, first_line

# Words of decoders' messages that mean an unsupported kind of file and not damage.
_UNREAD = re.compile(
    r"un(support|known|implement|recogni|handled)|not (a known|support|implement|available|identif)|cannot handle"
    r"|requires the|unable to determine|raw ?mode|no decoder|KeyError|^\d+$|^COMPRESSION",
    re.IGNORECASE,
)


def trouble(name: str, error: Exception) -> ConvcliError:
    """Return the error to raise for the file `name`, made from a decoder's exception."""
    if isinstance(error, OSError) and error.errno:  # the disk's trouble, not the file's
        return AccessError(f"{name} can't be read: {error.strerror or error}")
    reason = first_line(error)
    if isinstance(error, (NotImplementedError, KeyError)) or _UNREAD.search(reason):
        return ImageError(f"{name} is of a kind that can't be read: {reason}")
    return ImageError(f"{name} is damaged or incomplete: {reason}")
