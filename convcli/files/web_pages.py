"""Helpers for generated web pages: the content security policy, and shell quoting of commands shown to be copied."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Sequence
from hashlib import sha256

from convcli.printable import printable


def content_policy(scripts: Sequence[str], styles: Sequence[str], *more: str) -> str:
    """Build a content security policy that allows these scripts and styles and `more`, and forbids all else.

    scripts, styles: the texts inside the elements.
    """
    allowed = [f"{kind}-src {' '.join(map(_hash, texts))}" for kind, texts in (("script", scripts), ("style", styles))]
    return "; ".join(["default-src 'none'", *allowed, *more, "base-uri 'none'", "form-action 'none'"])


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"


def shell_word(text: str) -> str:
    """Quote the text as one printable shell word, for a command that is shown to be copied."""
    if text.isprintable():
        return shlex.quote(text)
    escaped = "".join(printable(c) if not c.isprintable() else f"\\{c}" if c in "\\'" else c for c in text)
    return f"$'{escaped}'"  # Bash and Zsh syntax
