import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
import torch.nn.functional as F
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hanas import plugins
from hanas.compute import threads
from hanas.errors import InputError
from hanas.files import read_json
from hanas.networks.cell import NetworkSettings
from hanas.spaces import nb201
from hanas.trainers import darts, fairness, gdas, rsps
from hanas.trainers._run import ArchitectureSettings, SupernetSettings, supernet_settings
from hanas.trainers._sampling import cells_of, draw_cells, draw_operations
from hanas.training.batches import load_split
from hanas.training.snapshot_epochs import snapshot_epochs
from hanas.training.supernets import load_supernet, prepare, save_supernet, train_supernet
from hanas.training.weight_steps import TrainingSettings, learning_rate

REPOSITORY = Path(__file__).parents[2]
TRAINERS = plugins.names("trainers")
SPACES = {name: plugins.load("spaces", name) for name in plugins.names("spaces")}
LAYER_WISE = [name for name, space in SPACES.items() if not space.ENUMERABLE]
LAYER_WISE_TRAINERS = [name for name in TRAINERS if plugins.load("trainers", name).LAYER_WISE]
#: Every trainer on cells, and those that can on layer-wise spaces.
TRAINED = [
    *((trainer, "nb201") for trainer in TRAINERS),
    *((trainer, space) for trainer in LAYER_WISE_TRAINERS for space in LAYER_WISE),
]
PROBABILITIES = {
    "none": 0.1,
    "skip_connect": 0.2,
    "nor_conv_1x1": 0.25,
    "nor_conv_3x3": 0.35,
    "avg_pool_3x3": 0.1,
}
FILES = ("weights", "history", "found", "checkpoint")


def small_network(space: str) -> dict:
    return {"skeleton": "pooled", "channels": 2, "cells": 1} if space == "nb201" else {"width": 0.1}


def settings_of(trainer: str, space: str = "nb201", **changes) -> dict:
    training = {"epochs": 2, "batch_size": 8, "learning_rate": 0.1, "crop_padding": 1}
    return {
        "dataset": "toy",
        "trainer": trainer,
        "space": space,
        "network": small_network(space),
        "training": {**training, **changes.pop("training", {})},
        "candidates": 5,
        "snapshots": 2 if space == "nb201" else 1,
        **changes,
    }


def train(settings: dict, images: Path, folder: Path, log=None) -> dict[str, Path]:
    paths = {name: folder / name for name in FILES}
    lines: list[str] = []
    train_supernet(settings, images, **paths, log=log or lines.append)
    return paths


def results(folder: Path) -> tuple:
    history = pd.read_parquet(folder / "history").drop(columns="seconds")
    return (folder / "weights").read_bytes(), (folder / "found").read_bytes(), history.to_dict()


@pytest.mark.parametrize(("trainer", "space"), TRAINED)
def test_what_is_written(trainer, space, toy_file, tmp_path):
    lines: list[str] = []
    paths = train(settings_of(trainer, space), toy_file, tmp_path, lines.append)
    history = pd.read_parquet(paths["history"])
    assert history["epoch"].tolist() == [1, 2]
    module = SPACES[space]
    columns = ["train_loss", "train_accuracy", "validation_loss", "validation_accuracy"]
    columns += ["learning_rate", "entropy", "seconds"]
    assert set(columns) <= set(history)
    # A column for each operation that can be there, and no other.
    assert [name for name in history if name.startswith("alpha_")] == [
        f"alpha_{gene}_{name}"
        for gene, count in enumerate(module.choices)
        for name in module.OPERATIONS[:count]
    ]
    assert np.isfinite(history.drop(columns="seconds")).all(axis=None)
    assert history["learning_rate"].tolist() == pytest.approx([0.1, 0.05])
    found = read_json(paths["found"])
    assert module.to_text(module.from_text(found["arch"])) == found["arch"]
    assert 0 <= found["validation_error"] <= 1
    assert found["validation_images"] == 24
    assert not paths["checkpoint"].exists()
    assert lines[0].startswith("epoch 1/2")
    assert "left" in lines[0]
    supernet = load_supernet(paths["weights"])
    alphas = [history[f"alpha_3_{name}"].iloc[-1] for name in module.OPERATIONS]
    np.testing.assert_allclose(supernet.alphas[3].numpy(), alphas)


