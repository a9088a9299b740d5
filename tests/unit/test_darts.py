import pytest
import torch
import torch.nn.functional as F
from nb201_space import nb201
from toy_supernets import read, settings_of

from hanas.training.supernets import prepare
from hanas.training.trainers import darts


def supernet_problem():
    """A network, alphas, and losses of given weights and alphas on two batches, in float64."""
    network = nb201.supernet(3, {"skeleton": "pooled", "channels": 2, "cells": 1}).double()
    random = torch.Generator().manual_seed(0)
    batches = [
        (
            torch.randn(6, 3, 8, 8, generator=random, dtype=torch.float64),
            torch.randint(3, (6,), generator=random),
        )
        for _ in range(2)
    ]
    alphas = torch.randn(6, 5, generator=random, dtype=torch.float64).requires_grad_()
    names = [name for name, _ in network.named_parameters()]

    class Mixture(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, images):
            return self.network.mixture(images, alphas.softmax(dim=1))

    def loss(weights, which):
        images, labels = batches[which]
        parameters = {f"network.{n}": w for n, w in zip(names, weights, strict=True)}
        return F.cross_entropy(torch.func.functional_call(Mixture(), parameters, (images,)), labels)

    return list(network.parameters()), alphas, loss


def smooth_problem():
    """Mixtures of smooth operations between three linear layers, in float64."""
    random = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    weights = [normal(5, 8) / 2, normal(8, 8) / 3, normal(8, 3) / 3]
    alphas = normal(2, 4).requires_grad_()
    batches = [(normal(10, 5), torch.randint(3, (10,), generator=random)) for _ in range(2)]
    operations = (torch.tanh, torch.sin, F.softplus, torch.sigmoid)

    def loss(weights, which):
        x, labels = batches[which]
        for layer in range(2):
            x = x @ weights[layer]
            of_edge = alphas[layer].softmax(dim=0)
            x = sum(w * operation(x) for w, operation in zip(of_edge, operations, strict=True))
        return F.cross_entropy(x @ weights[2], labels)

    return [w.requires_grad_() for w in weights], alphas, loss


@pytest.mark.parametrize(
    ("problem", "rate", "reach"),
    [
        (smooth_problem, 0.2, {}),
        (smooth_problem, 1.0, {}),
        # Within the usual reach, ReLUs of the tiny supernet change their side: compare nearer.
        (supernet_problem, 0.025, {"reach": 1e-6}),
        (supernet_problem, 0.2, {"reach": 1e-6}),
    ],
)
def test_darts_second_order_is_the_gradient_through_the_step(problem, rate, reach):
    weights, alphas, loss = problem()
    gradients = torch.autograd.grad(loss(weights, 0), weights, create_graph=True)
    stepped = [w - rate * g for w, g in zip(weights, gradients, strict=True)]
    (exact,) = torch.autograd.grad(loss(stepped, 1), alphas)

    before = [w.detach().clone() for w in weights]
    found = darts.second_order_gradient(
        alphas,
        weights,
        lambda: loss(weights, 0),
        lambda: loss(weights, 1),
        learning_rate=rate,
        **reach,
    )
    assert (found - exact).norm() / exact.norm() < 1e-3
    # The gradient that leaves the step out is further away, so that the bound says something.
    (first_order,) = torch.autograd.grad(loss(weights, 1), alphas)
    assert (first_order - exact).norm() / exact.norm() > 1e-2
    assert all(torch.equal(w, start) for w, start in zip(weights, before, strict=True))


def test_darts_of_order_1_takes_the_plain_gradient(toy_file):
    run = prepare(read(settings_of("darts")), toy_file)
    batch, validation = run.train_batches(0)(0), run.validation_batches(0)(0)
    logits = run.cell_network.mixture(validation.images, run.alphas.softmax(dim=1))
    (expected,) = torch.autograd.grad(F.cross_entropy(logits, validation.labels), run.alphas)
    before = run.alphas.detach().clone()
    run.trainer.begin_epoch(run, 0)(0, batch)
    assert torch.equal(run.alphas.grad, expected)
    # Adam's first step, with its weight decay: the learning rate times the sign.
    sign = (expected + 1e-3 * before).sign()
    torch.testing.assert_close(run.alphas.detach(), before - 3e-4 * sign, atol=1e-6, rtol=0)
