import itertools
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from inheriting import inherit
from nb201_space import AVG_POOL, CONV_1X1, CONV_3X3, NONE, SKIP, nb201

from hanas.core.errors import InputError
from hanas.spaces.networks.cell import (
    TRANSITIONS,
    AveragePool3x3,
    _SumOf3x3,
    pooled_3x3_transition,
    pooled_transition,
)

TINY = {"skeleton": "pooled", "channels": 2, "cells": 1, "batch_norm": "batch"}
MODES = ("batch", "batch_affine", "running")
SKELETONS = tuple(TRANSITIONS)
genes_arrays = arrays(np.int64, 6, elements=st.integers(0, 4))


def images(n: int = 4, side: int = 8, *, seed: int = 0, dtype=torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, side, side, generator=generator, dtype=dtype)


def genes_of_counts(n_1x1: int, n_3x3: int) -> np.ndarray:
    genes = [CONV_1X1] * n_1x1 + [CONV_3X3] * n_3x3
    return np.array(genes + [SKIP, AVG_POOL] * 3)[:6]


#: Costs are linear in the counts of convolutions.
SOME_COUNTS = [(0, 0), (2, 3), (6, 0), (0, 6)]
ALL_COUNTS = [(a, b) for a, b in itertools.product(range(7), repeat=2) if a + b <= 6]


def multiply_accumulates(network: torch.nn.Module, side: int) -> int:
    """Count by hooks, as the benchmark does: convolutions, and the classifier with its bias."""
    total = 0

    def count(module, _inputs, output):
        nonlocal total
        if isinstance(module, torch.nn.Conv2d):
            total += module.weight.numel() * output.shape[2] * output.shape[3]
        else:
            total += module.weight.numel() + module.bias.numel()

    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(count)
    network.eval()(torch.empty(1, 3, side, side, device="meta"))
    return total


