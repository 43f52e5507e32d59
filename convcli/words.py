"""Counts, amounts, times and sizes as a person writes them."""

from __future__ import annotations

from math import floor, log10

_TIMES = (("hours", 3600.0), ("minutes", 60.0))
_SIZES = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def counted(count: int, one: str, many: str = "") -> str:
    """A number of things, in singular or plural.

    >>> counted(1, "frame"), counted(2000, "frame"), counted(0, "loop")
    ('1 frame', '2,000 frames', '0 loops')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def amount(number: float, digits: int = 2) -> str:
    """A measured number to two digits, or to the whole where it has more; never with an exponent.

    >>> amount(204.3), amount(0.0313), amount(1.04), amount(0.004), amount(12345)
    ('204', '0.031', '1', '0.004', '12,345')
    """
    if number == 0 or abs(number) >= 10**digits:
        return f"{number:,.0f}"
    places = max(digits - 1 - floor(log10(abs(number))), 0)
    text = f"{number:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration(seconds: float) -> str:
    """A time in the unit that suits it.

    >>> duration(0.2), duration(0.00002), duration(1.5), duration(5400), duration(1e6)
    ('200 ms', '0.1 ms', '1.5 s', '90 minutes', '278 hours')
    """
    for unit, scale in _TIMES:
        if seconds >= 2 * scale:
            return f"{amount(seconds / scale)} {unit}"
    if seconds >= 0.9995:
        return f"{amount(seconds)} s"
    return f"{amount(max(seconds * 1000, 0.1))} ms"


def elapsed(seconds: float) -> str:
    """A time that was measured, in seconds.

    >>> elapsed(0.0312), elapsed(0), elapsed(83.4)
    ('0.031 s', '0.001 s', '83 s')
    """
    return f"{amount(max(seconds, 0.001))} s"


def size(count: int) -> str:
    """A number of bytes.

    >>> size(1), size(9600), size(2_500_000_000)
    ('1 byte', '9.6 kB', '2.5 GB')
    """
    for unit, scale in _SIZES:
        if count >= 0.9995 * scale:
            return f"{amount(count / scale)} {unit}"
    return counted(count, "byte")
