"""What may be shown of text from outside."""

import os
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from convcli.kernel import Kernel
from convcli.printable import MOST, printable, printable_lines

ANY = st.text(st.characters(codec=None) | st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"]))


@given(ANY)
def test_nothing_is_left_that_a_terminal_obeys_or_an_encoding_has_not(text):
    shown = printable(text)
    shown.encode()
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert "\n" not in shown and len(shown) <= 10 * MOST
    assert all(printable_lines(text).count(c) == text.count(c) for c in "\n\t")


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=MOST))
def test_what_can_be_shown_is_left_alone(text):
    if text.isprintable():
        assert printable(text) == printable_lines(text) == text


def test_the_bytes_of_a_name_are_shown_as_bytes():
    assert printable(os.fsdecode(b"caf\xe9 \xc3\xa9")) == r"caf\xe9 " + "\u00e9"
    assert printable("\ud800") == r"\ud800"


def test_long_names_keep_beginning_and_end():
    shown = printable("begin" + "x" * 10_000 + "end")
    assert len(shown) == MOST and shown.startswith("begin") and shown.endswith("end") and "..." in shown
    kernel = Kernel([[1]], name="x" * 10_000)
    assert len(kernel.shown) == MOST and len(kernel.label) <= MOST + 10 and kernel.name == "x" * 10_000
