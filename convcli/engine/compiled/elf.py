"""Object files of Linux on x86-64: list their undefined symbols and load them into memory.

Numba makes LLVM generate code for the large code model, so every reference is a 64-bit absolute address, and loading a
file means copying it and writing those addresses. A file that needs anything else is refused: llvmlite can load every
file, but its import takes longer than filtering a small picture.

Format: System V ABI, chapter 4. Relocations: its AMD64 supplement, section 4.4.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
import sys
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_HEAD = b"\x7fELF\x02\x01"  # 64 bits, little-endian
_FOR_US = struct.pack("<HH", 1, 62)  # to be relocated, x86-64
_PROGBITS, _SYMTAB, _RELA, _REL, _UNWIND = 1, 2, 4, 9, 0x70000001
_WRITE, _ALLOC = 1, 2
_ABSOLUTE = 1  # R_X86_64_64: the symbol's address and the addend, in 64 bits


class _Section(NamedTuple):
    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry: int


class _Symbol(NamedTuple):
    name: str
    section: int  # 0: undefined
    value: int


def undefined(binary: bytes) -> list[str]:
    """Return the undefined symbols of an object file. Raises ValueError where it is not an object file."""
    return [symbol.name for symbol in _symbols(binary, _sections(binary)) if symbol.section == 0 and symbol.name]


def place(binary: bytes, name: str, outside: Mapping[str, int]) -> int:
    """Load an object file into executable, read-only memory and return the address of the symbol of that name.

    outside: the addresses of undefined symbols.
    Raises ValueError for a file that this loader does not support, OSError where the system refuses the memory.
    """
    if sys.platform != "linux" or binary[16:20] != _FOR_US:
        raise ValueError("an object file for another system")
    sections = _sections(binary)
    symbols = _symbols(binary, sections)
    starts = _layout(sections)
    image = bytearray(max(start + sections[index].size for index, start in starts.items()))
    for index, start in starts.items():
        image[start : start + sections[index].size] = binary[sections[index].offset :][: sections[index].size]
    entry = next(symbol for symbol in symbols if symbol.name == name)
    references = list(_references(binary, sections, starts))
    if not {entry.section, *(symbols[i].section for _, i, _ in references)} <= {0, *starts} or not entry.section:
        raise ValueError("a symbol outside of code and constants")
    base = _reserved(len(image))
    for at, index, addend in references:
        symbol = symbols[index]
        address = base + starts[symbol.section] + symbol.value if symbol.section else outside[symbol.name]
        struct.pack_into("<Q", image, at, address + addend)
    _fill(base, bytes(image))
    return base + starts[entry.section] + entry.value


def _sections(binary: bytes) -> list[_Section]:
    if binary[:6] != _HEAD:
        raise ValueError("not an object file of 64 bits")
    start, size, count = (*struct.unpack_from("<Q", binary, 40), *struct.unpack_from("<HH", binary, 58))
    return [_Section(*struct.unpack_from("<IIQQQQIIQQ", binary, start + i * size)) for i in range(count)]


def _symbols(binary: bytes, sections: list[_Section]) -> list[_Symbol]:
    """Read all symbols; an object file has one table of them."""
    table = next(section for section in sections if section.kind == _SYMTAB)
    strings = sections[table.link].offset
    symbols = []
    for name, _, _, section, value, _ in struct.iter_unpack("<IBBHQQ", binary[table.offset :][: table.size]):
        text = binary[strings + name : binary.index(b"\0", strings + name)].decode()
        symbols.append(_Symbol(text, section, value))
    return symbols


def _layout(sections: list[_Section]) -> dict[int, int]:
    """Return where in the image the sections of code and constants begin, one after the other."""
    starts, end = {}, 0
    for index, section in enumerate(sections):
        if not section.flags & _ALLOC or section.kind == _UNWIND:  # the code throws no C++ exceptions
            continue
        if section.kind != _PROGBITS or section.flags & _WRITE:
            raise ValueError("a section of another kind than code and constants")
        starts[index] = -(-end // max(section.align, 1)) * max(section.align, 1)
        end = starts[index] + section.size
    return starts


def _references(binary: bytes, sections: list[_Section], starts: dict[int, int]) -> Iterator[tuple[int, int, int]]:
    """Yield for each relocation: where in the image to write an address, the symbol's index, and the addend."""
    for section in sections:
        if section.kind not in (_RELA, _REL) or section.info not in starts:
            continue
        for offset, kind, index, addend in struct.iter_unpack("<QIIq", binary[section.offset :][: section.size]):
            if section.kind == _REL or kind != _ABSOLUTE or offset + 8 > sections[section.info].size:
                raise ValueError("a reference of another kind than a whole address")
            yield starts[section.info] + offset, index, addend


def _reserved(size: int) -> int:
    """Allocate so many bytes of memory and return their address.

    The memory is never freed: a thread may still run code in it when the interpreter ends.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    number, whole = ctypes.c_int, ctypes.c_ssize_t
    libc.mmap.argtypes = ctypes.c_void_p, ctypes.c_size_t, number, number, number, whole
    address = libc.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    if address == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "no memory for machine code")
    return int(address)


def _fill(base: int, image: bytes) -> None:
    """Copy the image to the address base, and make that memory executable instead of writable."""
    ctypes.memmove(base, image, len(image))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(base), ctypes.c_size_t(len(image)), mmap.PROT_READ | mmap.PROT_EXEC):
        raise OSError(ctypes.get_errno(), "memory can't be made executable")
