"""Operations by name: what they compute, what they cost, and where they cannot be."""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hanas.core.errors import InputError
from hanas.deploy import onnx_models
from hanas.proxies.scoring.int8_simulation import observing, rounding
from hanas.spaces._layerwise import LayerwiseSpace
from hanas.spaces.networks.chain import block_of
from hanas.spaces.networks.operations import IDENTITY, Operation, Place, operation, refusal
from hanas.spaces.networks.operations import block as parts_of
from hanas.spaces.networks.skeletons import Skeleton, Stage, plan

KERNELS = st.sampled_from([3, 5, 7, 9])
TIMES = st.integers(1, 6)


@st.composite
def names(draw) -> str:
    kinds = ("conv", "depthwise", "separable", "mb", "fused_mb", "shuffle", "xception", "max_pool")
    kind = draw(st.sampled_from([*kinds, "avg_pool", "identity"]))
    if kind == "identity":
        return kind
    kernel = draw(st.sampled_from([1, 3, 5, 7, 9]) if kind == "conv" else KERNELS)
    name = f"{kind}{draw(TIMES)}" if kind in ("mb", "fused_mb") else kind
    name += f"_{kernel}x{kernel}"
    if kind in ("conv", "mb"):
        name += draw(st.sampled_from(["", "_g2", "_g4"]))
    if kind in ("conv", "depthwise", "separable", "mb") and kernel > 1:
        name += draw(st.sampled_from(["", "_d2", "_d3"]))
    if kind in ("mb", "fused_mb"):
        name += draw(st.sampled_from(["", "_se"]))
    return name


@st.composite
def places(draw) -> Place:
    first = draw(st.booleans())
    inputs = 4 * draw(st.integers(1, 6))
    outputs = 4 * draw(st.integers(1, 6)) if first else inputs
    stride = draw(st.sampled_from([1, 2, 3])) if first else 1
    return Place(inputs, outputs, stride, draw(st.integers(4, 15)), first)


# ---- names ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    {
        "conv_3x3": ("convolution", 3, 0, 1, 1, False),
        "conv_1x1": ("convolution", 1, 0, 1, 1, False),
        "conv_3x3_d2": ("convolution", 3, 0, 1, 2, False),
        "conv_3x3_g4": ("convolution", 3, 0, 4, 1, False),
        "conv_5x5_g8_d3": ("convolution", 5, 0, 8, 3, False),
        "depthwise_5x5": ("depthwise", 5, 0, 1, 1, False),
        "separable_5x5_d2": ("separable", 5, 0, 1, 2, False),
        "mb6_5x5": ("bottleneck", 5, 6, 1, 1, False),
        "mb12_11x11_se": ("bottleneck", 11, 12, 1, 1, True),
        "mb6_3x3_g2": ("bottleneck", 3, 6, 2, 1, False),
        "mb4_3x3_g2_d2_se": ("bottleneck", 3, 4, 2, 2, True),
        "fused_mb4_3x3": ("fused", 3, 4, 1, 1, False),
        "shuffle_7x7": ("shuffle", 7, 0, 1, 1, False),
        "xception_3x3": ("xception", 3, 0, 1, 1, False),
        "max_pool_3x3": ("max_pool", 3, 0, 1, 1, False),
        "avg_pool_5x5": ("avg_pool", 5, 0, 1, 1, False),
        "identity": ("identity", 0, 0, 1, 1, False),
    }.items(),
)
def test_a_name_says_what_it_is(name, expected):
    assert operation(name) == Operation(name, *expected)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("conv_4x4", "its kernel is 4"),
        ("max_pool_1x1", "its kernel is 1, the least here is 3"),
        ("mb_3x3", "it has no expansion"),
        ("conv6_3x3", "it has an expansion"),
        ("shuffle_3x3_g2", "shuffle has no _g"),
        ("fused_mb4_3x3_d2", "fused_mb has no _d"),
        ("separable_3x3_se", "separable has no _se"),
        ("conv_3x3_g1", "leave out groups or a dilation that change nothing"),
        ("conv_1x1_d2", "leave out groups or a dilation that change nothing"),
        *((name, "") for name in ("", "mb6", "mb6_5x3", "mb6_5x5_se_g2", "mb06_5x5", "mb6_05x05")),
        *((name, "") for name in ("Identity", "identity_3x3", "mb6_5x5 ", "mb6_5x5_", "mb6_٥x٥")),
        *((name, "") for name in ("conv_101x101", "mb100_3x3", "conv3x3", "skip", "mb0_3x3")),
    ],
)
def test_other_names_are_refused_with_the_rule(name, why):
    said = rf"^{re.escape(repr(name))} is no operation:.*{why}.*; expected identity, or KIND_KxK"
    with pytest.raises(InputError, match=said if why else said.replace("; expected", " expected")):
        operation(name)


