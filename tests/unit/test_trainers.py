import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from toy_supernets import (
    SPACES,
    TRAINED,
    TRAINED_ANEW,
    read,
    results,
    settings_of,
    small_network,
    train,
)

from hanas.core.compute import threads
from hanas.core.errors import InputError
from hanas.core.files import read_json
from hanas.data.batches import load_split
from hanas.training.supernets import load_supernet, prepare

#: Of every kind of step one; the others take part in the slow tests.
LEARNING = [
    pair
    if pair in [("darts", "nb201"), ("gdas", "nb201"), ("rsps", "nb201")]
    else pytest.param(*pair, marks=pytest.mark.slow)
    for pair in TRAINED
]


@pytest.mark.parametrize(("trainer", "space"), TRAINED)
def test_what_is_written(trainer, space, trained):
    folder = trained(trainer, space)
    history = pd.read_parquet(folder / "history")
    assert history["epoch"].tolist() == [1, 2]
    module = SPACES[space]
    columns = ["train_loss", "train_accuracy", "validation_loss", "validation_accuracy"]
    columns += ["learning_rate", "entropy", "seconds"]
    assert set(columns) <= set(history)
    # A column for each operation that can be there, and no other.
    assert [name for name in history if name.startswith("alpha_")] == [
        f"alpha_{gene}_{name}"
        for gene, count in enumerate(module.choices)
        for name in module.operations[:count]
    ]
    assert np.isfinite(history.drop(columns="seconds")).all(axis=None)
    assert history["learning_rate"].tolist() == pytest.approx([0.1, 0.05])
    found = read_json(folder / "found")
    assert module.to_text(module.from_text(found["arch"])) == found["arch"]
    assert 0 <= found["validation_error"] <= 1
    assert found["validation_images"] == 24
    assert not (folder / "checkpoint").exists()
    lines = (folder / "log").read_text().splitlines()
    assert lines[0].startswith("step 0 of ")
    of_epoch = next(line for line in lines if line.startswith("epoch 1/2"))
    assert "left" in of_epoch
    supernet = load_supernet(folder / "weights")
    alphas = [history[f"alpha_3_{name}"].iloc[-1] for name in module.operations]
    np.testing.assert_allclose(supernet.alphas[3].numpy(), alphas)


@pytest.mark.parametrize(("trainer", "space"), TRAINED_ANEW)
def test_one_seed_gives_one_result(trainer, space, trained, toy_file, tmp_path):
    first, before = results(trained(trainer, space)), torch.random.get_rng_state()
    for folder, seed in (("again", 0), ("other", 1)):
        train(settings_of(trainer, space, seed=seed), toy_file, tmp_path / folder)
    assert first == results(tmp_path / "again")
    assert first[0] != results(tmp_path / "other")[0]
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(("trainer", "space"), LEARNING)
def test_it_learns(trainer, space, toy_file, tmp_path):
    """Colours tell the three classes apart; chance is a third."""
    changes: dict = {"epochs": 40, "batch_size": 12, "learning_rate": 0.05}
    network = {"skeleton": "pooled", "channels": 4, "cells": 1}
    favourites = space != "nb201" and trainer not in ("fairness", "sandwich")
    if space != "nb201":
        network = small_network(space)
    if favourites:
        # All paths of 20 layers would take thousands of steps: mostly the same one, then.
        favourite, *others = reversed(SPACES[space].operations)
        if space == "shuffle":
            *others, favourite = reversed(SPACES[space].operations)
            changes["learning_rate"] = 0.1
        probability = 0.95 if space == "shuffle" else 0.9
        rest = dict.fromkeys(others, (1 - probability) / len(others))
        changes["operation_probabilities"] = {favourite: probability, **rest}
    settings = settings_of(trainer, space, training=changes, network=network)
    paths = train(settings, toy_file, tmp_path)
    history = pd.read_parquet(paths["history"])
    if favourites or space == "nb201":
        assert history["train_accuracy"].iloc[-10:].mean() > 0.6
    assert history["train_loss"].iloc[-10:].median() < 0.99 * history["train_loss"].iloc[0]


