"""Layers whose training steps are faster than PyTorch's on a CPU compute what PyTorch's do."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hanas.core import plugins
from hanas.deploy import onnx_models
from hanas.spaces.networks import layers
from hanas.spaces.networks.layers import DepthwiseConvolution, ReLU6


def plain_forward(monkeypatch):
    """Let all layers be PyTorch's own."""
    monkeypatch.setattr(layers, "trains_on_cpu", lambda x: False)


def pair(channels, kernel, stride, dtype):
    """Return our depthwise convolution and PyTorch's of equal weights."""
    size = {"stride": stride, "padding": kernel // 2, "groups": channels, "bias": False}
    ours = DepthwiseConvolution(channels, channels, kernel, **size).to(dtype)
    plain = nn.Conv2d(channels, channels, kernel, **size).to(dtype)
    plain.load_state_dict(ours.state_dict())
    return ours, plain


def gradients(module, x, random):
    x = x.clone().requires_grad_()
    y = module(x)
    y.backward(torch.randn(y.shape, generator=random, dtype=y.dtype).to(y.dtype))
    return y.detach(), x.grad, *(weight.grad for weight in module.parameters())


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_gradients_of_depthwise_convolutions_are_derivatives(kernel, stride):
    ours, _ = pair(2, kernel, stride, torch.float64)
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    of_weight = [ours.weight]
    assert torch.autograd.gradcheck(lambda x, _: ours(x), (x, *of_weight), fast_mode=False)


@settings(max_examples=25, deadline=None)
@given(
    channels=st.integers(1, 20),
    kernel=st.sampled_from([3, 5, 7]),
    stride=st.sampled_from([1, 2]),
    height=st.integers(1, 18),
    width=st.integers(1, 18),
    layout=st.sampled_from([torch.channels_last, torch.contiguous_format]),
    seed=st.integers(0, 9),
)
def test_depthwise_convolutions_are_pytorchs(channels, kernel, stride, height, width, layout, seed):
    torch.manual_seed(seed)
    modules = pair(channels, kernel, stride, torch.float32)
    x = torch.randn(3, channels, height, width).to(memory_format=layout)
    found, expected = (gradients(m, x, torch.Generator().manual_seed(1)) for m in modules)
    for ours, plain in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-4)


def test_only_what_is_asked_for_is_computed():
    ours, _ = pair(4, 5, 1, torch.float32)
    x = torch.randn(2, 4, 6, 6)
    (of_weight,) = torch.autograd.grad(ours(x).sum(), [ours.weight])  # x needs none
    assert of_weight.shape == (4, 1, 5, 5)
    ours.weight.requires_grad_(False)
    x.requires_grad_()
    (of_x,) = torch.autograd.grad(ours(x).sum(), [x])
    assert of_x.shape == x.shape


@given(values=st.lists(st.sampled_from([-1.0, 0.0, 0.5, 3.0, 6.0, 7.0]), min_size=1))
@settings(max_examples=30, deadline=None)
def test_relu6_is_pytorchs_also_at_its_ends(values):
    results = []
    for activation in (ReLU6(inplace=True), nn.ReLU6(inplace=True)):
        x = torch.tensor(values, requires_grad=True)
        y = activation(x * 1)
        y.backward(torch.arange(1.0, 1 + len(values)))
        results.append((y.detach(), x.grad))
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=0)


@pytest.mark.parametrize("name", ["mobile_i", "shuffle_i"])
def test_a_training_step_is_that_of_plain_layers(name, monkeypatch):
    space = plugins.space(name)
    largest = np.array(space.largest)
    network = space.build(largest, 5, space.deployed(width=0.25), seed=0)
    network = network.to(torch.float64).to(memory_format=torch.channels_last)
    images = torch.randn(4, 3, 16, 16, dtype=torch.float64)
    other = copy.deepcopy(network)
    found = gradients(network, images, torch.Generator().manual_seed(1))
    plain_forward(monkeypatch)
    expected = gradients(other, images, torch.Generator().manual_seed(1))
    assert len(found) == len(expected) > 100
    for ours, plain in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-7, atol=1e-9)
    for ours, plain in zip(network.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(ours, plain)


@pytest.mark.slow
def test_exports_and_evaluation_are_pytorchs_to_the_bit(tmp_path, monkeypatch):
    space = plugins.space("mobile_i")
    network = space.build(np.array(space.largest), 5, space.settings({"width": 0.25}), seed=0)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        logits = network.eval()(images)
    onnx_models.export(network, tmp_path / "ours.onnx", resolution=32)
    plain_forward(monkeypatch)
    onnx_models.export(network, tmp_path / "plain.onnx", resolution=32)
    assert (tmp_path / "ours.onnx").read_bytes() == (tmp_path / "plain.onnx").read_bytes()
    with torch.no_grad():
        assert torch.equal(logits, network(images))
