from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from nb201_space import EDGES, NONE, nb201
from toy_supernets import LAYER_WISE, PROBABILITIES, SPACES, layer_probabilities, read, settings_of

from hanas.training.supernets import prepare
from hanas.training.trainers import fairness
from hanas.training.trainers._trainer import cells_of, draw_operations


def test_rsps_draws_operations_with_their_probabilities():
    alphas = torch.tensor(list(PROBABILITIES.values())).log().expand(6, 5)
    genes = draw_operations(alphas, 20_000, torch.Generator().manual_seed(0))
    assert genes.shape == (20_000, 6)
    for edge in range(6):
        counts = torch.bincount(genes[:, edge], minlength=5).numpy()
        expected = 20_000 * np.array(list(PROBABILITIES.values()))
        assert scipy.stats.chisquare(counts, expected).pvalue > 1e-4


def test_rsps_may_leave_out_an_operation(toy_file, tmp_path):
    probabilities = {**PROBABILITIES, "none": 0.0, "skip_connect": 0.3}
    settings = settings_of("rsps", training={"operation_probabilities": probabilities})
    run = prepare(read(settings), toy_file)
    genes = draw_operations(run.alphas, 1000, run.random("genes", 0))
    assert (genes != NONE).all()


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("space", LAYER_WISE)
def test_spos_draws_each_gene_from_its_own_choices(space, given, toy_file):
    probabilities = layer_probabilities(space) if given else None
    training = {"operation_probabilities": probabilities}
    run = prepare(read(settings_of("spos", space, training=training)), toy_file)
    trainer: Any = run.trainer
    genes = trainer.draw(run, 20_000, torch.Generator().manual_seed(0))
    choices = SPACES[space].choices
    assert genes.shape == (20_000, len(choices))
    for layer, count in enumerate(choices):
        counts = torch.bincount(genes[:, layer], minlength=count).numpy()
        assert len(counts) == count  # nothing that cannot be there
        expected = np.array(
            list((probabilities or dict.fromkeys(range(count), 1)).values())[:count]
        )
        assert scipy.stats.chisquare(counts, 20_000 * expected / expected.sum()).pvalue > 1e-5


def test_cell_sets_hold_what_they_say():
    assert len(cells_of("nb201", "all")) == 15_625
    assert len(cells_of("nb201", "distinct")) == 6_466  # published: distinct up to isomorphism
    connected = cells_of("nb201", "connected")
    graph = np.zeros((len(nb201.all_genes()), 4), dtype=bool)
    graph[:, 0] = True
    for edge, (target, source) in enumerate(EDGES):
        graph[:, target] |= graph[:, source] & (nb201.all_genes()[:, edge] != NONE)
    np.testing.assert_array_equal(connected, nb201.all_genes()[graph[:, 3]])


@pytest.mark.parametrize("cell_set", ["connected", "distinct"])
def test_cells_are_drawn_with_the_product_of_their_probabilities(cell_set, toy_file):
    training = {"operation_probabilities": PROBABILITIES}
    settings = settings_of("rsps", sampled_cells=cell_set, training=training)
    run = prepare(read(settings), toy_file)
    trainer: Any = run.trainer
    drawn = trainer.draw(run, 20_000, torch.Generator().manual_seed(0)).numpy()
    cells = cells_of("nb201", cell_set)
    weights = np.array(list(PROBABILITIES.values()))[cells].prod(axis=1)
    expected = weights / weights.sum()
    row_of = dict(zip(map(tuple, cells.tolist()), range(len(cells)), strict=True))
    counts = np.bincount([row_of[tuple(cell)] for cell in drawn.tolist()], minlength=len(cells))
    often = expected * 20_000 >= 5
    observed = [*counts[often], counts[~often].sum()]
    wanted = [*(expected[often] * 20_000), expected[~often].sum() * 20_000]
    assert scipy.stats.chisquare(observed, wanted).pvalue > 1e-4


def test_fair_cells_hold_every_operation_of_every_edge_once():
    genes = fairness.fair_genes([5] * 6, 2_000, random=torch.Generator().manual_seed(0))
    assert genes.shape == (2_000, 5, 6)
    assert (genes.sort(dim=1).values == torch.arange(5)[:, None]).all()
    for edge in range(6):  # each operation is equally often the first
        counts = torch.bincount(genes[:, 0, edge], minlength=5).numpy()
        assert scipy.stats.chisquare(counts).pvalue > 1e-4


def test_genes_of_fewer_values_have_each_as_often_as_any_other_or_once_more():
    choices = (3, 5, 2, 4)
    genes = fairness.fair_genes(choices, 3_000, random=torch.Generator().manual_seed(0))
    assert genes.shape == (3_000, 5, 4)
    for gene, count in enumerate(choices):
        often = torch.stack([(genes[:, :, gene] == value).sum(dim=1) for value in range(count)])
        assert often.sum(dim=0).eq(5).all()
        assert (often.amax(dim=0) - often.amin(dim=0)).max() <= 1
        for counted in (often.sum(dim=1), torch.bincount(genes[:, 0, gene], minlength=count)):
            # No value has more than its share, neither in all nor in the first place.
            expected = float(counted.sum()) / count
            assert (counted - expected).abs().max() < 5 * expected**0.5
