"""`convcli plan` and `apply --dry-run`: the numbers are those of the definition, and nothing is written."""

import json
from pathlib import Path

import naive
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from convcli.cli import main
from convcli.errors import ConvcliError
from convcli.explain.forecast import PictureShape, lines, plan_of
from convcli.filtering.recipe import Recipe
from convcli.geometry import Geometry
from convcli.kernel import Kernel

SCENE = Path(__file__).parents[2] / "samples" / "scene.png"


def convcli(*words, **how):
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False, **how)


@given(
    size=st.tuples(st.integers(5, 14), st.integers(5, 14)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    padding=st.sampled_from(["same", "full", (2, 3, 4, 5)]),
    channels=st.sampled_from(["each", "sum", "gray"]),
)
@settings(max_examples=60, deadline=None)
def test_work_is_counted_as_the_definition_does_it(size, kernel, stride, dilation, padding, channels):
    recipe = Recipe((Kernel(np.ones(kernel)),), Geometry.from_options(stride, padding, dilation=dilation), channels)
    (step,) = plan_of(PictureShape(size, 3, "uint8"), recipe).steps
    rows, columns = naive.starts(size, kernel, stride, padding, dilation)
    c = 1 if channels == "gray" else 3
    assert step.map.size == (len(rows), len(columns))
    assert step.map.channels == (1 if channels != "each" else 3)
    assert step.multiply_adds == len(rows) * len(columns) * kernel[0] * kernel[1] * c
    assert step.weights == kernel[0] * kernel[1]
    assert step.uses * step.weights == step.multiply_adds
    assert step.inputs == kernel[0] * kernel[1] * (3 if channels == "sum" else 1)
    assert step.dense_weights == size[0] * size[1] * c * step.map.samples
    for text, o in zip(step.formulas, (len(columns), len(rows)), strict=True):
        assert text.endswith(f" = {o}") and eval(text[4:].rsplit(" = ", 1)[0], {"floor": int}) == o
    lasts = [
        starts[-1] + d * (n - 1) for starts, d, n in zip((columns, rows), dilation[::-1], kernel[::-1], strict=True)
    ]
    ends = tuple(max(0, length - 1 - max(last, -1)) for last, length in zip(lasts, size[::-1], strict=True))
    assert step.uncovered == ends


def test_the_layer_of_the_lesson():
    kernel = Kernel(np.ones((3, 3, 3)))
    (step,) = plan_of(PictureShape((32, 32), 3, "uint8"), Recipe((kernel,))).steps
    assert step.map.size == (32, 32) and step.weights == 27
    assert step.uses == 32 * 32 and step.inputs == 27 and step.dense_weights == 3 * 32**2 * 32**2


def test_the_receptive_field_is_what_a_gradient_reaches():
    """PyTorch's autograd finds which pixels an output of the chain depends on."""
    sizes, stride, dilation = [(3, 5), (5, 1), (2, 3)], (2, 1), (1, 2)
    recipe = Recipe(
        tuple(Kernel(np.ones(size)) for size in sizes), Geometry.from_options(stride, "valid", dilation=dilation)
    )
    steps = plan_of(PictureShape((90, 90), 1, "float32"), recipe).steps
    for count in range(1, 4):
        x = torch.zeros(1, 1, 90, 90, requires_grad=True)
        y = x
        for size in sizes[:count]:
            y = torch.nn.functional.conv2d(y, torch.ones(1, 1, *size), stride=stride, dilation=dilation)
        y[0, 0, 1, 1].backward()
        rows, columns = np.nonzero(x.grad[0, 0].numpy())
        assert steps[count - 1].receptive == (np.ptp(rows) + 1, np.ptp(columns) + 1)


def test_a_chain_goes_from_map_to_map():
    recipe = Recipe((Kernel(np.ones((5, 5))), Kernel(np.ones((3, 3, 3)))), Geometry.from_options(2, "valid"))
    first, second = plan_of(PictureShape((101, 200), 3, "uint16"), recipe).steps
    assert (first.map.size, first.map.channels) == ((49, 98), 3)
    assert second.picture == first.map and (second.map.size, second.map.channels) == ((24, 48), 1)


def test_memory_holds_picture_map_and_responses():
    shape = PictureShape((100, 200), 3, "uint16")
    assert plan_of(shape, Recipe((Kernel([[1]]),))).memory == 100 * 200 * 3 * (2 + 2)
    assert plan_of(shape, Recipe((Kernel([[1]]),), range="normalize")).memory == 100 * 200 * 3 * (2 + 2 + 4)


def test_a_size_is_planned_without_a_picture():
    done = convcli("plan", "-k", "sobel-x", "--stride", "3", "--padding", "valid", "1921x1080")
    assert done.exit_code == 0 and done.stderr == ""
    told = done.stdout.splitlines()
    assert told[0] == "1921x1080: 1921x1080, 3 channels of uint8"
    assert "  width            O = floor((1921 - 3 + 0 + 0) / 3) + 1 = 640" in told
    assert "  uncovered        1 right column: no kernel position covers it" in told
    assert any(line.startswith("  time             about ") for line in told)


def test_json_has_every_number():
    told = json.loads(convcli("plan", "-k", "gaussian-5", "-k", "sobel-y", "--json", "64x48x1").stdout)
    assert [step["kernel"] for step in told["steps"]] == ["gaussian-5", "sobel-y"]
    assert told["steps"][0]["picture"] == {"size": [64, 48], "channels": 1, "dtype": "uint8"}
    assert told["steps"][1]["receptive"] == [7, 7]
    assert told["steps"][0]["route"] and told["steps"][0]["why"]
    assert 0 < told["seconds"] < 60 and told["memory"] == 64 * 48 * 2


def test_combined_kernels_see_the_same_picture():
    done = convcli("plan", "-k", "sobel-x", "-k", "sobel-y", "--combine", "magnitude", "--stride", "2", SCENE)
    assert done.stdout.count("O = floor((640 - 3 + 0 + 1) / 2) + 1 = 320") == 2
    assert "all together, combined by magnitude" in done.stdout


def test_a_dry_run_of_apply_speaks_json_too(tmp_path):
    words = ("-k", "gaussian-5", "-k", "sobel-x", "--stride", "2")
    done = convcli("apply", "--dry-run", "--json", *words, SCENE, tmp_path / "out.png")
    told, want = json.loads(done.stdout), json.loads(convcli("plan", "--json", *words, SCENE).stdout)
    told.pop("seconds"), want.pop("seconds")
    assert told == want and not (tmp_path / "out.png").exists()
    alone = convcli("apply", "--json", *words, SCENE, tmp_path / "out.png")
    assert alone.exit_code == 2 and "it goes with --dry-run" in alone.stderr and not (tmp_path / "out.png").exists()


def test_a_dry_run_of_apply_is_the_plan_and_writes_nothing(tmp_path):
    done = convcli("apply", "--dry-run", "-k", "sobel-x", SCENE, tmp_path / "out.png")
    assert done.exit_code == 0 and not list(tmp_path.iterdir())
    plan = convcli("plan", "-k", "sobel-x", SCENE).stdout
    assert done.stdout.splitlines()[:-1] == plan.splitlines()[:-1]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            ["plan", "-k", "box:size=99", "--padding", "valid", "40x40"],
            2,
            "the kernel does not fit: height O = floor((40",
        ),
        (["plan", "-k", "sobel-x", "none.png"], 1, "none.png"),
        (["plan", "-k", "sobel-x", "0x40"], 2, "0x40 is no size"),
        (["plan", "-k", "sobel-q", "40x40"], 2, "sobel-q"),
        (["apply", "-n", "-k", "sobel-x", str(SCENE), str(SCENE)], 1, "exists; --force overwrites it"),
        (["apply", "-n", "-k", "sobel-x", str(SCENE), "out.xyz"], 2, "xyz"),
    ],
)
def test_bad_input_is_named(words, code, message):
    done = convcli(*words)
    assert done.exit_code == code and message in " ".join(done.stderr.split()) and done.stdout == ""


def test_every_line_fits_120_columns():
    plan = plan_of(PictureShape((30000, 40000), 3, "uint8"), Recipe((Kernel(np.ones((9, 9)), name="box"),)))
    assert all(len(line) <= 120 for line in lines(plan))


def test_a_picture_of_the_wrong_depth_is_named():
    with pytest.raises(ConvcliError, match="depth 3, but the picture has 1 channel"):
        plan_of(PictureShape((9, 9), 1, "uint8"), Recipe((Kernel(np.ones((3, 3, 3))),)))


@pytest.mark.parametrize("size", ["0x5", "5x5x12", "-3x4", "5x5x5x5", "9999999999x1"])
def test_what_looks_like_a_size_and_is_none_is_told_so(size):
    done = CliRunner().invoke(main, ["plan", "-k", "sobel-x", "--", size])
    assert done.exit_code == 2 and f"{size} is no size: WIDTHxHEIGHT" in done.stderr
