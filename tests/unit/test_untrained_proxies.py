"""Training-free scores against values computed in another way."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from nb201_space import nb201
from plain_network import plain_forward
from scipy.stats import rankdata
from toy_cells import some_cells
from toy_pictures import toy_images

from hanas.core import plugins
from hanas.core.compute import threads
from hanas.core.errors import InputError
from hanas.data.batches import Batch
from hanas.data.images import save_images
from hanas.proxies import az_nas
from hanas.proxies._proxy import Inputs, Work
from hanas.proxies._untrained import UntrainedScorer
from hanas.proxies.scoring import cells as scoring
from hanas.proxies.scoring.cells import distinct_cells, groups_of

NETWORK = {"skeleton": "pooled", "channels": 3, "cells": 1}
# All operations, a dead edge in the last.
CELLS = ((3, 3, 4, 1, 2, 3), (2, 0, 3, 4, 1, 2), (3, 0, 0, 3, 0, 1), (1, 1, 1, 1, 1, 1))
EMPTY = (0, 0, 0, 0, 0, 0)
KINDS = ("az_nas", "naswot", "synflow")


def read(kind: str, **settings):
    return plugins.plugin("proxies", kind).read({"kind": kind, **settings})


AZ_NAS, NASWOT, SYNFLOW = map(read, KINDS)


def ones(side: int) -> list[Batch]:
    return SYNFLOW.drawn(0, side, None)


@pytest.fixture(autouse=True)
def one_thread():
    """As in the workers; several would wait for each other on such small tensors."""
    with threads(1):
        yield


@pytest.fixture(params=CELLS, ids=lambda genes: "".join(map(str, genes)))
def genes(request):
    return request.param


@pytest.fixture
def network():
    """An untrained network in double precision."""
    settings = {**NETWORK, "batch_norm": "batch"}
    return nb201.supernet(3, settings, seed=3).double().train()


def weights_of(network) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def batch_of(count: int, *, seed: int = 0, side: int = 8) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 3, side, side, generator=draw, dtype=torch.float64)
    return Batch(images, torch.arange(count) % 3)


def test_synflow_is_weights_times_gradients(network, genes):
    weights = {name: value.abs() for name, value in weights_of(network).items()}
    leaves = {k: v.clone().requires_grad_() for k, v in weights.items() if v.ndim > 1}
    image = torch.ones(1, 3, 8, 8, dtype=torch.float64)
    plain_forward({**weights, **leaves}, genes, image, batch_norm=False).sum().backward()
    used = [(leaf, leaf.grad) for leaf in leaves.values() if leaf.grad is not None]
    expected = sum(float((leaf.detach() * grad).sum()) for leaf, grad in used)
    positive = SYNFLOW.prepared(network)
    (flow,) = SYNFLOW.measure(positive, genes, ones(8))
    assert flow == pytest.approx(expected, rel=1e-12)

    # What happens to the output when all weights grow by the same small part is the same sum.
    def output(factor: float) -> float:
        scaled = {k: v * (factor if v.ndim > 1 else 1) for k, v in weights.items()}
        return float(plain_forward(scaled, genes, image, batch_norm=False).sum())

    assert (output(1 + 1e-5) - output(1 - 1e-5)) / 2e-5 == pytest.approx(flow, rel=1e-6)


def test_synflow_by_hand():
    """One channel; only a 1x1 convolution from the input to the output of cells."""
    network = SYNFLOW.prepared(nb201.supernet(2, {**NETWORK, "channels": 1, "batch_norm": "batch"}))
    with torch.no_grad():
        for weight in network.parameters():
            weight.fill_(1.0)
    # 4x4 ones: the stem adds 9, 6 or 4 pixels of 3 channels, in the mean 3 * 100 / 16. Each layer
    # then sums its input channels: cell 1, transition 1, cell 2, transition 2, cell 4, the logits
    # 4; and there are two logits.
    output = 300 / 16 * 1 * 1 * 2 * 2 * 4 * 4 * 2
    # Each path passes seven layers: stem, three cells, two transitions, classifier.
    (flow,) = SYNFLOW.measure(network, (0, 0, 0, 2, 0, 0), ones(4))
    assert flow == pytest.approx(7 * output)


def test_nothing_flows_through_an_empty_cell(network):
    (flow,) = SYNFLOW.measure(SYNFLOW.prepared(network), EMPTY, ones(8))
    assert flow == 0
    found = SYNFLOW.mean_over_seeds(
        nb201, np.empty((3, 6)), {"flow 0": np.array([np.e, 0, np.e**2])}
    )
    assert found["score"].tolist() == [-1, 0, -2]


def test_naswot_is_the_kernel_of_hamming_distances(network, genes):
    batches = [batch_of(6), batch_of(5, seed=1)]
    expected = []
    for batch in batches:
        relu_inputs: list[torch.Tensor] = []
        plain_forward(weights_of(network), genes, batch.images, relu_inputs=relu_inputs)
        codes = np.hstack([x.flatten(1).numpy() > 0 for x in relu_inputs])
        kernel = [[len(a) - np.sum(a != b) for b in codes] for a in codes]
        expected.append(np.log(np.linalg.det(np.array(kernel, dtype=float))))
    (found,) = NASWOT.measure(network, genes, batches)
    assert found == pytest.approx(np.mean(expected), rel=1e-9)
    assert not any(module._forward_hooks for module in network.modules())


def test_images_that_look_the_same_have_no_determinant(network):
    (found,) = NASWOT.measure(network, EMPTY, [batch_of(4)])
    assert np.isnan(found)
    found = NASWOT.mean_over_seeds(nb201, np.empty((3, 6)), {"log 0": np.array([3.0, np.nan, 5.0])})
    assert found["score"].tolist() == [-3, -2, -5]


def test_az_nas_by_numpy(network, genes):
    batch = batch_of(4)
    features: list[torch.Tensor] = []
    plain_forward(weights_of(network), genes, batch.images, cell_outputs=features)
    entropies = []
    for block in features:
        samples = block.numpy().transpose(0, 2, 3, 1).reshape(-1, block.shape[1])
        variances = np.linalg.svd(samples - samples.mean(axis=0), compute_uv=False) ** 2
        parts = variances / variances.sum()
        entropies.append(-sum(part * np.log(part) for part in parts if part > 1e-15))
    expressivity, progressivity, _ = AZ_NAS.measure(network, genes, [batch])
    assert expressivity == pytest.approx(sum(entropies), rel=1e-6)
    assert progressivity == pytest.approx(min(np.diff(entropies)), rel=1e-6)


@pytest.mark.parametrize("stride", [1, 2])
def test_trainability_estimates_the_jacobian(stride):
    """Of a 1x1 (or 2x2, stride 2) convolution the Jacobian is the kernel itself."""
    draw = torch.Generator().manual_seed(0)
    kernel = torch.randn(6, 3, stride, stride, generator=draw, dtype=torch.float64) / 2
    x = torch.randn(400, 3, 8, 8, generator=draw, dtype=torch.float64).requires_grad_()
    output = F.conv2d(x, kernel, stride=stride)
    signs = az_nas.random_signs(tuple(output.shape), 0).double()
    (gradient,) = torch.autograd.grad(output, x, signs)
    norm = np.linalg.norm(kernel.flatten(1).numpy(), 2)
    found = az_nas.trainability(signs, gradient)
    assert found == pytest.approx(2 - norm - 1 / norm, rel=0.05)


def test_az_nas_of_blocks_that_do_nothing(network):
    _, _, nothing = AZ_NAS.measure(network, (0, 0, 0, 1, 0, 0), [batch_of(4)])
    assert nothing == -np.inf
    expressivity, progressivity, _ = AZ_NAS.measure(network, EMPTY, [batch_of(4)])
    assert np.isfinite([expressivity, progressivity]).all()


def test_az_nas_adds_logarithms_of_ranks():
    cells = np.array([CELLS[0], EMPTY, CELLS[2]])
    # Expressivity, progressivity, trainability.
    numbers = np.array([[3.0, 1.0, 2.0], [-1.0, -3.0, -1.0], [-0.5, np.nan, -0.1]])
    expected = sum(
        np.log(rankdata(column) / 3)
        for column in ([3, 1, 2], [2, 1, 2], [2, 1, 3], nb201.flops(cells))
    )
    np.testing.assert_allclose(AZ_NAS.ranked(nb201, numbers, cells), -expected)


def make_scorer(kind: str, toy_file, **settings) -> UntrainedScorer:
    given = {"network": {**NETWORK, "channels": 2}, **settings}
    if kind != "synflow":
        given = {"images": 8, "batches": 2, **given}
    return UntrainedScorer(read(kind, **given), nb201, toy_file if kind == "naswot" else None)


def cells_of(*prefix: int) -> np.ndarray:
    """Some cells of a group."""
    cells, _ = distinct_cells(nb201, "batch")
    return cells[(cells[:, :3] == prefix).all(axis=1)][::6]


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_cells_leaves_no_trace(toy_file, kind):
    scorer, cells = make_scorer(kind, toy_file), cells_of(3, 2, 4)
    assert len(cells) > 15
    first = scorer(cells)
    scorer(cells_of(1, 2, 3))
    again = scorer(cells[::-1])
    other = make_scorer(kind, toy_file)(cells)
    for column, values in first.items():
        np.testing.assert_array_equal(again[column][::-1], values)
        np.testing.assert_array_equal(other[column], values)


def test_cells_of_one_function_have_one_score():
    cells, which = distinct_cells(nb201, "batch")
    assert len(cells) == 9_445
    dead = np.array(
        [[3, 0, 2, 3, 0, 0], [0, 0, 0, 3, 0, 0]]
    )  # of the first, nodes 1, 2 lead nowhere
    first, second = which[nb201.index_of(dead)]
    assert first == second
    assert cells[first].tolist() == [0, 0, 0, 3, 0, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_each_seed_draws_weights_and_images_of_its_own(toy_file, kind):
    scorer, cells = make_scorer(kind, toy_file, seeds=2), cells_of(3, 3, 4)
    found, columns = scorer(cells), read(kind).measures
    assert set(found) == {f"{column} {seed}" for column in columns for seed in (0, 1)}
    for column in columns:
        assert (found[f"{column} 0"] != found[f"{column} 1"]).mean() > 0.5
    alone = make_scorer(kind, toy_file)(cells)
    np.testing.assert_array_equal(found[f"{columns[0]} 0"], alone[f"{columns[0]} 0"])
    if kind != "synflow":
        first, second = (draw[1][0].images for draw in scorer.draws)
        assert not torch.equal(first, second)
        assert [len(batch.labels) for batch in scorer.draws[0][1]] == [4, 4]


def test_settings_are_checked(toy_file, tmp_path):
    work = Work(tmp_path / "work", 1, pytest.fail)
    with pytest.raises(InputError, match="images is 1; expected at least batches, 2"):
        read("naswot", images=1, batches=2)
    with pytest.raises(InputError, match="resolution is 6; expected a multiple of 4"):
        read("naswot", resolution=6)
    odd = tmp_path / "odd.pt"
    save_images(toy_images(side=6), odd)
    with pytest.raises(InputError, match="images of 6x6 pixels"):
        read("naswot", network=NETWORK).score(nb201, Inputs(images=odd), work)
    with pytest.raises(InputError, match="naswot looks at images"):
        read("naswot", network=NETWORK).score(nb201, Inputs(), work)
    with pytest.raises(InputError, match="proxy naswot looks at every architecture of a space"):
        read("naswot").score(plugins.space("shuffle"), Inputs(images=toy_file), work)


@pytest.mark.slow
def test_the_table_of_two_workers_holds_what_one_scorer_finds(toy_file, tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "distinct_cells", some_cells)
    settings = {"network": {**NETWORK, "channels": 1}, "images": 8, "seeds": 2}
    lines: list[str] = []
    work = Work(tmp_path / "work", 2, lines.append)
    table = read("naswot", **settings).score(nb201, Inputs(images=toy_file), work)
    assert not (tmp_path / "work").exists()
    cells, _ = some_cells(nb201, "batch")
    assert lines[0] == f"{len(cells)} of 15625 cells are different functions"
    assert table["source"][0] == (
        "naswot of untrained pooled networks (1 channels, 1 cells a stage) on 8 training images "
        "of 8x8 pixels, measured, mean of 2 draws"
    )
    scorer = make_scorer("naswot", toy_file, **settings, batches=1)
    for group in list(groups_of(nb201, cells))[5::7]:
        found = scorer(group)
        mean = -(found["log_determinant 0"] + found["log_determinant 1"]) / 2
        told_apart = ~np.isnan(mean)  # by the network, the few images
        assert told_apart.mean() > 0.5
        of_table = table["score"].to_numpy()[nb201.index_of(group)]
        np.testing.assert_array_equal(of_table[told_apart], mean[told_apart])
