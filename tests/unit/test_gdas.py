import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
import torch.nn.functional as F
from toy_supernets import PROBABILITIES, read, settings_of, train

from hanas.training.supernets import prepare
from hanas.training.trainers import gdas


@pytest.mark.parametrize("tau", [10.0, 0.1])
def test_gdas_draws_operations_with_their_probabilities(tau):
    random = torch.Generator().manual_seed(0)
    alphas = torch.randn(6, 5, generator=random)
    noise = gdas.gumbel_noise((20_000, 6, 5), random)
    counts = np.zeros((6, 5))
    for one in noise:
        weights, genes = gdas.sample(alphas, one, tau)
        assert weights.argmax(dim=1).tolist() == genes
        counts += weights.numpy()
    assert set(np.unique(weights.numpy())) == {0.0, 1.0}  # exactly
    for edge in range(6):
        expected = 20_000 * alphas[edge].double().softmax(dim=0).numpy()
        assert scipy.stats.chisquare(counts[edge], expected).pvalue > 1e-4


def test_gumbel_noise_is_gumbel():
    noise = gdas.gumbel_noise((50_000,), torch.Generator().manual_seed(0)).numpy()
    assert scipy.stats.kstest(noise, scipy.stats.gumbel_r.cdf).pvalue > 1e-4


@pytest.mark.parametrize("tau", [10.0, 1.0, 0.1])
def test_gdas_gradient_is_that_of_the_softmax(tau):
    """For w = softmax((log p + g) / tau): dw_i / d(log p)_j = w_i (delta_ij - w_j) / tau."""
    random = torch.Generator().manual_seed(1)
    alphas = torch.randn(6, 5, generator=random, dtype=torch.float64).requires_grad_()
    noise = gdas.gumbel_noise((6, 5), random).double()
    direction = torch.randn(6, 5, generator=random, dtype=torch.float64)
    weights, _ = gdas.sample(alphas, noise, tau)
    (found,) = torch.autograd.grad((weights * direction).sum(), alphas)

    p = np.exp(alphas.detach().numpy())
    p /= p.sum(axis=1, keepdims=True)
    expected = np.empty((6, 5))
    for edge in range(6):
        w = p[edge] ** (1 / tau) * np.exp(noise[edge].numpy() / tau)
        w /= w.sum()
        by_log_p = (np.diag(w) - np.outer(w, w)) / tau
        log_p_by_alpha = np.eye(5) - np.outer(np.ones(5), p[edge])
        expected[edge] = direction[edge].numpy() @ by_log_p @ log_p_by_alpha
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-12)


def test_gdas_alpha_step_has_the_straight_through_gradient_of_all_operations(toy_file):
    settings = settings_of("gdas", training={"operation_probabilities": PROBABILITIES})
    run = prepare(read(settings), toy_file)
    noise = gdas.gumbel_noise((run.steps, 2, 6, 5), run.random("gumbel noise", 0))
    step, batch = run.trainer.begin_epoch(run, 0), run.train_batches(0)(0)
    alphas = run.alphas.detach().clone().requires_grad_()
    step(0, batch)
    # After the weight step, on the validation batch, by the full mixture and tau = 10.
    weights, _ = gdas.sample(alphas, noise[0, 1], 10)
    validation = run.validation_batches(0)(0)
    loss = F.cross_entropy(run.cell_network.mixture(validation.images, weights), validation.labels)
    (expected,) = torch.autograd.grad(loss, alphas)
    torch.testing.assert_close(run.alphas.grad, expected, rtol=1e-3, atol=1e-6)
    assert expected.abs().max() > 1e-4


def test_gdas_temperature_falls_linearly(toy_file, tmp_path):
    settings = settings_of("gdas", training={"epochs": 4})
    history = pd.read_parquet(train(settings, toy_file, tmp_path)["history"])
    assert history["tau"].tolist() == pytest.approx([10, 6.7, 3.4, 0.1])