@pytest.mark.parametrize(("trainer", "space"), TRAINED)
def test_one_seed_gives_one_result(trainer, space, toy_file, tmp_path):
    before = torch.random.get_rng_state()
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(settings_of(trainer, space, seed=seed), toy_file, tmp_path / folder)
    assert results(tmp_path / "a") == results(tmp_path / "b")
    assert results(tmp_path / "a")[0] != results(tmp_path / "c")[0]
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(("trainer", "space"), TRAINED)
def test_it_learns(trainer, space, toy_file, tmp_path):
    """Colours tell the three classes apart; chance is a third."""
    changes: dict = {"epochs": 40, "batch_size": 12, "learning_rate": 0.05}
    network = {"skeleton": "pooled", "channels": 4, "cells": 1}
    if space != "nb201":
        # All paths of 20 layers would take thousands of steps: mostly the same one, then.
        network = small_network(space)
        favourite, *others = reversed(SPACES[space].OPERATIONS)
        if space == "shuffle":
            *others, favourite = reversed(SPACES[space].OPERATIONS)
            changes["learning_rate"] = 0.1
        probability = 0.95 if space == "shuffle" else 0.9
        rest = dict.fromkeys(others, (1 - probability) / len(others))
        changes["operation_probabilities"] = {favourite: probability, **rest}
    settings = settings_of(trainer, space, training=changes, network=network)
    paths = train(settings, toy_file, tmp_path)
    history = pd.read_parquet(paths["history"])
    assert history["train_accuracy"].iloc[-10:].mean() > 0.6
    assert history["train_loss"].iloc[-10:].median() < history["train_loss"].iloc[0]


@pytest.mark.parametrize(("trainer", "space"), TRAINED)
def test_what_is_found_is_judged_with_the_shared_weights(
    trainer, space, toy_data, toy_file, tmp_path
):
    paths = train(settings_of(trainer, space), toy_file, tmp_path)
    found, supernet = read_json(paths["found"]), load_supernet(paths["weights"])
    validation = load_split(toy_data, "validation").take(None)
    images, labels = validation.batch(torch.arange(24))
    with torch.no_grad(), threads(1):  # as the training: the last digits depend on it
        logits = supernet.network()(images, SPACES[space].from_text(found["arch"]))
    error = (logits.argmax(dim=1) != labels).double().mean().item()
    assert found["validation_error"] == pytest.approx(error)
    loss = F.cross_entropy(logits, labels).item()
    assert found["validation_cross_entropy"] == pytest.approx(loss, rel=1e-6)


@pytest.mark.parametrize(
    ("trainer", "architecture"),
    [
        ("darts", {"order": 2}),
        ("gdas", {"straight_through": "sampled", "tau": [5, 1]}),
    ],
)
def test_architecture_settings_matter(trainer, architecture, toy_file, tmp_path):
    train(settings_of(trainer), toy_file, tmp_path / "default")
    train(settings_of(trainer, architecture=architecture), toy_file, tmp_path / "other")
    default = load_supernet(tmp_path / "default" / "weights").alphas
    other = load_supernet(tmp_path / "other" / "weights").alphas
    assert torch.isfinite(other).all()
    assert not torch.equal(default, other)


@pytest.mark.parametrize(("trainer", "space"), TRAINED)
@pytest.mark.parametrize("mode", ["batch_affine", "running"])
def test_other_networks_train(trainer, space, mode, toy_file, tmp_path):
    network = {"skeleton": "standard", "channels": 2, "cells": 2}
    network = network if space == "nb201" else small_network(space)
    settings = settings_of(trainer, space, network={**network, "batch_norm": mode})
    paths = train(settings, toy_file, tmp_path)
    assert load_supernet(paths["weights"]).network_settings["batch_norm"] == mode


# ---- kills and leftovers ---------------------------------------------------------------------

