"""What pages that ship as one file have in common: what they may do, and how they show commands to copy."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Sequence
from hashlib import sha256

from convcli.printable import printable


def content_policy(scripts: Sequence[str], styles: Sequence[str], *more: str) -> str:
    """A content security policy: these scripts and styles, and `more`; nothing else runs, and nothing is fetched.

    scripts, styles: the texts of the elements, from tag to tag.
    """
    allowed = [f"{kind}-src {' '.join(map(_hash, texts))}" for kind, texts in (("script", scripts), ("style", styles))]
    return "; ".join(["default-src 'none'", *allowed, *more, "base-uri 'none'", "form-action 'none'"])


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"


def shell_word(text: str) -> str:
    """The text as a shell takes it for one word, printable: for a command that is shown to be copied."""
    if text.isprintable():
        return shlex.quote(text)
    escaped = "".join(printable(c) if not c.isprintable() else f"\\{c}" if c in "\\'" else c for c in text)
    return f"$'{escaped}'"  # as Bash and Zsh have it
