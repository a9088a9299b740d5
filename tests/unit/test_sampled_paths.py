from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
import torch.nn.functional as F
from nb201_space import nb201
from toy_supernets import LAYER_WISE, SPACES, layer_probabilities, read, results, settings_of

from hanas.training.supernets import prepare
from hanas.training.trainers._trainer import draw_operations


def test_rsps_finds_the_best_of_its_candidates(toy_file):
    run = prepare(read(settings_of("rsps", candidates=20)), toy_file)
    genes, how = run.trainer.found(run)
    candidates = draw_operations(torch.zeros(6, 5), 20, run.random("candidates")).numpy()
    errors = [run.judge_cell(candidate)[1] for candidate in candidates]
    assert run.judge_cell(genes)[1] == min(errors)
    assert max(errors) > min(errors)  # there was something to choose
    assert "20 random cells on 24 validation images" in how


@pytest.mark.parametrize("space", LAYER_WISE)
def test_spos_trains_one_path_in_a_step(space, toy_file):
    """The weights of every other operation stay as they are."""
    run = prepare(read(settings_of("spos", space)), toy_file)
    before = {name: weight.clone() for name, weight in run.network.state_dict().items()}
    trainer: Any = run.trainer
    genes = trainer.draw(run, run.steps, run.random("genes", 0))
    run.trainer.begin_epoch(run, 0)(1, run.train_batches(0)(1))
    changed = {n for n, w in run.network.state_dict().items() if not torch.equal(w, before[n])}
    names = SPACES[space].operations
    path = {f"layers.{layer}.{names[gene]}." for layer, gene in enumerate(genes[1].tolist())}
    of_layers = {n for n in before if n.startswith("layers.")}
    on_path = {n for n in of_layers if any(n.startswith(start) for start in path)}
    assert changed & of_layers == on_path
    assert changed - of_layers == set(before) - of_layers


@pytest.mark.slow
@pytest.mark.parametrize("space", LAYER_WISE)
def test_spos_finds_the_best_of_uniform_candidates(space, toy_file):
    """Uniform although training favours some operations, and never an impossible one."""
    training = {"operation_probabilities": layer_probabilities(space)}
    settings = settings_of("spos", space, candidates=300, candidate_images=1, training=training)
    run = prepare(read(settings), toy_file)
    judged = []
    forward = type(run.network).forward

    def noted(images, genes):
        judged.append([int(gene) for gene in genes])
        return torch.zeros(len(images), 3)

    run.network.forward = noted  # pyright: ignore[reportAttributeAccessIssue]
    genes, how = run.trainer.found(run)
    assert forward is type(run.network).forward
    assert len(judged) == 300
    assert genes.tolist() == judged[0]  # all are equally good: the first
    assert how == "lowest error of 300 random architectures on 1 validation images"
    for layer, count in enumerate(SPACES[space].choices):
        counts = np.bincount(np.array(judged)[:, layer], minlength=count)
        assert len(counts) == count
        assert scipy.stats.chisquare(counts).pvalue > 1e-5


def test_spos_on_cells_is_rsps(trained):
    assert results(trained("rsps"))[0] == results(trained("spos"))[0]


@pytest.mark.parametrize("space", LAYER_WISE)
def test_entropy_is_the_mean_over_layers_of_what_can_be_there(space, trained):
    history = pd.read_parquet(trained("spos", space) / "history")
    expected = np.mean(np.log(SPACES[space].choices))
    assert history["entropy"].tolist() == pytest.approx([expected] * 2)


@pytest.mark.parametrize(("trainer", "cells"), [("fairness", 5), ("sandwich", 4)])
def test_gradients_of_several_cells_add_up_before_a_step(trainer, cells, toy_file, monkeypatch):
    run = prepare(read(settings_of(trainer)), toy_file)
    seen = []
    forward = type(run.network).forward

    def spied(network, images, genes):
        seen.append(list(genes))
        return forward(network, images, genes)

    monkeypatch.setattr(type(run.network), "forward", spied)
    before = {name: weight.clone() for name, weight in run.network.state_dict().items()}
    batch = run.train_batches(0)(0)
    run.trainer.begin_epoch(run, 0)(0, batch)
    assert len(seen) == cells
    if trainer == "sandwich":
        assert seen[:2] == [list(nb201.largest), list(nb201.smallest)]
    other = prepare(read(settings_of(trainer)), toy_file)
    other.network.load_state_dict(before)
    loss = sum(F.cross_entropy(forward(other.network, batch.images, g), batch.labels) for g in seen)
    assert isinstance(loss, torch.Tensor)
    loss.backward()
    weights = [weight for weight in other.network.parameters() if weight.grad is not None]
    torch.nn.utils.clip_grad_norm_(weights, 5.0)
    other.weight_stepper.optimizer.step()
    for name, weight in other.network.state_dict().items():
        torch.testing.assert_close(run.network.state_dict()[name], weight)
