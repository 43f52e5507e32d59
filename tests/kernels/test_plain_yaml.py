"""Plain kernel files without PyYAML: what is read is what PyYAML reads, and everything else is left to it."""

import string

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from convcli import Kernel
from convcli.errors import KernelError
from convcli.kernels import folders
from convcli.kernels.readers.plain_yaml import plain_yaml
from convcli.kernels.readers.yaml_tree import parse_yaml, to_yaml

PRESETS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folders.built_in().glob("*.yaml"))}


def same(text):
    """Whether the text is read here; what is read then must be what PyYAML reads."""
    kernel = plain_yaml(text, "k.yaml", "stem")
    if kernel is None:
        return False
    (wanted,) = parse_yaml(text, "k.yaml", "stem")
    assert kernel == wanted
    assert (kernel.origin, kernel.denominator) == (wanted.origin, wanted.denominator)
    return True


@pytest.mark.parametrize("name", PRESETS)
def test_built_in_kernels_are_read_as_pyyaml_reads_them(name):
    """All but those of depth 3."""
    assert same(PRESETS[name]) != ("  - - [" in PRESETS[name])


@pytest.mark.parametrize("name", ["sobel-x", "gaussian-5"])
def test_what_is_written_is_plain(name):
    assert same(to_yaml(parse_yaml(PRESETS[name], "k.yaml")[0]))


@pytest.mark.parametrize(
    "line",
    [
        "name: a", "name: a-b c.d", 'name: "a: b"', 'name: " a "', "name: 12", "name: null", "name: yes", "name: 1e3",
        "name: a:b", "name: a#b", "name: a, [b]", "divisor: 0.1", "divisor: -3", "divisor: 1e3",
        "divisor: 12345678901234567890",
        "bias: -1.5E-03", "bias: 1e+2", "bias: 1e-400", "bias: +1.5", "bias: -0", "range: abs",
        "tags: [a]", "tags: [ a ,b ]", "tags: [true, 1]", "source: x   ",
    ],
)  # fmt: skip
def test_plain_lines_are_read(line):
    assert same(f"weights:\n  - [ 1, -2.50,+3]\n  - [0, 0007, 1]\n{line}\n")


@pytest.mark.parametrize(
    "line",
    [
        "name:", "name: ", "name:a", "name: a: b", "name: a #b", "name: a:", "name: 'a'", 'name: "a\\n"', 'name: "',
        'name: ""', "name: |", "name: - a", "name: [a]", "name: &a b", "name: !b", "name: a\n  b", "name: ä",
        "name: a\tb", "# a", "---", "", "name: a\nname: b", "colour: a", "divisor: sum", "divisor: 0", "divisor: 1/9",

        "divisor: 1e", "divisor: 1e+-3", "divisor: 1e0003", "divisor: 1e301",
        "divisor: e3", "divisor: 1_0", "divisor: .5", "bias: 0x1", "bias: nan", "range: no", 'range: "abs"',
        "tags: a", "tags: []", "tags: [a-b]", "tags: [a,]", "  - [1, 2]", "  - [1, 2, a]",
        "  - [1, 2, " + "1" * 41 + "]", "  - [1, 2, 3", "  - []",
    ],
)  # fmt: skip
def test_other_lines_are_left_to_pyyaml(line):
    assert not same(f"weights:\n  - [1, 2, 3]\n{line}\n")


def test_other_files_are_left_to_pyyaml():
    for text in (
        "",
        "\n",
        "weights:\n",
        "weights: []\n",
        "name: a\n",
        "weights:\n- [1]\n",
        "\ufeffweights:\n  - [1]\n",
    ):
        assert not same(text)
    assert same("weights:\n  - [1]")


def test_a_kernel_of_too_many_weights_is_left_to_pyyaml(monkeypatch):
    monkeypatch.setattr("convcli.kernels.readers.plain_yaml.MOST_WEIGHTS", 5)
    assert same("weights:\n  - [1, 2, 3, 4, 5]\n") and not same("weights:\n  - [1, 2, 3]\n  - [4, 5, 6]\n")


@given(arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.floats(-1e299, 1e299)),
       st.floats(1e-300, 1e299))  # fmt: skip
def test_any_weights_that_are_written_are_plain(weights, divisor):
    assume(np.abs(weights).max() / 1e300 < divisor)  # what the sums use is finite, or there is no such kernel
    assert same(to_yaml(Kernel(weights, divisor=divisor)))


pieces = st.sampled_from([*PRESETS.values()]).flatmap(
    lambda text: st.tuples(st.just(text), st.integers(0, len(text)), st.integers(0, 12))
)


@settings(max_examples=400)
@given(pieces, st.text(string.printable + "äλ\x85\u2028", max_size=6))
@example(("weights:\n  - [1]\n", 0, 0), "name: a\n")
def test_whatever_is_changed_both_read_the_same_or_pyyaml_alone(piece, new):
    """A file with a piece taken out and something put in its place."""
    text, at, length = piece
    try:
        same(text[:at] + new + text[at + length :])
    except KernelError as error:
        pytest.fail(f"read here, and refused by PyYAML: {error}")