@given(st.text("mb6_5x10gdse", max_size=12))
def test_a_name_is_written_in_one_way(name):
    try:
        found = operation(name)
    except InputError:
        return
    kinds = {"bottleneck": "mb", "fused": "fused_mb", "convolution": "conv"}
    again = kinds.get(found.kind, found.kind) + (str(found.expansion) if found.expansion else "")
    again += f"_{found.kernel}x{found.kernel}"
    again += f"_g{found.groups}" if found.groups > 1 else ""
    again += f"_d{found.dilation}" if found.dilation > 1 else ""
    assert again + "_se" * found.squeeze == name


# ---- costs ----------------------------------------------------------------------------------


@given(names(), places())
@settings(max_examples=120, deadline=None)
def test_costs_are_those_that_are_counted(name, place):
    """By PyTorch's counter of floating point operations, two a multiply-accumulate."""
    one = operation(name)
    assume(refusal(one, place, identity_projects=True) is None)
    with torch.device("meta"):
        module = block_of(one, place, "silu", "running").eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            y = module(torch.empty(1, place.inputs, place.side, place.side))
    assert y.shape == (1, place.outputs, place.side_after, place.side_after)
    counted = sum(weight.numel() for weight in module.parameters()), counter.get_total_flops() / 2
    assert tuple(parts_of(one, place, "silu").costs()) == counted


def totals(skeleton: Skeleton, side: int, classes: int = 1000) -> tuple[int, int]:
    space = LayerwiseSpace("published", skeleton)
    genes = np.zeros((1, len(space.choices)), dtype=np.int64)
    network = {"resolution": side}
    params, flops = (f(genes, classes, network=network) for f in (space.params, space.flops))
    return int(params[0]), int(flops[0])


def stage(channels: int, layers: int, stride: int, name: str) -> Stage:
    return Stage(channels, layers, stride, (operation(name),))


def test_efficientnet_v2_s_costs_what_torchvision_says():
    """Its documentation: 21,458,488 parameters, 8.37 GFLOPS at 384x384."""
    skeleton = Skeleton(
        stem=24,
        stages=(
            stage(24, 2, 1, "fused_mb1_3x3"),
            stage(48, 4, 2, "fused_mb4_3x3"),
            stage(64, 4, 2, "fused_mb4_3x3"),
            stage(128, 6, 2, "mb4_3x3_se"),
            stage(160, 9, 1, "mb6_3x3_se"),
            stage(256, 15, 2, "mb6_3x3_se"),
        ),
        last=1280,
        activation="silu",
        stem_stride=2,
    )
    params, flops = totals(skeleton, 384)
    assert params == 21_458_488
    assert flops / 1e9 == pytest.approx(8.366, abs=0.03)


def test_mobilenet_costs_what_its_paper_says():
    """569 million multiply-accumulates (table 8), 4.2 million parameters; it has no last layer."""
    separable = [(64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2)]
    stages = tuple(stage(*each, "separable_3x3") for each in separable)
    params, flops = totals(Skeleton(stem=32, stages=stages, last=1024), 224)
    last = 1024 * 1024
    assert params - last - 2 * 1024 == 4_231_976  # as all implementations with plain BN have it
    assert (flops - 7**2 * last) / 1e6 == pytest.approx(569, abs=0.5)


