"""YAML kernel files: the schema, its errors with file, line, column and key, and the traps of YAML 1.1."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convcli.choices import RANGES
from convcli.errors import ConvcliError, KernelError, RecipeError
from convcli.kernel import Kernel
from convcli.kernels.load import load_kernel
from convcli.kernels.readers.yaml_tree import parse_yaml, to_yaml

FULL = """\
name: my-kernel
description: Does a thing.
weights:
  - [1, 2, 1]
  - [2, 4, 2]
divisor: 12
bias: 10
range: offset
source: Somebody (1999)
tags: [edge, blur]
"""


def one(text):
    kernels = parse_yaml(text, "k.yaml", "stem")
    assert len(kernels) == 1
    return kernels[0]


def fault(text):
    with pytest.raises(KernelError) as error:
        parse_yaml(text, "k.yaml", "stem")
    return str(error.value)


def test_every_key_is_read():
    kernel = one(FULL)
    assert kernel.weights.tolist() == [[1, 2, 1], [2, 4, 2]]
    assert (kernel.divisor, kernel.bias, kernel.range) == (12, 10, "offset")
    assert (kernel.name, kernel.description, kernel.source) == ("my-kernel", "Does a thing.", "Somebody (1999)")
    assert kernel.tags == ("edge", "blur")


def test_weights_alone_are_enough_and_the_name_is_the_files():
    kernel = one("weights: [[1, 2]]")
    assert (kernel.name, kernel.divisor, kernel.bias, kernel.range) == ("stem", 1, 0, None)


def test_divisor_sum_is_the_sum_of_the_weights():
    assert one("weights: [[1, 2], [3, 0.5]]\ndivisor: sum").divisor == 6.5


def test_three_grids_are_a_kernel_of_depth_three():
    kernel = one("weights:\n  - [[1, 0]]\n  - [[0, 1]]\n  - [[2, 2]]\n")
    assert kernel.depth == 3
    assert kernel.weights.tolist() == [[[1, 0]], [[0, 1]], [[2, 2]]]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("1e-3", 0.001), ("1E3", 1000.0), ("+2", 2.0), ("010", 10.0), (".5", 0.5), ("3.", 3.0), ("'7'", 7.0), ("-0", 0.0)],
)
def test_a_number_is_what_a_person_means(written, meant):
    assert one(f"weights: [[{written}]]").weights[0, 0] == meant


def test_fractions_become_whole_weights_over_a_divisor():
    kernel = one("weights: [[1/9, 2/9], [1/3, 0]]")
    assert (kernel.weights.tolist(), kernel.divisor) == ([[1, 2], [3, 0]], 9)


@pytest.mark.parametrize(
    "word", ["1_0", "on", "yes", "true", "null", "~", "1:30", "0x10", ".nan", ".inf", "-.inf", "a", "''"]
)
def test_what_is_no_number_is_an_error_that_names_the_place(word):
    message = fault(f"name: x\nweights:\n  - [1, 2]\n  - [3, {word}]\n")
    assert message.startswith("k.yaml:4:9: weights: row 2, value 2: ")
    assert "number" in message


def test_a_name_is_text_even_where_yaml_sees_something_else():
    assert one("name: on\nweights: [[1]]").name == "on"
    assert one("name: 3\nweights: [[1]]").name == "3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "k.yaml: empty; a mapping with `weights:` is expected"),
        ("[1, 2]", "k.yaml:1:1: a mapping with `weights:` or `kernels:` is expected"),
        ("weights:", "k.yaml:1:9: weights: a list of rows is expected, but none is there"),
        ("weights: 3", "k.yaml:1:10: weights: a list of rows is expected, not '3'"),
        ("weights: []", "k.yaml:1:10: weights: empty"),
        ("weights: [[]]", "k.yaml:1:11: weights: row 1 is empty"),
        ("weights: [1, 2]", "k.yaml:1:11: weights: row 1: a list of numbers"),
        ("weights:\n  - [1, 2]\n  - [3]", "k.yaml:3:5: weights: row 2 has 1 values, expected 2 as in row 1"),
        ("weights: [[1, [2]]]", "k.yaml:1:15: weights: row 1, value 2: a number is expected, not a list"),
        ("weights: [[[1]], [[2]]]", "k.yaml:1:10: weights: 2 grids, expected 3"),
        ("weights: [[[1]], [[2]], [[3, 4]]]", "k.yaml:1:25: weights: grid 3 is 2x1, expected 1x1 as grid 1"),
        ("weights: [[[1]], [[2]], 3]", "k.yaml:1:25: weights: grid 3: a list of rows is expected, not '3'"),
        ("weights: [[1]]\nwieghts: 3", "k.yaml:2:1: wieghts: unknown key; did you mean 'weights'?"),
        ("weights: [[1]]\nzzz: 3", "k.yaml:2:1: zzz: unknown key; expected one of name, description"),
        ("weights: [[1]]\nbias: 1\nbias: 2", "k.yaml:3:1: bias: the key is there twice, first in line 2"),
        ("name: x", "k.yaml:1:1: weights: missing"),
        ("weights: [[1]]\ndivisor: 0", "k.yaml:2:10: divisor: must not be zero"),
        ("weights: [[1, -1]]\ndivisor: sum", "k.yaml:2:10: divisor: the weights sum to zero"),
        ("weights: [[1]]\ndivisor: total", "k.yaml:2:10: divisor: 'total' is not a number"),
        ("weights: [[1]]\nbias: [1]", "k.yaml:2:7: bias: a number is expected, not a list"),
        ("weights: [[1]]\nrange: cilp", "k.yaml:2:8: range: one of clip, abs, normalize, offset is expected, not "),
        ("weights: [[1]]\ntags: edge", "k.yaml:2:7: tags: a list of words is expected, not 'edge'"),
        ("weights: [[1]]\nname:", "k.yaml:2:6: name: text is expected, but none is there"),
        ("weights: [[1]]\nname: [a]", "k.yaml:2:7: name: text is expected, not a list"),
        ("weights: [[1]\nname: x", "k.yaml:2:1: not valid YAML: "),
        ("weights: [[1]]\n\tname: x", "k.yaml:2:1: not valid YAML: "),
        ("a: &x [[1]]\nweights: *y", "k.yaml:2:10: not valid YAML: "),
        ("weights: [[1]]\n---\nweights: [[2]]", "k.yaml:2:1: not valid YAML: "),
        ("weights: [[1]]\nname: \x07", "k.yaml: not valid YAML: "),
        ("kernels: []", "k.yaml:1:10: kernels: an empty list"),
        ("kernels: 1", "k.yaml:1:10: kernels: a list of kernels is expected"),
        ("kernels: [{weights: [[1]]}]", "k.yaml:1:11: name: missing"),
        ("kernels:\n- {name: a, weights: [[1]]}\n- {name: a, weights: [[1]]}", "k.yaml:3:3: name: 'a' is there twice"),
        ("bias: 1\nkernels: []", "k.yaml:1:1: bias: beside `kernels:` nothing else is expected"),
        ("? [a]\n: 1", "k.yaml:1:3: key: text is expected, not a list"),
        ("<<: {weights: [[1]]}", "k.yaml:1:1: key: the tag !!merge is refused"),
    ],
)  # fmt: skip
def test_a_faulty_file_is_told_with_line_column_and_key(text, message):
    assert fault(text).startswith(message)


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system ['touch PWNED']",
        "!!python/name:os.system",
        "!!python/tuple [[1]]",
        "!!binary aGk=",
        "!!set {a}",
        "!mine [[1]]",
    ],
)
def test_tags_that_construct_objects_are_refused(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "k.yaml:1:10: weights: the tag !" in fault(f"weights: {value}")
    assert not list(tmp_path.iterdir())


def test_deep_nesting_and_repeated_anchors_are_refused_quickly(monkeypatch):
    assert "nested too deeply" in fault("weights: " + "[" * 5000 + "]" * 5000)
    monkeypatch.setattr("convcli.kernels.readers.yaml_tree._MOST_WEIGHTS", 1000)
    row = ", ".join(["1"] * 100)
    repeated = ", ".join(["*r"] * 100)
    message = fault(f"weights: [&r [{row}], {repeated}]")
    assert "weights: more than 1000 weights; a .npy file holds more" in message


def test_a_file_of_several_kernels(tmp_path):
    file = tmp_path / "two.yaml"
    file.write_text("kernels:\n  - {name: a, weights: [[1]]}\n  - {name: beta, weights: [[2]]}\n")
    assert load_kernel(f"{file}#beta").weights.tolist() == [[2]]
    with pytest.raises(KernelError, match=r"holds several kernels \(a, beta\); choose one, as in .*two.yaml#a"):
        load_kernel(str(file))
    with pytest.raises(KernelError, match="holds no kernel 'betta'; did you mean beta"):
        load_kernel(f"{file}#betta")


def test_a_file_with_a_byte_order_mark_and_windows_lines(tmp_path):
    file = tmp_path / "bom.yml"
    file.write_bytes(b"\xef\xbb\xbfweights:\r\n  - [1, 2]\r\n")
    assert load_kernel(str(file)).weights.tolist() == [[1, 2]]
    assert load_kernel(str(file)).name == "bom"


def test_what_the_disk_can_do_to_a_file(tmp_path):
    with pytest.raises(ConvcliError, match="no such file") as error:
        load_kernel(str(tmp_path / "nope.yaml"))
    assert error.value.exit_code == 1
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(ConvcliError, match="is a folder") as error:
        load_kernel(str(tmp_path / "folder.yaml"))
    assert error.value.exit_code == 1
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(KernelError, match="not a text file in UTF-8"):
        load_kernel(str(tmp_path / "binary.yaml"))
    with pytest.raises(RecipeError, match=r"a kernel file ends in .*, not '.doc'"):
        load_kernel("kernel.doc")


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=30).map(str.strip)
numbers = st.floats(-1e6, 1e6) | st.integers(-1000, 1000)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.integers(1, 4), st.integers(1, 4), st.booleans())
def test_what_to_yaml_writes_is_read_back_the_same(data, height, width, deep):
    count = height * width * (3 if deep else 1)
    flat = data.draw(st.lists(numbers, min_size=count, max_size=count))
    shape = (3, height, width) if deep else (height, width)
    kernel = Kernel(
        np.array(flat, float).reshape(shape),
        divisor=data.draw(numbers.filter(lambda d: abs(d) > 1e-9)),  # else the quotients may be infinite
        bias=data.draw(numbers),
        range=data.draw(st.none() | st.sampled_from(RANGES)),
        name=data.draw(words.filter(bool)),
        description=data.draw(words),
        source=data.draw(words),
        tags=tuple(data.draw(st.lists(words.filter(bool), max_size=3))),
    )
    assert one(to_yaml(kernel)) == kernel


def test_fractions_of_many_denominators_cost_no_more_than_others():
    """Their common denominator would have as many digits as there are weights."""
    primes = [p for p in range(2, 20000) if all(p % d for d in range(2, int(p**0.5) + 1))]
    rows = [[f"1/{primes[(y * 100 + x) % len(primes)]}" for x in range(100)] for y in range(100)]
    text = "weights:\n" + "".join(f"  - [{', '.join(row)}]\n" for row in rows)
    kernel = one(text)
    assert kernel.divisor == 1 and kernel.weights[0, 0] == 0.5 and kernel.weights[0, 1] == 1 / 3


def test_a_text_that_would_take_long_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr("convcli.kernels.readers.yaml_tree._LONGEST", 100)
    with pytest.raises(KernelError, match=r"more than 100 characters; draw rows as \[1, 2, 3\], or use a \.npy file"):
        one("weights: [" + ", ".join(["[1]"] * 40) + "]")
