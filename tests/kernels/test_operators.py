"""What a kernel carries beside its weights, through every operator of a SPEC and every option: operator x property.

The oracle works on the weights and divisors as they are written, in fractions; convcli keeps whole numbers instead.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, lcm

import numpy as np
import pytest

from convcli import load_kernel
from convcli.filtering.recipe import override
from convcli.kernels.facts import anatomy


@dataclass(frozen=True)
class Written:
    """A kernel as a person wrote it: responses are sum(weights * pixels) / divisor + bias."""

    weights: np.ndarray  # of fractions, (KH, KW) or (3, KH, KW)
    divisor: Fraction
    bias: Fraction
    range: str | None

    @property
    def gain(self):
        """What flat ground is multiplied by."""
        return self.weights.sum() / self.divisor


def fractions(rows, depth=1):
    grid = np.array([[Fraction(word) for word in row.split()] for row in rows.split(";")])
    return grid if depth == 1 else np.array([grid, 2 * grid, 3 * grid])


OPERANDS = {
    "ninths": Written(fractions("1/9 2/9 1/9; 0 1/3 0; 1/9 0 -1/9"), Fraction(1), Fraction(7), "offset"),
    "sixths": Written(fractions("1/6 0 5/6; 1 2 1/2; 0 0 -1"), Fraction(1), Fraction(-3), None),
    "divided": Written(fractions("1 2 1; 2 4 2; 1 2 3"), Fraction(16), Fraction(0), "clip"),
    "both": Written(fractions("0.5 1 0.5; 1 0 1; 1 1 1"), Fraction(-5, 2), Fraction(1), "abs"),
    "balanced": Written(fractions("-0.5 0 0.5; -1 0 1; -0.5 0 0.5"), Fraction(4), Fraction(2), "abs"),
    "deep": Written(fractions("1/9 0 1/9; 0 1/3 0; 1/9 0 1/6", 3), Fraction(2), Fraction(5), "normalize"),
}
DEPTH = {name: 3 if written.weights.ndim == 3 else 1 for name, written in OPERANDS.items()}


def moved(how):
    return lambda k: replace(k, weights=how(k.weights))


def dilated(weights):
    grid = np.full((*weights.shape[:-2], *(2 * n - 1 for n in weights.shape[-2:])), Fraction(0))
    grid[..., ::2, ::2] = weights
    return grid


def scaled_by(factor):
    return lambda k: replace(k, weights=k.weights * factor, bias=k.bias * factor)


UNARY = {
    "{}": lambda k: k,
    "({})": lambda k: k,
    "{}@90": moved(lambda w: np.rot90(w, -1, (-2, -1))),
    "{}@360": lambda k: k,
    "{}@flip": moved(lambda w: w[..., ::-1, ::-1]),
    "{}@transpose": moved(lambda w: np.swapaxes(w, -2, -1)),
    "{}@dilate=2": moved(dilated),
    "{}@zero": moved(lambda w: w - w.sum() / w.size),
    "{}@sum": lambda k: replace(k, divisor=k.weights.sum()),
    "{}@l1": lambda k: replace(k, divisor=abs(k.weights).sum()),
    "{}@l2": lambda k: replace(k, divisor=Fraction(float((k.weights**2).sum()) ** 0.5)),
    "-{}": scaled_by(-1),
    "3/7 * {}": scaled_by(Fraction(3, 7)),
    "{} * -2": scaled_by(-2),
    "{} / 3": scaled_by(Fraction(1, 3)),
    "0 * {}": scaled_by(0),
}


def common(a, b):
    """The divisor that both share, else the least that both go into."""
    return a if a == b else Fraction(lcm(a.numerator, b.numerator), gcd(a.denominator, b.denominator))


def added(sign):
    def add(a, b):
        over = common(a.divisor, b.divisor)
        weights = a.weights * (over / a.divisor) + sign * b.weights * (over / b.divisor)
        return Written(weights, over, a.bias + sign * b.bias, None)

    return add


def composed(a, b):
    planes = [
        convolved(x, y)
        for x in a.weights.reshape(-1, *a.weights.shape[-2:])
        for y in b.weights.reshape(-1, *b.weights.shape[-2:])
    ]
    weights = np.array(planes) if len(planes) > 1 else planes[0]
    return Written(weights, a.divisor * b.divisor, a.bias * b.gain + b.bias, None)


def convolved(a, b):
    done = np.full((a.shape[0] + b.shape[0] - 1, a.shape[1] + b.shape[1] - 1), Fraction(0))
    for (y, x), w in np.ndenumerate(a):
        done[y : y + b.shape[0], x : x + b.shape[1]] += w * b
    return done


BINARY = {"{} + {}": added(1), "{} - {}": added(-1), "{} * {}": composed}


def file_of(name, folder):
    """The operand as a kernel file; its SPEC."""
    k, path = OPERANDS[name], folder / f"{name}.yaml"
    grids = k.weights.tolist() if k.weights.ndim == 3 else [k.weights.tolist()]
    lines = ["weights:"]
    for grid in grids:
        rows = [f"[{', '.join(map(str, row))}]" for row in grid]
        lines += [f"  - [{', '.join(rows)}]"] if len(grids) > 1 else [f"  - {row}" for row in rows]
    lines += [f"divisor: {k.divisor}", f"bias: {k.bias}"] + [f"range: {k.range}"] * (k.range is not None)
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def check(kernel, want):
    """The kernel, and what becomes of it under every option, against what was written."""
    whole = want.weights.astype(float)
    np.testing.assert_allclose(kernel.weights / kernel.divisor, whole / float(want.divisor), rtol=1e-12, atol=1e-15)
    assert kernel.bias == pytest.approx(float(want.bias), abs=1e-12)
    assert kernel.depth == (3 if want.weights.ndim == 3 else 1)
    assert not np.signbit(kernel.bias) or kernel.bias < 0
    divided = override(kernel, divisor=7)
    np.testing.assert_allclose(divided.scaled, whole / 7, rtol=1e-12, atol=1e-15)
    assert (divided.bias, divided.range, divided.name) == (kernel.bias, kernel.range, kernel.name)
    other = override(kernel, bias=9)
    assert (other.bias, other.range, other.denominator) == (9, kernel.range, kernel.denominator)
    turned = override(kernel, divisor=7, flip=True)
    np.testing.assert_allclose(turned.scaled, whole[..., ::-1, ::-1] / 7, rtol=1e-12, atol=1e-15)
    assert (turned.bias, turned.range) == (kernel.bias, kernel.range)


@pytest.mark.parametrize("operand", OPERANDS)
@pytest.mark.parametrize("form", UNARY)
def test_what_a_kernel_carries_through_one_operator(form, operand, tmp_path):
    spec = form.format(file_of(operand, tmp_path))
    want = UNARY[form](OPERANDS[operand])
    if form.endswith("@sum") and not want.divisor:
        with pytest.raises(ValueError, match="sum to zero"):
            load_kernel(spec)
        return
    kernel = load_kernel(spec)
    check(kernel, want)
    assert kernel.range == want.range
    if form.strip("()") != "{}":
        assert load_kernel(kernel.name) == kernel  # its name is a SPEC of it


@pytest.mark.parametrize("other", OPERANDS)
@pytest.mark.parametrize("one", OPERANDS)
@pytest.mark.parametrize("form", BINARY)
def test_what_two_kernels_carry_through_an_operator(form, one, other, tmp_path):
    spec = form.format(file_of(one, tmp_path), file_of(other, tmp_path))
    deep = [DEPTH[name] for name in (one, other)]
    if (deep == [3, 3] and "*" in form) or (deep[0] != deep[1] and "*" not in form):
        with pytest.raises(ValueError, match="depth 3"):
            load_kernel(spec)
        return
    kernel = load_kernel(spec)
    want = BINARY[form](OPERANDS[one], OPERANDS[other])
    check(kernel, want)
    parts = {OPERANDS[name].range or "clip" for name in (one, other)}
    own = parts.pop() if len(parts) == 1 and parts != {"clip"} else "abs"
    assert kernel.range == ("clip" if want.weights.sum() else own)
    assert load_kernel(kernel.name) == kernel


@pytest.mark.parametrize("form", ["{} + [0 0 0]", "[0 0 0] + {}", "{} - [0 0 0]", "{} * [1]", "1 * {}", "-(-{})"])
@pytest.mark.parametrize("rows", ["1/9 1/9 1/9", "0.5 0.25 0.25", "1 2 1", "1 2 1 / 4", "1/3 1/3 1/6 / sum"])
def test_what_adds_nothing_changes_nothing_under_any_divisor(form, rows):
    alone, kernel = load_kernel(f"[{rows}]"), load_kernel(form.format(f"[{rows}]"))
    np.testing.assert_allclose(kernel.scaled, alone.scaled, rtol=1e-12)
    if "/ " not in rows or "0 0" not in form:  # else their divisors differ, and the sum has one that both go into
        np.testing.assert_allclose(override(kernel, divisor=1).scaled, override(alone, divisor=1).scaled, rtol=1e-12)


@pytest.mark.parametrize("spec", ["-sobel-x", "-[1 2 1]", "0 * [1 2]", "-[0 0 0]", "-1 * box", "[1 2] / -4", "-emboss"])
def test_no_zero_is_negative(spec):
    kernel = load_kernel(spec)
    facts = anatomy(kernel)
    numbers = [*kernel.weights.flat, *kernel.scaled.flat, kernel.bias, facts.total, facts.low, facts.high]
    assert not [x for x in numbers if x == 0 and np.signbit(x)]