def test_torchvisions_mobilenet_v2_is_made_of_operations():
    """3,504,872 parameters, 300.8 million multiply-accumulates, strides as in table 2."""
    stages = (
        stage(16, 1, 1, "mb1_3x3"),
        stage(24, 2, 2, "mb6_3x3"),
        stage(32, 3, 2, "mb6_3x3"),
        stage(64, 4, 2, "mb6_3x3"),
        stage(96, 3, 1, "mb6_3x3"),
        stage(160, 3, 2, "mb6_3x3"),
        stage(320, 1, 1, "mb6_3x3"),
    )
    skeleton = Skeleton(stem=32, stages=stages, last=1280, activation="relu6")
    params, flops = totals(skeleton, 224)
    assert params == 3_504_872
    assert flops / 1e6 == pytest.approx(300.8, abs=0.1)


# ---- what they compute ----------------------------------------------------------------------


def normalised(x, weight, *, activation=None, **how):
    """A convolution that keeps the size, and batch normalisation with batch statistics."""
    reach = weight.shape[-1] // 2 * how.get("dilation", 1)
    y = F.conv2d(x, weight, padding=reach, **how)
    mean, variance = y.mean((0, 2, 3), keepdim=True), y.var((0, 2, 3), False, keepdim=True)
    y = (y - mean) / (variance + 1e-5).sqrt()
    return y if activation is None else activation(y)


def made(name: str, inputs: int, outputs: int, stride: int = 1, activation: str = "relu"):
    """Return a module in double precision, its convolutions' weights, and an input."""
    torch.manual_seed(0)
    place = Place(inputs, outputs, stride, 9, first=True)
    module = block_of(operation(name), place, activation, "batch").double()
    weights = [m.weight for m in module.modules() if isinstance(m, nn.Conv2d)]
    return module, weights, torch.randn(4, inputs, 9, 9, dtype=torch.float64)


@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions_by_hand(stride):
    for name, how in {
        "conv_5x5": {},
        "conv_3x3_d2": {"dilation": 2},
        "conv_3x3_g4": {"groups": 4},
        "conv_1x1": {},
    }.items():
        module, (weight,), x = made(name, 8, 12, stride)
        expected = normalised(x, weight, activation=F.relu, stride=stride, **how)
        torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("stride", [1, 2])
def test_separable_and_depthwise_by_hand(stride):
    module, (own, mixing), x = made("separable_3x3_d2", 8, 12, stride)
    inner = normalised(x, own, stride=stride, groups=8, dilation=2, activation=F.relu)
    torch.testing.assert_close(module(x), normalised(inner, mixing, activation=F.relu))
    module, (own, mixing), x = made("depthwise_5x5", 8, 12, stride)
    inner = normalised(x, own, stride=stride, groups=8, activation=F.relu)
    torch.testing.assert_close(module(x), normalised(inner, mixing))
    module, (own,), x = made("depthwise_5x5", 8, 8, stride)
    expected = normalised(x, own, stride=stride, groups=8, activation=F.relu)
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("stride", [1, 2])
def test_pooling_by_hand(stride):
    module, weights, x = made("max_pool_3x3", 8, 8, stride)
    assert not weights
    padded = F.pad(x, (1, 1, 1, 1), value=-torch.inf).unfold(2, 3, stride).unfold(3, 3, stride)
    torch.testing.assert_close(module(x), padded.amax(dim=(4, 5)))
    module, (mixing,), x = made("avg_pool_3x3", 8, 12, stride)
    ones = torch.ones_like(x)
    sums, counts = (
        F.pad(values, (1, 1, 1, 1)).unfold(2, 3, stride).unfold(3, 3, stride).sum(dim=(4, 5))
        for values in (x, ones)
    )
    torch.testing.assert_close(module(x), normalised(sums / counts, mixing))


