"""Text from outside, as a person may be shown it: kernels' names, files' names, what libraries say."""

from __future__ import annotations

MOST = 200  # characters of a name


def printable(text: str, most: int | None = MOST) -> str:
    """The text on one line, with nothing in it that a terminal obeys or that no encoding has; shortened where long.

    What can't be printed is written as an escape: control characters, lone surrogates, marks that turn a line around.
    The bytes of a file name that are no UTF-8, which Python keeps as lone surrogates, are written as bytes.
    """
    if most is not None and len(text) > most:
        text = f"{text[: most - most // 3 - 3]}...{text[-(most // 3) :]}"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def printable_lines(text: str, most: int | None = None) -> str:
    """The same for text of several lines, set with tabs."""
    return "\n".join("\t".join(printable(part, most) for part in line.split("\t")) for line in text.split("\n"))


def _escape(c: str) -> str:
    if "\udc80" <= c <= "\udcff":
        return f"\\x{ord(c) - 0xDC00:02x}"
    return c.encode("unicode_escape").decode()