# One process per trainer, for the time that importing takes; each training is a fork of it, which
# really dies of SIGKILL.
KILLER = """
import json, os, signal, sys
from pathlib import Path
from hanas import checkpoints
from hanas.training import epochs, supernets

images, root, trainer = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
settings = json.loads(sys.argv[4])
epochs.SECONDS_BETWEEN_CHECKPOINTS = -1.0  # save after every step
os.fsync = lambda handle: None  # a killed process loses nothing that it wrote
FILES = ("weights", "history", "found", "checkpoint")

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def die_after(module, name, count):
    whole, calls = getattr(module, name), []
    def dying(*given, **named):
        result = whole(*given, **named)
        calls.append(1)
        if len(calls) == count:
            die()
        return result
    setattr(module, name, dying)

def die_while_saving(count):
    write, calls = checkpoints.torch.save, []
    def dying(content, target):
        calls.append(1)
        if len(calls) == count:
            (root / "inside" / ".checkpoint.1.tmp").write_bytes(b"half")
            die()
        write(content, target)
    checkpoints.torch.save = dying

def train(folder, prepare=lambda: None):
    folder.mkdir(exist_ok=True)
    child = os.fork()
    if child == 0:
        prepare()
        lines = (folder / "log").open("a")
        log = lambda line: print(line, file=lines, flush=True)
        paths = {name: folder / name for name in FILES}
        supernets.train_supernet(settings, images, **paths, log=log)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

# Not in a fork, so that what is imported late is there for all forks.
(root / "undisturbed").mkdir()
supernets.train_supernet(settings, images, **{name: root / "undisturbed" / name for name in FILES})
moments = {
    "first step": lambda: die_after(epochs, "save_checkpoint", 1),
    "second epoch": lambda: die_after(epochs, "save_checkpoint", 4),
    "end": lambda: die_after(epochs, "save_checkpoint", 6),
    "inside": lambda: die_while_saving(3),
    "weights": lambda: die_after(supernets, "save_supernet", 1),
    "history": lambda: die_after(supernets, "write_parquet", 1),
}
for moment, prepare in moments.items():
    assert train(root / moment, prepare) == -signal.SIGKILL, moment
    assert train(root / moment) == 0, moment
# Killed twice, at different places.
assert train(root / "twice", moments["first step"]) == -signal.SIGKILL
assert train(root / "twice", moments["second epoch"]) == -signal.SIGKILL
assert train(root / "twice") == 0
"""
MOMENTS = ("first step", "second epoch", "end", "inside", "weights", "history", "twice")


