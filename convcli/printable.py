"""Make text from outside safe to print: kernels' names, files' names, libraries' messages."""

from __future__ import annotations

MOST = 200  # most characters of a name


def printable(text: str, most: int | None = MOST) -> str:
    """Return the text on one line, without control sequences or unencodable characters, shortened to `most` characters.

    Control characters, lone surrogates and marks that reverse the direction of text are written as escapes. Bytes of a
    file name that are not UTF-8, which Python decodes as lone surrogates, are written as bytes.
    """
    if most is not None and len(text) > most:
        text = f"{text[: most - most // 3 - 3]}...{text[-(most // 3) :]}"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def printable_lines(text: str, most: int | None = None) -> str:
    """Return text of several lines, made printable line by line; tabs stay."""
    return "\n".join("\t".join(printable(part, most) for part in line.split("\t")) for line in text.split("\n"))


def _escape(c: str) -> str:
    if "\udc80" <= c <= "\udcff":
        return f"\\x{ord(c) - 0xDC00:02x}"
    return c.encode("unicode_escape").decode()