@pytest.mark.parametrize(("trainer", "space"), TRAINED)
def test_what_is_found_is_judged_with_the_shared_weights(trainer, space, toy_data, trained):
    folder = trained(trainer, space)
    found, supernet = read_json(folder / "found"), load_supernet(folder / "weights")
    validation = load_split(toy_data, "validation").take(None)
    images, labels = validation.batch(torch.arange(24))
    with torch.no_grad(), threads(1):  # as the training: the last digits depend on it
        logits = supernet.network()(images, SPACES[space].from_text(found["arch"]))
    error = (logits.argmax(dim=1) != labels).double().mean().item()
    assert found["validation_error"] == pytest.approx(error)
    loss = F.cross_entropy(logits, labels).item()
    assert found["validation_cross_entropy"] == pytest.approx(loss, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("trainer", "space"), TRAINED)
@pytest.mark.parametrize("mode", ["batch_affine", "running"])
def test_other_networks_train(trainer, space, mode, toy_file, tmp_path):
    network = {"skeleton": "standard", "channels": 2, "cells": 2}
    network = network if space == "nb201" else small_network(space)
    settings = settings_of(trainer, space, network={**network, "batch_norm": mode})
    paths = train(settings, toy_file, tmp_path)
    assert load_supernet(paths["weights"]).network_settings.params()["batch_norm"] == mode


@pytest.mark.parametrize(("trainer", "space"), TRAINED_ANEW)
def test_a_loss_that_is_not_finite_ends_the_training(trainer, space, toy_file, tmp_path):
    training = {"learning_rate": 1e30, "gradient_clip": 0}
    settings = settings_of(trainer, space, training=training)
    with pytest.raises(InputError, match=r"epoch 1; lower training.learning_rate"):
        train(settings, toy_file, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("trainer", ["darts", "gdas"])
def test_the_largest_alphas_are_found(trainer, toy_file):
    run = prepare(read(settings_of(trainer)), toy_file)
    genes = [0, 1, 2, 3, 4, 3]
    with torch.no_grad():
        run.alphas[torch.arange(6), torch.tensor(genes)] = 1.0
    found, _ = run.trainer.found(run)
    assert found.tolist() == genes


@pytest.mark.parametrize(
    ("trainer", "architecture"),
    [
        ("darts", {"order": 2}),
        ("gdas", {"straight_through": "sampled", "tau": [5, 1]}),
    ],
)
def test_architecture_settings_matter(trainer, architecture, trained, toy_file, tmp_path):
    train(settings_of(trainer, architecture=architecture), toy_file, tmp_path / "other")
    default = load_supernet(trained(trainer) / "weights").alphas
    other = load_supernet(tmp_path / "other" / "weights").alphas
    assert torch.isfinite(other).all()
    assert not torch.equal(default, other)


@pytest.mark.parametrize("trainer", ["darts", "gdas"])
@pytest.mark.parametrize(("weight_steps", "alpha_steps"), [(1, 3), (2, 2), (5, 1)])
def test_architecture_weights_take_a_step_every_few_steps(
    trainer, weight_steps, alpha_steps, toy_file
):
    given = {
        "dataset": "toy",
        "trainer": trainer,
        "network": {"skeleton": "pooled", "channels": 2, "cells": 1},
        "training": {"batch_size": 8, "crop_padding": 0},
        "architecture": {"weight_steps": weight_steps},
    }
    run = prepare(read(given), toy_file)
    assert run.steps == 3
    step = run.trainer.begin_epoch(run, 0)
    batches = run.train_batches(0)
    for number in range(run.steps):
        step(number, batches(number))
    (state,) = run.alpha_optimizer.state.values()
    assert state["step"] == alpha_steps