@pytest.mark.parametrize("expansion", [1, 3])
@pytest.mark.parametrize("outputs", [8, 12])
def test_fbnets_block_by_hand(expansion, outputs):
    module, (first, own, last), x = made(f"mb{expansion}_3x3_g2", 8, outputs)
    inner = 8 * expansion
    assert first.shape == (inner, 4, 1, 1)
    y = normalised(x, first, groups=2, activation=F.relu)
    halves = y[:, : inner // 2], y[:, inner // 2 :]
    y = torch.stack(halves, dim=2).flatten(1, 2)  # channels of both in turn
    y = normalised(y, own, groups=inner, activation=F.relu)
    y = normalised(y, last, groups=2)
    torch.testing.assert_close(module(x), x + y if outputs == 8 else y)


@pytest.mark.parametrize("outputs", [8, 12])
def test_fused_bottlenecks_by_hand(outputs):
    module, (first, last), x = made("fused_mb4_3x3", 8, outputs, activation="silu")
    y = normalised(normalised(x, first, activation=F.silu), last)
    torch.testing.assert_close(module(x), x + y if outputs == 8 else y)
    module, (only,), x = made("fused_mb1_3x3", 8, outputs, activation="silu")
    y = normalised(x, only, activation=F.silu)
    torch.testing.assert_close(module(x), x + y if outputs == 8 else y)


def test_squeeze_and_excitation_by_hand():
    module, (first, own, squeeze, excite, last), x = made("mb6_5x5_se", 8, 12, activation="silu")
    assert squeeze.shape == (2, 48, 1, 1)
    there, back = (
        m.bias
        for m in module.modules()
        if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1) and m.bias is not None
    )
    y = normalised(normalised(x, first, activation=F.silu), own, groups=48, activation=F.silu)
    weights = F.silu(F.conv2d(y.mean((2, 3), keepdim=True), squeeze, there))
    weights = torch.sigmoid(F.conv2d(weights, excite, back))
    torch.testing.assert_close(module(x), normalised(y * weights, last))


# ---- where they cannot be -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "place", "why"),
    [
        (
            "conv_3x3_g3",
            Place(8, 8, 1, 9),
            r"3 groups.* 8 channels that come in \(8 = 2 x 3 \+ 2\)",
        ),
        (
            "mb6_3x3_g4",
            Place(8, 10, 1, 9, True),
            r"4 groups.* 10 channels that go out \(10 = 2 x 4 \+ 2\)",
        ),
        ("shuffle_3x3", Place(8, 9, 1, 9, True), "halves the channels, which are 9"),
        ("xception_3x3", Place(7, 7, 1, 9), "halves the channels, which are 7"),
        ("identity", Place(8, 12, 1, 9, True), r"cannot change the shape \(8 to 12\)"),
        ("identity", Place(8, 8, 2, 9, True), r"cannot change the shape \(stride 2\)"),
    ],
)
def test_where_operations_cannot_be(name, place, why):
    assert re.search(why, refusal(operation(name), place, identity_projects=False) or "")
    if name != "identity":
        with pytest.raises(InputError, match=why):
            block_of(operation(name), place, "relu", "batch")


def test_where_they_can():
    for name in ("conv_3x3_g4", "mb6_3x3_g2", "shuffle_3x3", "identity"):
        assert refusal(operation(name), Place(8, 8, 1, 9), identity_projects=False) is None
    assert refusal(IDENTITY, Place(8, 12, 2, 9), identity_projects=True) is None
    assert (
        refusal(operation("shuffle_3x3"), Place(7, 8, 2, 9, True), identity_projects=True) is None
    )


# ---- chains of all of them ------------------------------------------------------------------

ALL = (
    *("conv_3x3", "conv_1x1", "conv_3x3_d2", "conv_3x3_g4", "depthwise_5x5", "separable_3x3"),
    *("separable_3x3_d2", "mb6_5x5", "mb3_3x3_se", "mb2_3x3_g2", "mb2_3x3_d2", "fused_mb2_3x3"),
    *("fused_mb1_3x3", "fused_mb2_3x3_se", "shuffle_5x5", "xception_3x3", "max_pool_3x3"),
    *("avg_pool_3x3", "identity"),
)
SPACE = LayerwiseSpace(
    "all",
    Skeleton(stem=8, stages=(Stage(8, 2), Stage(16, 2)), last=16, identity_projects=True),
    tuple(map(operation, ALL)),
)