@pytest.mark.parametrize("counts", [SOME_COUNTS, pytest.param(ALL_COUNTS, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("classes", "more", "side", "base", "of_1x1", "of_3x3"),
    [
        (10, 0, 32, 7.78305, 3.93216, 35.38944),
        (100, 5_850, 32, 7.7889, 3.93216, 35.38944),
        (120, 7_150, 16, 1.9534, 0.98304, 8.84736),
    ],
)
def test_costs_are_those_of_the_benchmark(counts, classes, more, side, base, of_1x1, of_3x3):
    for n_1x1, n_3x3 in counts:
        genes = genes_of_counts(n_1x1, n_3x3)
        with torch.device("meta"):
            network = nb201.build(genes, classes, {"batch_norm": "running"})
        counted = sum(p.numel() for p in network.parameters())
        assert counted == 73_306 + 28_000 * n_1x1 + 243_040 * n_3x3 + more
        assert counted == nb201.params(genes[None], classes)[0]
        counted = multiply_accumulates(network, side)
        assert counted / 1e6 == pytest.approx(base + of_1x1 * n_1x1 + of_3x3 * n_3x3, abs=1e-9)
        assert counted == nb201.flops(genes[None], classes, side)[0]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("skeleton", SKELETONS)
@settings(max_examples=3, deadline=None)
@given(genes=genes_arrays)
def test_inherited_cell_gives_the_same_bits(skeleton, mode, genes):
    network = {"skeleton": skeleton, "channels": 2, "cells": 2, "batch_norm": mode}
    shared = nb201.supernet(5, network, seed=3)
    shared(images(seed=1), genes)  # running statistics that are not the initial ones
    alone = inherit(nb201, shared.state_dict(), genes, 5, network)
    assert torch.equal(shared.eval()(images(), genes), alone.eval()(images()))
    assert alone.genes == tuple(genes)


def test_inherited_weights_are_a_copy():
    shared = nb201.supernet(5, TINY)
    alone = inherit(nb201, shared.state_dict(), [3] * 6, 5, TINY)
    before = {name: value.clone() for name, value in shared.state_dict().items()}
    for parameter in alone.parameters():
        parameter.data.add_(1)
    assert all(torch.equal(before[name], value) for name, value in shared.state_dict().items())


@cache
def supernet_with_affine_parts(skeleton: str, mode: str) -> torch.nn.Module:
    network = {"skeleton": skeleton, "channels": 2, "cells": 2, "batch_norm": mode}
    shared = nb201.supernet(5, network).eval()
    with torch.no_grad():
        for name, parameter in shared.named_parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.linspace(0.1, 0.5, len(parameter)) * (len(name) % 3))
    return shared


@pytest.mark.parametrize("skeleton", SKELETONS)
@settings(max_examples=15, deadline=None)
@given(genes=genes_arrays)
@torch.no_grad()
def test_dead_edges_do_not_matter(skeleton, genes):
    for mode in MODES:
        shared = supernet_with_affine_parts(skeleton, mode)
        live = nb201.without_dead_edges(genes[None], zeros_stay_zero=mode == "batch")[0]
        assert torch.equal(shared(images(), genes), shared(images(), live))


def test_a_cell_by_hand():
    """The nodes written out, for a cell that has every operation."""
    genes = [CONV_3X3, SKIP, AVG_POOL, NONE, CONV_1X1, SKIP]
    cell = nb201.supernet(5, TINY).double().stages[0][0]
    x = torch.randn(4, 2, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def conv(edge, kernel, source):
        weight = cell.edges[edge][f"nor_conv_{kernel}x{kernel}"][1].weight
        y = F.conv2d(source.clamp(min=0), weight, padding=kernel // 2)
        mean = y.mean(dim=(0, 2, 3), keepdim=True)
        variance = ((y - mean) ** 2).mean(dim=(0, 2, 3), keepdim=True)
        return (y - mean) / (variance + 1e-5).sqrt()

    node_1 = conv(0, 3, x)
    node_2 = x + F.avg_pool2d(node_1, 3, 1, 1, count_include_pad=False)
    node_3 = conv(4, 1, node_1) + node_2
    torch.testing.assert_close(cell(x, genes), node_3)


@settings(max_examples=20, deadline=None)
@given(genes=genes_arrays)
def test_mixture_of_one_hot_weights_is_the_single_path(genes):
    shared = nb201.supernet(5, TINY).double()
    x = images(dtype=torch.float64)
    one_hot = F.one_hot(torch.from_numpy(genes), 5).double()
    expected = shared(x, genes)
    torch.testing.assert_close(shared.mixture(x, one_hot), expected)
    torch.testing.assert_close(shared(x, genes, one_hot), expected)
    torch.testing.assert_close(shared.straight_through(x, one_hot, genes), expected)


@settings(max_examples=10, deadline=None)
@given(genes=genes_arrays)
def test_straight_through_has_the_gradients_of_the_mixture(genes):
    shared = nb201.supernet(5, {**TINY, "cells": 2}).double()
    x = images(dtype=torch.float64).requires_grad_()
    weights = F.one_hot(torch.from_numpy(genes), 5).double().requires_grad_()
    labels = torch.arange(4)
    full = torch.autograd.grad(F.cross_entropy(shared.mixture(x, weights), labels), (weights, x))
    loss = F.cross_entropy(shared.straight_through(x, weights, genes), labels)
    cheap = torch.autograd.grad(loss, (weights, x), allow_unused=True, materialize_grads=True)
    # ``none`` adds zero, so its weight has no gradient in either.
    torch.testing.assert_close(cheap[0], full[0])
    torch.testing.assert_close(cheap[1], full[1])
    sampled = torch.autograd.grad(
        F.cross_entropy(shared(x, genes, weights), labels),
        weights,
        allow_unused=True,
        materialize_grads=True,
    )[0]
    chosen = weights.detach().bool()
    torch.testing.assert_close(sampled[chosen], full[0][chosen])
    assert not sampled[~chosen].any()


@pytest.mark.parametrize("images_count", [2, 2000])  # the fast form is for large tensors
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_average_pooling_leaves_out_the_padding(images_count, memory_format):
    for side in (1, 2, 5, 8):
        check_average_pooling(images_count, side, memory_format)


def check_average_pooling(images_count, side, memory_format):
    x = torch.randn(images_count, 12, side + 2, side, dtype=torch.float64)
    x = x.to(memory_format=memory_format).requires_grad_()
    pooled = AveragePool3x3()(x)
    expected = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    torch.testing.assert_close(pooled, expected, rtol=1e-12, atol=1e-14)
    direction = torch.randn_like(x)
    (gradient,) = torch.autograd.grad(pooled, x, direction)
    (expected_gradient,) = torch.autograd.grad(expected, x, direction)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-12, atol=1e-14)


def test_average_pooling_can_be_differentiated_twice():
    x = torch.randn(1, 1, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: _SumOf3x3.apply(x) ** 3, x)


def test_pooled_transition_is_pooling_then_convolution():
    transition = pooled_transition(3, "batch").double()
    x = torch.randn(5, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    convolved = F.conv2d(F.avg_pool2d(x, 2), transition.get_parameter("0.weight"))
    assert transition.get_parameter("0.weight").shape == (6, 3, 1, 1)
    torch.testing.assert_close(transition(x), transition[1](convolved))


def test_pooled_3x3_transition_is_pooling_then_convolution():
    transition = pooled_3x3_transition(3, "batch").double()
    x = torch.randn(5, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    blocks = x.reshape(5, 3, 4, 2, 4, 2).mean(dim=(3, 5))
    convolved = F.conv2d(blocks, transition.get_parameter("1.weight"), padding=1)
    assert transition.get_parameter("1.weight").shape == (6, 3, 3, 3)
    torch.testing.assert_close(transition(x), transition[2](convolved))


def test_pooling_first_seen_without_gradients_still_trains():
    x = torch.randn(100, 1, 31, 37)
    with torch.inference_mode():
        AveragePool3x3()(x)
    AveragePool3x3()(x.requires_grad_()).sum().backward()
    assert x.grad is not None


def test_initial_weights_depend_on_the_seed_alone():
    before = torch.random.get_rng_state()
    first, same, other = (nb201.supernet(5, TINY, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(first.stem[0].weight, same.stem[0].weight)
    assert not torch.equal(first.stem[0].weight, other.stem[0].weight)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"chanels": 8}, "network.chanels: no such setting; expected one of: batch_norm, cells"),
        ({"channels": 0}, "network.channels is 0; expected at least 1"),
        ({"cells": 1.5}, "network.cells is 1.5; expected a whole number"),
        (
            {"skeleton": "wide"},
            "network.skeleton is 'wide'; expected one of: standard, pooled, pooled_3x3",
        ),
        ({"batch_norm": "none"}, "network.batch_norm is 'none'; expected one of: batch"),
    ],
)
def test_wrong_settings_are_named(network, message):
    with pytest.raises(InputError, match=message.split(";")[0]) as raised:
        nb201.supernet(10, network)
    assert message in str(raised.value)


def test_a_supernet_needs_genes():
    with pytest.raises(ValueError, match="genes"):
        nb201.supernet(5, TINY)(images())