@pytest.mark.parametrize(
    ("trainer", "space"),
    [(t, "shuffle_i" if t in LAYER_WISE_TRAINERS else "nb201") for t in TRAINERS],
)
def test_a_killed_training_ends_with_the_same_bits(trainer, space, toy_file, tmp_path):
    arguments = [str(toy_file), str(tmp_path), trainer, json.dumps(settings_of(trainer, space))]
    done = subprocess.run(
        [sys.executable, "-c", KILLER, *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    for moment in MOMENTS:
        assert results(tmp_path / moment) == results(tmp_path / "undisturbed"), moment
        assert "going on from" in (tmp_path / moment / "log").read_text(), moment
        assert not (tmp_path / moment / "checkpoint").exists()


def leave_checkpoint(settings: dict, images: Path, folder: Path) -> None:
    """Stop a training after its first epoch."""

    def stop(line: str) -> None:
        if line.startswith("epoch 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(settings, images, folder, stop)


def test_a_checkpoint_of_other_settings_is_not_used(toy_file, tmp_path):
    leave_checkpoint(settings_of("rsps", seed=1), toy_file, tmp_path / "left")
    assert (tmp_path / "left" / "checkpoint").exists()
    lines: list[str] = []
    train(settings_of("rsps"), toy_file, tmp_path / "left", lines.append)
    assert "other settings" in lines[0]
    train(settings_of("rsps"), toy_file, tmp_path / "fresh")
    assert results(tmp_path / "left") == results(tmp_path / "fresh")


def test_a_damaged_checkpoint_is_not_used(toy_file, tmp_path):
    leave_checkpoint(settings_of("gdas"), toy_file, tmp_path / "left")
    checkpoint = tmp_path / "left" / "checkpoint"
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    checkpoint.write_bytes(bytes(content))
    lines: list[str] = []
    train(settings_of("gdas"), toy_file, tmp_path / "left", lines.append)
    assert "damaged" in lines[0]
    train(settings_of("gdas"), toy_file, tmp_path / "fresh")
    assert results(tmp_path / "left") == results(tmp_path / "fresh")


@pytest.mark.parametrize(("trainer", "space"), TRAINED)
def test_a_loss_that_is_not_finite_ends_the_training(trainer, space, toy_file, tmp_path):
    training = {"learning_rate": 1e30, "gradient_clip": 0}
    settings = settings_of(trainer, space, training=training)
    with pytest.raises(InputError, match=r"epoch 1; lower training.learning_rate"):
        train(settings, toy_file, tmp_path)
    assert list(tmp_path.iterdir()) == []


# ---- the supernet's file ---------------------------------------------------------------------


def test_a_changed_weight_is_noticed(toy_file, tmp_path):
    path = train(settings_of("rsps"), toy_file, tmp_path)["weights"]
    content = torch.load(path, weights_only=True)
    content["weights"]["classifier.bias"][0] += 1
    torch.save(content, path)
    with pytest.raises(InputError, match="changed after writing"):
        load_supernet(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="not readable as a supernet"):
        load_supernet(path)
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        load_supernet(path)


def test_a_supernet_comes_back(toy_file, tmp_path):
    path = train(settings_of("rsps"), toy_file, tmp_path)["weights"]
    save_supernet(load_supernet(path), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == path.read_bytes()


# ---- snapshots -------------------------------------------------------------------------------


def test_snapshots_are_the_weights_of_shorter_trainings(toy_file, tmp_path):
    supernets = {}
    for epochs, snapshots in ((2, 1), (3, 1), (4, 3)):
        training = {"schedule": "constant", "epochs": epochs}
        settings = settings_of("rsps", training=training, snapshots=snapshots)
        folder = tmp_path / str(epochs)
        supernets[epochs] = load_supernet(train(settings, toy_file, folder)["weights"])
    kept = supernets[4].earlier
    assert len(kept) == 2
    for weights, epochs in zip(kept, (2, 3), strict=True):
        for name, value in supernets[epochs].weights.items():
            assert torch.equal(weights[name], value)
    networks = supernets[4].snapshots()
    assert [network.training for network in networks] == [False] * 3
    for network, weights in zip(networks, [*kept, supernets[4].weights], strict=True):
        for name, value in network.state_dict().items():
            assert torch.equal(value, weights[name])


def test_there_are_no_more_snapshots_than_epochs(toy_file, tmp_path):
    with pytest.raises(InputError, match=r"snapshots is 3: 2 epochs have at most 2"):
        train(settings_of("rsps", snapshots=3), toy_file, tmp_path)


@given(st.integers(1, 300), st.integers(1, 20))
def test_snapshots_are_spread_over_the_second_half(epochs, count):
    if count > epochs // 2 + 1:
        with pytest.raises(InputError, match="expected fewer"):
            snapshot_epochs(epochs, count)
        return
    moments = snapshot_epochs(epochs, count)
    assert len(moments) == count
    assert moments[-1] == epochs
    assert moments[0] >= epochs / 2
    steps = np.diff(moments)
    assert len(steps) == 0 or steps.max() - steps.min() <= 1


@pytest.mark.parametrize("space", LAYER_WISE)
def test_layer_wise_supernets_have_no_snapshots(space, toy_file, tmp_path):
    with pytest.raises(InputError, match=r"snapshots is 2, .* by the last weights only"):
        train(settings_of("spos", space, snapshots=2), toy_file, tmp_path)


# ---- rsps ------------------------------------------------------------------------------------


def test_rsps_draws_operations_with_their_probabilities():
    alphas = torch.tensor(list(PROBABILITIES.values())).log().expand(6, 5)
    genes = draw_operations(alphas, 20_000, torch.Generator().manual_seed(0))
    assert genes.shape == (20_000, 6)
    for edge in range(6):
        counts = torch.bincount(genes[:, edge], minlength=5).numpy()
        expected = 20_000 * np.array(list(PROBABILITIES.values()))
        assert scipy.stats.chisquare(counts, expected).pvalue > 1e-4


def test_rsps_finds_the_best_of_its_candidates(toy_file, tmp_path):
    run = prepare(supernet_settings(settings_of("rsps", candidates=20)), toy_file)
    genes, how = rsps.found(run, lambda line: None)
    candidates = draw_operations(torch.zeros(6, 5), 20, run.random("candidates")).numpy()
    errors = [run.judge_cell(candidate)[1] for candidate in candidates]
    assert run.judge_cell(genes)[1] == min(errors)
    assert max(errors) > min(errors)  # there was something to choose
    assert "20 random cells on 24 validation images" in how


# ---- spos ------------------------------------------------------------------------------------


def layer_probabilities(space: str) -> dict[str, float]:
    """Different for each operation; they add up to one."""
    names = SPACES[space].OPERATIONS
    total = sum(range(1, len(names) + 1))
    return {name: (number + 1) / total for number, name in enumerate(names)}


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("space", LAYER_WISE)
def test_spos_draws_each_gene_from_its_own_choices(space, given, toy_file):
    probabilities = layer_probabilities(space) if given else None
    training = {"operation_probabilities": probabilities}
    run = prepare(supernet_settings(settings_of("spos", space, training=training)), toy_file)
    genes = draw_cells(run, 20_000, torch.Generator().manual_seed(0))
    choices = SPACES[space].choices
    assert genes.shape == (20_000, 20)
    for layer, count in enumerate(choices):
        counts = torch.bincount(genes[:, layer], minlength=count).numpy()
        assert len(counts) == count  # nothing that cannot be there
        expected = np.array(
            list((probabilities or dict.fromkeys(range(count), 1)).values())[:count]
        )
        assert scipy.stats.chisquare(counts, 20_000 * expected / expected.sum()).pvalue > 1e-5


@pytest.mark.parametrize("space", LAYER_WISE)
def test_spos_trains_one_path_in_a_step(space, toy_file):
    """The weights of every other operation stay as they are."""
    run = prepare(supernet_settings(settings_of("spos", space)), toy_file)
    before = {name: weight.clone() for name, weight in run.network.state_dict().items()}
    genes = draw_cells(run, run.steps, run.random("genes", 0))
    plugins.load("trainers", "spos").begin_epoch(run, 0)(1, run.train_batches(0)(1))
    changed = {n for n, w in run.network.state_dict().items() if not torch.equal(w, before[n])}
    names = SPACES[space].OPERATIONS
    path = {f"layers.{layer}.{names[gene]}." for layer, gene in enumerate(genes[1].tolist())}
    of_layers = {n for n in before if n.startswith("layers.")}
    on_path = {n for n in of_layers if any(n.startswith(start) for start in path)}
    assert changed & of_layers == on_path
    assert changed - of_layers == set(before) - of_layers


@pytest.mark.parametrize("space", LAYER_WISE)
def test_spos_finds_the_best_of_uniform_candidates(space, toy_file):
    """Uniform although training favours some operations, and never an impossible one."""
    training = {"operation_probabilities": layer_probabilities(space)}
    settings = settings_of("spos", space, candidates=300, candidate_images=1, training=training)
    run = prepare(supernet_settings(settings), toy_file)
    judged = []
    forward = type(run.network).forward

    def noted(images, genes):
        judged.append([int(gene) for gene in genes])
        return torch.zeros(len(images), 3)

    run.network.forward = noted
    genes, how = plugins.load("trainers", "spos").found(run, lambda line: None)
    assert forward is type(run.network).forward
    assert len(judged) == 300
    assert genes.tolist() == judged[0]  # all are equally good: the first
    assert how == "lowest error of 300 random architectures on 1 validation images"
    for layer, count in enumerate(SPACES[space].choices):
        counts = np.bincount(np.array(judged)[:, layer], minlength=count)
        assert len(counts) == count
        assert scipy.stats.chisquare(counts).pvalue > 1e-5


def test_spos_on_cells_is_rsps(toy_file, tmp_path):
    for trainer in ("rsps", "spos"):
        train(settings_of(trainer), toy_file, tmp_path / trainer)
    assert results(tmp_path / "rsps")[0] == results(tmp_path / "spos")[0]


@pytest.mark.parametrize("space", LAYER_WISE)
def test_entropy_is_the_mean_over_layers_of_what_can_be_there(space, toy_file, tmp_path):
    history = pd.read_parquet(train(settings_of("spos", space), toy_file, tmp_path)["history"])
    expected = np.mean(np.log(SPACES[space].choices))
    assert history["entropy"].tolist() == pytest.approx([expected] * 2)


def test_settings_of_the_thesis_can_be_said(toy_file):
    """Table 6-7: a learning rate that falls linearly from 0.025 to 0 over 900 epochs."""
    training = {"epochs": 900, "batch_size": 96, "learning_rate": 0.025, "schedule": "linear"}
    training |= {"momentum": 0.9, "nesterov": True, "weight_decay": 3e-4}
    run = prepare(supernet_settings(settings_of("spos", "shuffle", training=training)), toy_file)
    (group,) = run.weight_stepper.optimizer.param_groups
    assert group["nesterov"]
    assert (group["momentum"], group["weight_decay"]) == (0.9, 3e-4)
    rates = [learning_rate(run.settings.training, part) for part in (0, 1 / 3, 1)]
    assert rates == pytest.approx([0.025, 0.025 * 2 / 3, 0])


@pytest.mark.parametrize("space", LAYER_WISE)
@pytest.mark.parametrize("trainer", [t for t in TRAINERS if t not in LAYER_WISE_TRAINERS])
def test_trainers_of_cells_refuse_a_layer_wise_space(trainer, space, toy_file, tmp_path):
    message = (
        f"'{trainer}' trains cells, but '{space}' is a layer-wise space; expected one of: spos"
    )
    with pytest.raises(InputError, match=message):
        train(settings_of(trainer, space), toy_file, tmp_path)


def test_a_layer_wise_space_has_no_sets_of_cells(toy_file, tmp_path):
    with pytest.raises(InputError, match="sampled_cells is 'distinct', but space 'shuffle' is too"):
        train(settings_of("spos", "shuffle", sampled_cells="distinct"), toy_file, tmp_path)


def test_a_layer_needs_an_operation_with_a_probability(toy_file, tmp_path):
    names = SPACES["shuffle_i"].OPERATIONS
    training = {"operation_probabilities": {**dict.fromkeys(names, 0.0), "identity": 1.0}}
    with pytest.raises(InputError, match="no operation that gene 0 can have"):
        train(settings_of("spos", "shuffle_i", training=training), toy_file, tmp_path)


# ---- which cells are drawn -------------------------------------------------------------------


def test_cell_sets_hold_what_they_say():
    assert len(cells_of("nb201", "all")) == 15_625
    assert len(cells_of("nb201", "distinct")) == 6_466  # published: distinct up to isomorphism
    connected = cells_of("nb201", "connected")
    graph = np.zeros((len(nb201.all_genes()), 4), dtype=bool)
    graph[:, 0] = True
    for edge, (target, source) in enumerate(nb201.EDGES):
        graph[:, target] |= graph[:, source] & (nb201.all_genes()[:, edge] != nb201.NONE)
    np.testing.assert_array_equal(connected, nb201.all_genes()[graph[:, 3]])


@pytest.mark.parametrize("cell_set", ["connected", "distinct"])
def test_cells_are_drawn_with_the_product_of_their_probabilities(cell_set, toy_file):
    training = {"operation_probabilities": PROBABILITIES}
    settings = settings_of("rsps", sampled_cells=cell_set, training=training)
    run = prepare(supernet_settings(settings), toy_file)
    drawn = draw_cells(run, 20_000, torch.Generator().manual_seed(0)).numpy()
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
    genes = fairness.fair_cells(6, 5, 2_000, random=torch.Generator().manual_seed(0))
    assert genes.shape == (2_000, 5, 6)
    assert (genes.sort(dim=1).values == torch.arange(5)[:, None]).all()
    for edge in range(6):  # each operation is equally often the first
        counts = torch.bincount(genes[:, 0, edge], minlength=5).numpy()
        assert scipy.stats.chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize(("trainer", "cells"), [("fairness", 5), ("sandwich", 4)])
def test_gradients_of_several_cells_add_up_before_a_step(trainer, cells, toy_file, monkeypatch):
    run = prepare(supernet_settings(settings_of(trainer)), toy_file)
    seen = []
    forward = type(run.network).forward

    def spied(network, images, genes):
        seen.append(list(genes))
        return forward(network, images, genes)

    monkeypatch.setattr(type(run.network), "forward", spied)
    before = {name: weight.clone() for name, weight in run.network.state_dict().items()}
    batch = run.train_batches(0)(0)
    plugins.load("trainers", trainer).begin_epoch(run, 0)(0, batch)
    assert len(seen) == cells
    if trainer == "sandwich":
        assert seen[:2] == [list(nb201.LARGEST), list(nb201.SMALLEST)]
    other = prepare(supernet_settings(settings_of(trainer)), toy_file)
    other.network.load_state_dict(before)
    loss = sum(F.cross_entropy(forward(other.network, batch.images, g), batch.labels) for g in seen)
    loss.backward()
    weights = [weight for weight in other.network.parameters() if weight.grad is not None]
    torch.nn.utils.clip_grad_norm_(weights, 5.0)
    other.weight_stepper.optimizer.step()
    for name, weight in other.network.state_dict().items():
        torch.testing.assert_close(run.network.state_dict()[name], weight)


@pytest.mark.parametrize("trainer", ["darts", "gdas", "fairness"])
def test_trainers_that_choose_operations_refuse_a_set_of_cells(trainer, toy_file, tmp_path):
    with pytest.raises(InputError, match=r"leave out .*sampled_cells"):
        train(settings_of(trainer, sampled_cells="connected"), toy_file, tmp_path)


# ---- darts -----------------------------------------------------------------------------------


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
    run = prepare(supernet_settings(settings_of("darts")), toy_file)
    batch, validation = run.train_batches(0)(0), run.validation_batches(0)(0)
    logits = run.network.mixture(validation.images, run.alphas.softmax(dim=1))
    (expected,) = torch.autograd.grad(F.cross_entropy(logits, validation.labels), run.alphas)
    before = run.alphas.detach().clone()
    darts.begin_epoch(run, 0)(0, batch)
    assert torch.equal(run.alphas.grad, expected)
    # Adam's first step, with its weight decay: the learning rate times the sign.
    sign = (expected + 1e-3 * before).sign()
    torch.testing.assert_close(run.alphas.detach(), before - 3e-4 * sign, atol=1e-6, rtol=0)


@pytest.mark.parametrize("trainer", ["darts", "gdas"])
def test_the_largest_alphas_are_found(trainer, toy_file):
    run = prepare(supernet_settings(settings_of(trainer)), toy_file)
    genes = [0, 1, 2, 3, 4, 3]
    with torch.no_grad():
        run.alphas[torch.arange(6), torch.tensor(genes)] = 1.0
    found, _ = plugins.load("trainers", trainer).found(run, print)
    assert found.tolist() == genes


# ---- gdas ------------------------------------------------------------------------------------


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
    run = prepare(supernet_settings(settings), toy_file)
    noise = gdas.gumbel_noise((run.steps, 2, 6, 5), run.random("gumbel noise", 0))
    step, batch = gdas.begin_epoch(run, 0), run.train_batches(0)(0)
    alphas = run.alphas.detach().clone().requires_grad_()
    step(0, batch)
    # After the weight step, on the validation batch, by the full mixture and tau = 10.
    weights, _ = gdas.sample(alphas, noise[0, 1], 10)
    validation = run.validation_batches(0)(0)
    loss = F.cross_entropy(run.network.mixture(validation.images, weights), validation.labels)
    (expected,) = torch.autograd.grad(loss, alphas)
    torch.testing.assert_close(run.alphas.grad, expected, rtol=1e-3, atol=1e-6)
    assert expected.abs().max() > 1e-4


def test_gdas_temperature_falls_linearly(toy_file, tmp_path):
    settings = settings_of("gdas", training={"epochs": 4})
    history = pd.read_parquet(train(settings, toy_file, tmp_path)["history"])
    assert history["tau"].tolist() == pytest.approx([10, 6.7, 3.4, 0.1])


# ---- settings --------------------------------------------------------------------------------


def test_operation_probabilities_are_where_sampling_starts(toy_file):
    settings = settings_of("gdas", training={"operation_probabilities": PROBABILITIES})
    run = prepare(supernet_settings(settings), toy_file)
    expected = torch.tensor(list(PROBABILITIES.values())).expand(6, 5)
    torch.testing.assert_close(run.alphas.detach().softmax(dim=1), expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trainer": "dart"}, "no 'dart'; expected one of"),
        ({"sede": 3}, "supernet.sede: no such setting"),
        ({"training": {"epoch": 3}}, "training.epoch: no such setting"),
        ({"architecture": {"order": 3}}, "architecture.order is 3; expected one of: 1, 2"),
        ({"architecture": {"tau": [1]}}, "architecture.tau is (1,); expected two numbers"),
        ({"architecture": {"betas": [0.5, 1.0]}}, "architecture.betas is 1.0"),
        ({"network": {"channels": -1}}, "network.channels is -1"),
        ({"training": {"resolution": 2}}, "training.resolution: images of 2x2"),
        ({"training": {"resolution": 3}}, "training.resolution"),
        ({"device": "gpu"}, "device is 'gpu'; expected one of: auto, cpu, cuda"),
        ({"device": "cpu", "precision": "mixed"}, "precision is 'mixed', which needs CUDA"),
        (
            {"training": {"operation_probabilities": {**PROBABILITIES, "none": 0.2}}},
            "training.operation_probabilities add up to 1.1; expected 1",
        ),
        (
            {"training": {"operation_probabilities": {"none": 1.0}}},
            "training.operation_probabilities names none; expected none, skip_connect",
        ),
        (
            {
                "training": {
                    "operation_probabilities": {**PROBABILITIES, "none": 0.0, "skip_connect": 0.3}
                }
            },
            "has a 0, which no gradient can change",
        ),
    ],
)
def test_wrong_settings_are_named(changes, message, toy_file, tmp_path):
    trainer = changes.get("trainer", "gdas")
    settings = {
        **settings_of(trainer, training=changes.get("training", {})),
        **{key: value for key, value in changes.items() if key != "training"},
    }
    with pytest.raises(InputError) as raised:
        train(settings, toy_file, tmp_path)
    assert message in str(raised.value)
    assert not any((tmp_path / name).exists() for name in FILES)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_cuda_without_a_gpu_is_refused(toy_file, tmp_path):
    with pytest.raises(InputError, match="finds no CUDA device"):
        train(settings_of("rsps", device="cuda"), toy_file, tmp_path)


def test_rsps_may_leave_out_an_operation(toy_file, tmp_path):
    probabilities = {**PROBABILITIES, "none": 0.0, "skip_connect": 0.3}
    settings = settings_of("rsps", training={"operation_probabilities": probabilities})
    run = prepare(supernet_settings(settings), toy_file)
    genes = draw_operations(run.alphas, 1000, run.random("genes", 0))
    assert (genes != nb201.NONE).all()


def test_defaults_are_those_of_the_schema():
    schema = yaml.safe_load((REPOSITORY / "config.schema.yaml").read_text(encoding="utf-8"))
    classes = {
        "network": NetworkSettings,
        "training": TrainingSettings,
        "architecture": ArchitectureSettings,
    }
    for section, settings in classes.items():
        defaults = {
            key: tuple(described["default"])
            if isinstance(described["default"], list)
            else described["default"]
            for key, described in schema["$defs"][section]["properties"].items()
        }
        assert defaults == vars(settings())
    described = schema["$defs"]["supernet"]["properties"]
    whole = vars(SupernetSettings(dataset="d", trainer="t"))
    keys = ("space", "seed", "candidates", "candidate_images", "sampled_cells", "snapshots")
    for key in (*keys, "device"):
        assert described[key]["default"] == whole[key]
    assert signal.SIGKILL == 9  # the killer's exit statuses are read this way


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
    run = prepare(supernet_settings(given), toy_file)
    assert run.steps == 3
    step = plugins.load("trainers", trainer).begin_epoch(run, 0)
    batches = run.train_batches(0)
    for number in range(run.steps):
        step(number, batches(number))
    (state,) = run.alpha_optimizer.state.values()
    assert state["step"] == alpha_steps
