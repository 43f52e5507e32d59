"""Layers against PyTorch's: Conv2d as an object, activations, pooling, batch-norm, stacks and their summary."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import convcli
from convcli.errors import ConvcliError, GeometryError, RecipeError
from convcli.layers import Activation, AvgPool2d, BatchNorm2d, Conv2d, GlobalAvgPool2d, MaxPool2d, Stack
from convcli.layers import stack as stack_module
from convcli.layers.activation import erfc
from convcli.layers.steps import step_of
from convcli.layers.summary import as_text, shape_line, summary


def planes(*shape: int, dtype: Any = np.float32) -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype) * 3


def agree(ours: Any, theirs: Any, tolerance: float = 1e-6) -> None:
    theirs = theirs.detach().numpy()
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    assert np.allclose(ours, theirs, rtol=tolerance, atol=tolerance, equal_nan=True)


ARGUMENTS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((3, 16, 3), {"padding": 1}),
    ((3, 16), {"kernel_size": (3, 5), "stride": 2, "padding": (1, 2), "dilation": (2, 1)}),
    ((4, 8, 2), {"groups": 4, "bias": False}),
    ((4, 4, 3), {"padding": "same", "padding_mode": "reflect"}),
    ((1, 2, 1), {"padding": "valid", "padding_mode": "circular"}),
]


@pytest.mark.parametrize("args, kwargs", ARGUMENTS)
def test_conv2d_reads_and_computes_as_pytorchs(args: Any, kwargs: Any) -> None:
    ours, theirs = Conv2d(*args, **kwargs), torch.nn.Conv2d(*args, **kwargs)
    assert repr(ours) == repr(theirs)
    assert ours.parameters == sum(p.numel() for p in theirs.parameters())
    assert ours.weight.shape == tuple(theirs.weight.shape)
    assert (ours.bias is None) == (theirs.bias is None)
    ours.weight = theirs.weight.detach().numpy()
    if theirs.bias is not None:
        ours.bias = theirs.bias.detach().numpy()
    x = planes(2, args[0], 12, 13)
    agree(ours(x), theirs(torch.from_numpy(x)), 2e-5)
    assert ours.output((args[0], 12, 13)) == ours(x).shape[1:]


def test_the_lessons_layer() -> None:
    layer = convcli.Conv2d(in_channels=3, out_channels=16, kernel_size=3, stride=1, padding=1)
    assert layer(np.zeros((1, 3, 32, 32), np.float32)).shape == (1, 16, 32, 32)
    assert layer.parameters == 448


def test_the_first_weights_are_seeded_and_spread_as_pytorchs() -> None:
    torch.manual_seed(1)
    ours, again, other = Conv2d(64, 64, 3), Conv2d(64, 64, 3), Conv2d(64, 64, 3, seed=1)
    assert np.array_equal(ours.weight, again.weight) and not np.array_equal(ours.weight, other.weight)
    theirs = torch.nn.Conv2d(64, 64, 3)
    bound = 1 / math.sqrt(64 * 9)
    for mine in (ours.weight, ours.bias):
        assert mine is not None and np.abs(mine).max() <= bound
    assert ours.weight.std() == pytest.approx(float(theirs.weight.detach().std()), rel=0.02)
    assert np.abs(ours.weight).max() == pytest.approx(bound, rel=0.01)


@pytest.mark.parametrize(
    "args, kwargs, message",
    [
        ((3, 16, 0), {}, "kernel_size must be at least 1"),
        ((0, 16, 3), {}, "in_channels must be at least 1"),
        ((3, 16, 3), {"groups": 2}, "groups=2 does not divide the 3 input channels"),
        ((4, 3, 3), {"groups": 2}, "groups=2 does not divide the 3 filters"),
        ((3, 16, 3), {"padding": "sane"}, "padding must be valid, same"),
        ((3, 16, 3), {"padding_mode": "x"}, "padding_mode must be one of"),
        ((3, 16, 3), {"dtype": np.float16}, "dtype must be float32 or float64, not float16"),
    ],
)
def test_conv2d_refuses_wrong_arguments(args: Any, kwargs: Any, message: str) -> None:
    with pytest.raises(ConvcliError) as caught:
        Conv2d(*args, **kwargs)
    assert message in str(caught.value)


def test_weights_of_another_shape_are_refused() -> None:
    layer = Conv2d(3, 4, 3)
    with pytest.raises(RecipeError, match=r"has the shape \(4, 3, 3, 3\), not \(4, 3, 3\)"):
        layer.weight = np.zeros((4, 3, 3))
    with pytest.raises(RecipeError, match="takes 3 channel"):
        layer.output((4, 9, 9))
    with pytest.raises(RecipeError, match=r"\(C, H, W\), not \(9, 9\)"):
        layer(np.zeros((9, 9), np.float32))
    with pytest.raises(RecipeError, match="a layer takes float32 or float64, not uint8"):
        layer(np.zeros((3, 9, 9), np.uint8))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "ours, theirs",
    [
        (Activation("relu"), torch.nn.ReLU()),
        (Activation("leaky-relu"), torch.nn.LeakyReLU()),
        (Activation("leaky-relu", 0.3), torch.nn.LeakyReLU(0.3)),
        (Activation("sigmoid"), torch.nn.Sigmoid()),
        (Activation("tanh"), torch.nn.Tanh()),
        (Activation("gelu"), torch.nn.GELU()),
        (Activation("abs"), torch.abs),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_activations(ours: Any, theirs: Any, dtype: Any) -> None:
    x = np.concatenate([planes(1, 2, 40, 40, dtype=dtype).ravel(), np.array([0, 100, -100, np.nan], dtype)])
    x = x.reshape(1, 1, 2, -1)
    agree(ours(x), theirs(torch.from_numpy(x)), 1e-6 if dtype == np.float32 else 1e-13)


def test_erfc_is_the_error_functions_complement() -> None:
    x = np.concatenate([np.linspace(-7, 27, 20001), [np.inf, -np.inf]])
    exact = np.array([math.erfc(v) for v in x])
    assert np.all(np.abs(erfc(x) - exact) <= 4e-13 * exact + 1e-300)
    near = np.abs(x) < 4
    assert np.abs(erfc(x)[near] - exact[near]).max() < 1e-15


@st.composite
def pools(draw: Any) -> Any:
    kernel = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    stride = None if draw(st.booleans()) else (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    padding = draw(st.integers(0, kernel[0] // 2)), draw(st.integers(0, kernel[1] // 2))
    size = draw(st.integers(1, 17)), draw(st.integers(1, 17))
    assume(all(n + 2 * p >= k for n, k, p in zip(size, kernel, padding, strict=True)))
    return kernel, stride, padding, draw(st.booleans()), size


@settings(max_examples=250, deadline=None, derandomize=True)
@given(pools(), st.sampled_from([np.float32, np.float64]))
def test_pooling_is_pytorchs(pool: Any, dtype: Any) -> None:
    kernel, stride, padding, ceil_mode, size = pool
    x = planes(2, 3, *size, dtype=dtype)
    t = torch.from_numpy(x)
    ours: Any = MaxPool2d(kernel, stride, padding, ceil_mode=ceil_mode)
    agree(ours(x), torch.nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil_mode)(t))
    for counted in (True, False):
        ours = AvgPool2d(kernel, stride, padding, ceil_mode, counted)
        agree(ours(x), torch.nn.AvgPool2d(kernel, stride, padding, ceil_mode, counted)(t), 2e-6)
    assert ours.output((3, *size)) == ours(x).shape[1:]


@pytest.mark.parametrize("dilation", [2, (1, 3)])
def test_dilated_max_pooling(dilation: Any) -> None:
    x = planes(1, 2, 15, 16)
    theirs = torch.nn.MaxPool2d(3, 2, 1, dilation=dilation, ceil_mode=True)(torch.from_numpy(x))
    agree(MaxPool2d(3, 2, 1, dilation, True)(x), theirs)


def test_nan_wins_max_pooling_as_in_pytorch() -> None:
    x = planes(1, 1, 4, 4)
    x[0, 0, 1, 1] = np.nan
    agree(MaxPool2d(2)(x), torch.nn.MaxPool2d(2)(torch.from_numpy(x)))


def test_global_average_pooling() -> None:
    x = planes(2, 5, 7, 9)
    agree(GlobalAvgPool2d()(x), torch.nn.AdaptiveAvgPool2d(1)(torch.from_numpy(x)))


@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_in_inference(affine: bool) -> None:
    torch.manual_seed(2)
    theirs = torch.nn.BatchNorm2d(5, affine=affine, eps=1e-3).eval()
    theirs.running_mean, theirs.running_var = torch.randn(5), torch.rand(5) + 0.1
    if affine:
        torch.nn.init.normal_(theirs.weight)
        torch.nn.init.normal_(theirs.bias)
    own = [p.detach().numpy() for p in (theirs.weight, theirs.bias)] if affine else [None, None]
    ours = BatchNorm2d(theirs.running_mean.numpy(), theirs.running_var.numpy(), *own, eps=1e-3)
    x = planes(2, 5, 6, 7)
    agree(ours(x), theirs(torch.from_numpy(x)), 1e-5)
    assert ours.parameters == sum(p.numel() for p in theirs.parameters())


def test_batch_norm_refuses_what_does_not_fit() -> None:
    with pytest.raises(RecipeError, match=r"running_var has the shape \(2,\), but running_mean \(3,\)"):
        BatchNorm2d(np.zeros(3), np.ones(2))
    with pytest.raises(RecipeError, match="weight holds NaN"):
        BatchNorm2d(np.zeros(1), np.ones(1), np.array([np.nan]))
    with pytest.raises(RecipeError, match="running_var must not be negative"):
        BatchNorm2d(np.zeros(1), -np.ones(1))
    with pytest.raises(RecipeError, match="statistics of 3 channels, but 4 come in"):
        BatchNorm2d(np.zeros(3), np.ones(3))(planes(1, 4, 2, 2))


def resnet_stem() -> tuple[Stack, Any]:
    torch.manual_seed(3)
    conv, norm = torch.nn.Conv2d(3, 64, 7, 2, 3, bias=False), torch.nn.BatchNorm2d(64).eval()
    norm.running_mean, norm.running_var = torch.randn(64) / 9, torch.rand(64) + 0.5
    theirs = torch.nn.Sequential(conv, norm, torch.nn.ReLU(), torch.nn.MaxPool2d(3, 2, 1))
    bank = Conv2d.from_weights(conv.weight.detach().numpy(), stride=2, padding=3)
    bn = BatchNorm2d(*(v.detach().numpy() for v in (norm.running_mean, norm.running_var, norm.weight, norm.bias)))
    return Stack([bank, bn, Activation("relu"), MaxPool2d(3, 2, 1)]), theirs


def test_the_stem_of_a_resnet() -> None:
    ours, theirs = resnet_stem()
    x = planes(1, 3, 224, 224)
    agree(ours(x), theirs(torch.from_numpy(x)), 2e-5)
    numbers = summary(ours, (3, 224, 224))
    assert numbers["output"] == [64, 56, 56]
    assert [row["type"] for row in numbers["layers"]] == ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"]
    first, last = numbers["layers"][0], numbers["layers"][-1]
    assert first["parameters"] == 9408 and first["multiply_adds"] == 118013952
    assert first["formula"]["height"] == "floor((224 - 7 + 3 + 3) / 2) + 1 = 112"
    assert first["receptive_field"] == [7, 7] and first["total_stride"] == [2, 2]
    assert last["receptive_field"] == [11, 11] and last["total_stride"] == [4, 4]
    assert last["formula"]["width"] == "floor((112 - 3 + 1 + 1) / 2) + 1 = 56"


def test_the_summary_of_the_lessons_layer() -> None:
    numbers = summary(Stack([Conv2d(3, 16, 3, padding=1)]), (3, 32, 32))
    row = numbers["layers"][0]
    assert (row["input"], row["output"]) == ([3, 32, 32], [16, 32, 32])
    assert (row["weights"], row["biases"], row["parameters"]) == (432, 16, 448)
    assert row["multiply_adds"] == 16 * 32 * 32 * 27
    assert row["dense_weights"] == 3 * 32 * 32 * 16 * 32 * 32
    assert row["weight_uses"] == 1024
    text = as_text(numbers)
    assert "16 filters of 3x3x3 + 16 biases = 448 parameters" in text
    assert "a dense layer between these shapes has 50,331,648 weights, 116,508 times as many" in text
    assert "each weight is used at 1,024 places" in text
    assert text.endswith("(1, 3, 32, 32) -> (1, 16, 32, 32)")
    assert shape_line((3, 32, 32), (16, 32, 32)) == "(1, 3, 32, 32) -> (1, 16, 32, 32)"


def test_the_receptive_field_is_where_a_change_is_felt() -> None:
    """The definition: change every pixel in turn, and see which of them the middle value of the last map notices."""
    stack = Stack([Conv2d(1, 1, (3, 2), dilation=(2, 1)), AvgPool2d(2), Conv2d(1, 1, 3, stride=2)])
    x = np.zeros((1, 40, 30), np.float32)
    for layer in stack.layers:
        if isinstance(layer, Conv2d):
            layer.weight = np.ones_like(layer.weight)
    base, felt = stack(x), np.zeros(x.shape[1:], bool)
    for at in np.ndindex(*felt.shape):
        x[(0, *at)] = 1
        felt[at] = stack(x)[0, 1, 1] != base[0, 1, 1]
        x[(0, *at)] = 0
    rows, columns = felt.any(1).sum(), felt.any(0).sum()
    assert summary(stack, (1, 40, 30))["receptive_field"] == [rows, columns]


def test_a_stack_that_shrinks_to_nothing_names_the_layer_and_the_formula() -> None:
    stack = Stack([Conv2d(1, 2, 3), MaxPool2d(2), Activation("relu"), Conv2d(2, 2, 5)])
    with pytest.raises(GeometryError) as caught:
        stack(planes(1, 8, 20))
    assert str(caught.value).startswith("layer 4, Conv2d(2, 2, kernel_size=(5, 5), stride=(1, 1)), on 2x3x9: ")
    assert "height O = floor((3 - 5 + 0 + 0) / 1) + 1 < 1" in str(caught.value)
    with pytest.raises(GeometryError, match=r"layer 2, MaxPool2d.*floor\(\(2 - 4 \+ 0 \+ 0\) / 4\) \+ 1 < 1"):
        Stack([Conv2d(1, 2, 3), MaxPool2d(4)]).output((1, 4, 20))


def test_memory_is_asked_for_before_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_module, "free_memory", lambda: 3 * 10**9)
    stack = Stack([Conv2d(3, 1000, 3, padding=1)])
    assert stack.memory((3, 1000, 1000)) == 4 * 1003 * 10**6
    with pytest.raises(ConvcliError, match=r"would need 4 GB of memory, but 3 GB are free") as caught:
        stack(np.broadcast_to(np.float32(0), (3, 1000, 1000)))
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("relu", "ReLU()"),
        ("leaky-relu:0.2", "LeakyReLU(negative_slope=0.2)"),
        ("leaky-relu:1/4", "LeakyReLU(negative_slope=0.25)"),
        ("max-pool:3,stride=2,padding=1", "MaxPool2d(kernel_size=3, stride=2, padding=1)"),
        ("max-pool:3x2,ceil_mode=true", "MaxPool2d(kernel_size=(3, 2), stride=(3, 2), padding=0, ceil_mode=True)"),
        ("average-pool:2,count_include_pad=false",
          "AvgPool2d(kernel_size=2, stride=2, padding=0, count_include_pad=False)"),
        ("global-average-pool", "GlobalAvgPool2d()"),
    ],
)  # fmt: skip
def test_words_name_layers(text: str, wanted: str) -> None:
    assert repr(step_of(text)) == wanted


@pytest.mark.parametrize(
    "text, message",
    [
        ("rely", "unknown layer 'rely'; did you mean 'relu'?"),
        ("softmax9", "unknown layer 'softmax9'; choose from relu"),
        ("relu:3", "'3' is not of the form key=value"),
        ("max-pool", "max-pool needs a window, as in max-pool:3"),
        ("max-pool:three", "kernel_size is a whole number or a pair as 3x2, not 'three'"),
        ("max-pool:3,strode=2", "unknown key 'strode'; did you mean 'stride'?"),
        ("max-pool:3,stride=2,stride=3", "stride is given twice"),
        ("max-pool:3,padding=2", "padding 2 is more than half of the window's 3; use 1"),
        ("max-pool:0", "kernel_size must be at least 1"),
        ("max-pool:2,ceil_mode=1", "ceil_mode is true or false, not '1'"),
        ("leaky-relu:x", "slope: 'x' is not a number"),
        ("batch-norm", "batch-norm needs the name its tensors begin with"),
        ("batch-norm:bn1", "takes its tensors from a weights file"),
    ],
)
def test_words_that_name_no_layer_are_explained(text: str, message: str) -> None:
    with pytest.raises(ConvcliError) as caught:
        step_of(text)
    assert message in str(caught.value)


X, W, V = np.ones((1, 8, 8), np.float32), np.ones((1, 1, 3, 3)), np.ones(1)
DOORS: dict[str, Any] = {
    "conv2d x": lambda turned: convcli.conv2d(turned(X), W),
    "conv2d weight": lambda turned: convcli.conv2d(X, turned(W)),
    "conv2d bias": lambda turned: convcli.conv2d(X, W, turned(V)),
    "Conv2d": lambda turned: Conv2d(1, 1, 3)(turned(X)),
    "Conv2d.from_weights": lambda turned: Conv2d.from_weights(turned(W)),
    "Conv2d.from_weights bias": lambda turned: Conv2d.from_weights(W, turned(V)),
    "Conv2d.weight": lambda turned: setattr(Conv2d(1, 1, 3), "weight", turned(W)),
    "Conv2d.bias": lambda turned: setattr(Conv2d(1, 1, 3), "bias", turned(V)),
    "BatchNorm2d mean": lambda turned: BatchNorm2d(turned(V), V),
    "BatchNorm2d var": lambda turned: BatchNorm2d(V, turned(V)),
    "BatchNorm2d weight": lambda turned: BatchNorm2d(V, V, turned(V)),
    "BatchNorm2d bias": lambda turned: BatchNorm2d(V, V, V, turned(V)),
    "ReLU": lambda turned: step_of("relu")(turned(X)),
    "MaxPool2d": lambda turned: MaxPool2d(2)(turned(X)),
    "Stack": lambda turned: Stack([MaxPool2d(2)])(turned(X)),
    "Kernel": lambda turned: convcli.Kernel(turned(W[0, 0])),
    "filter_image": lambda turned: convcli.filter_image(turned(X), "box"),
    "filter_image weights": lambda turned: convcli.filter_image(X, turned(W[0, 0])),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "turned",
    [lambda a: np.ma.array(a, mask=a > 0), lambda a: np.ma.array(a), lambda a: a * 1j, lambda a: a.astype(object) * 1j],
    ids=["masked", "mask of nothing", "complex", "complex objects"],
)
def test_what_would_be_lost_is_refused(door: str, turned: Any) -> None:
    DOORS[door](lambda a: a)
    with pytest.raises(RecipeError, match=r"masked array|real numbers|float32|must be numbers"):
        DOORS[door](turned)