def pictures(count: int = 6) -> torch.Tensor:
    return torch.randn(count, 3, 9, 9, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ALL)
def test_chains_of_it_train_and_become_onnx(name, tmp_path):
    gene, network = ALL.index(name), {"batch_norm": "running", "resolution": 9, "first_scale": 0.5}
    alone = SPACE.build([gene] * 4, 5, network, seed=1)
    alone(pictures()).square().mean().backward()
    assert all(weight.grad is not None for weight in alone.parameters())
    for batch in (None, 1):
        onnx_models.export(alone, tmp_path / "m.onnx", resolution=9, batch=batch)
        x = pictures(batch or 6)
        with torch.no_grad():
            expected = alone.eval()(x).numpy()
        found = onnx_models.logits(tmp_path / "m.onnx", x.numpy())
        np.testing.assert_allclose(found, expected, atol=1e-4)
    genes = np.array([[gene] * 4])
    counted = onnx_models.multiply_accumulates(tmp_path / "m.onnx")
    assert counted == SPACE.flops(genes, 5, network=network)[0]


@pytest.mark.parametrize("name", ALL)
def test_int8_of_it_is_simulated(name, tmp_path):
    """It loses about what ONNX Runtime's 8-bit version of it loses."""
    from hanas.deploy import quantisation

    gene, network = ALL.index(name), {"batch_norm": "running", "resolution": 9}
    alone = SPACE.build([gene] * 4, 5, network, seed=1)
    with torch.no_grad():
        for _ in range(20):
            alone(pictures(64))
    alone, x = alone.eval(), pictures(64)
    onnx_models.export(alone, tmp_path / "f.onnx", resolution=9, batch=None)
    quantisation.quantise(tmp_path / "f.onnx", tmp_path / "q.onnx", x.numpy())
    observed = observing(alone)
    with torch.no_grad():
        exact = alone(x).numpy()
        observed(x)
        simulated = rounding(observed)(x).numpy() - exact
    real = onnx_models.logits(tmp_path / "q.onnx", x.numpy()) - exact
    assert 0.5 < np.abs(simulated).mean() / np.abs(real).mean() < 2
    assert np.corrcoef(simulated.ravel(), real.ravel())[0, 1] > 0.3


def test_additions_begin_small_where_something_is_added():
    for name in ("mb6_5x5", "fused_mb1_3x3", "fused_mb2_3x3_se", "mb2_3x3_g2"):
        network = {"batch_norm": "batch_affine", "resolution": 9, "first_scale": 1e-4}
        alone = SPACE.build([ALL.index(name)] * 4, 5, network)
        x = torch.randn(4, 8, 9, 9)
        torch.testing.assert_close(alone.layer(1, ALL.index(name))(x), x, atol=0.01, rtol=0)


# ---- strides --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "given", "expected"),
    [
        # stem, then three stages; None is as it comes out
        (32, (None, None, None, None), (1, 2, 2, 2)),
        (32, (None, 1, 2, 2), (2, 1, 2, 2)),
        (32, (1, 1, 2, 2), (1, 1, 2, 2)),
        (32, (None, 1, 1, None), (2, 1, 1, 2)),
        (32, (2, 2, 2, 2), (2, 2, 2, 2)),
        (224, (None, 4, 2, None), (2, 4, 2, 2)),
        (33, (None, 3, None, 1), (1, 3, 2, 1)),
    ],
)
def test_strides_that_are_given_stay(side, given, expected):
    stem, *of_stages = given
    stages = tuple(Stage(8, 2, stride) for stride in of_stages)
    places = plan(Skeleton(stem=8, stages=stages, last=8, stem_stride=stem), side)
    assert (places.stem.stride, *(place.stride for place in places.layers[::2])) == expected
    assert all(place.stride == 1 for place in places.layers[1::2])
