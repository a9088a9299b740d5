"""Networks of their own begin as members of a supernet, bit for bit, and are trained further."""

import copy
import json
import re

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from layerwise_supernets import made_up_supernet
from searched_sizes import DECLARATION, random_genes
from studies import REPOSITORY, TINY, graph_of

from hanas.core import plugins
from hanas.core.compute import generator, threads
from hanas.core.errors import InputError
from hanas.data.batches import load_split, random_batches
from hanas.data.images import load_images
from hanas.fronts.otherwise_in_words import _starts
from hanas.report.models import _of_starts
from hanas.study import checks
from hanas.training.retraining import FromScratchTraining, retrain
from hanas.training.settings import FromScratch
from hanas.training.supernets import load_supernet, save_supernet

#: Spaces with the settings of their supernets, and of networks of their own beside batch_norm.
CELLS = {"skeleton": "pooled", "channels": 2, "cells": 1}
SPACES = {"nb201": CELLS, "mobile_i": {"width": 0.1}, "sized": {"width": 1.0}}
TRAINING = {"epochs": 1, "batch_size": 8, "crop_padding": 1, "batches_per_epoch": 1}


@pytest.fixture(autouse=True)
def _declared(monkeypatch):
    monkeypatch.setenv(plugins.SPACES_VARIABLE, json.dumps({"sized": DECLARATION}))
    with threads(1):
        yield


def settings(space: str, **changes) -> FromScratch:
    network = {**SPACES[space], **changes.pop("network", {})}
    given = {"space": space, "network": network, "training": TRAINING, "train_on": "cpu"}
    return FromScratch.read(given | changes)


def supernet_file(folder, space: str, batch_norm: str):
    network = {**SPACES[space], "batch_norm": batch_norm}
    if space != "nb201":
        network["resolution"] = 8
    made = made_up_supernet(space, network=network)
    save_supernet(made, folder / "weights.pt")
    return folder / "weights.pt"


def some_genes(space: str):
    if space == "sized":
        return random_genes(3)
    return plugins.space(space).sample(3, np.random.default_rng(0))


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("batch_norm", ["batch", "batch_affine"])
def test_before_its_first_step_a_network_is_the_supernets_member(
    space, batch_norm, coloured, tmp_path
):
    file = supernet_file(tmp_path, space, batch_norm)
    training = FromScratchTraining(
        settings(space), coloured, checkpoints=tmp_path / "c", log=print, supernet=file
    )
    shared, found = load_supernet(file).network().train(), plugins.space(space)
    batch = load_split(load_images(coloured), "test").batch(torch.arange(8)).images
    for genes in some_genes(space):
        network = training.begun(found.to_text(genes), seed=3).train()
        assert network.settings.batch_norm == "running"
        assert torch.equal(network(batch), shared(batch, genes.tolist()))


def test_running_statistics_are_the_mean_of_those_of_training_batches(coloured, tmp_path):
    file = supernet_file(tmp_path, "mobile_i", "batch")
    training = FromScratchTraining(
        settings("mobile_i"), coloured, checkpoints=tmp_path / "c", log=print, supernet=file
    )
    space = plugins.space("mobile_i")
    network = training.begun(space.to_text(space.largest), seed=3)
    convolution, norm = network.stem[0], network.stem[1]
    split = load_split(load_images(coloured), "train", "validation", crop_padding=1)
    how = {"batch_size": 8, "flip": 0.5, "random": generator(3, "calibration batches")}
    batches = random_batches(split, steps=5, **how)
    means = torch.stack([convolution(batches(n).images).mean(dim=(0, 2, 3)) for n in range(5)])
    assert torch.allclose(norm.running_mean, means.mean(dim=0), atol=1e-5)
    assert norm.momentum == 0.1
    assert norm.num_batches_tracked == 5


def test_trainings_go_on_from_there_and_from_nothing_else(coloured, tmp_path):
    file, space = supernet_file(tmp_path, "nb201", "batch"), plugins.space("nb201")
    arch, began = space.to_text([3, 3, 3, 3, 3, 3]), load_supernet(file).weights
    how = {"checkpoints": tmp_path / "c", "supernet": file}
    slow = settings("nb201", seed=5, training={**TRAINING, "learning_rate": 1e-3})
    _, _, weights = retrain([arch], slow, coloured, **how)
    name = "stem.0.weight"
    moved = (weights[arch][name] - began[name]).abs().max()
    assert 0 < moved < 0.1 * began[name].abs().max()
    # What is kept of it for a killed job is not gone on from by a training from scratch.
    _, _, other = retrain([arch], slow, coloured, checkpoints=tmp_path / "c")
    assert (other[arch][name] - began[name]).abs().max() > 5 * moved


def test_only_members_of_the_supernet_can_begin_from_it(coloured, tmp_path):
    file = supernet_file(tmp_path, "mobile_i", "batch_affine")
    how = {"checkpoints": tmp_path / "c", "supernet": file}
    with pytest.raises(InputError, match=r"mobilenet_v2@0\.5 is a published network"):
        retrain(["mobilenet_v2@0.5"], settings("mobile_i"), coloured, **how)
    for wrong, said in [
        ({"width": 0.2}, r"network\.width is 0\.2, in the supernet 0\.1"),
        ({"first_scale": 0.1}, r"network\.first_scale is 0\.1, but no weight is a first one"),
        ({"batch_norm": "batch"}, r"network\.batch_norm is 'batch', in the supernet 'batch_affi"),
    ]:
        with pytest.raises(InputError, match=said):
            retrain([], settings("mobile_i", network=wrong), coloured, **how)
    smaller = {**TRAINING, "resolution": 4}
    with pytest.raises(InputError, match="images are 4 pixels wide, for the supernet 8"):
        retrain([], settings("mobile_i", training=smaller), coloured, **how)
    with pytest.raises(InputError, match="it is of space 'mobile_i', not 'nb201'"):
        retrain([], settings("nb201"), coloured, **how)


# ---- studies -------------------------------------------------------------------------------


def study(**changes) -> dict:
    """The tiny study, whose picks begin from its supernet."""
    config = copy.deepcopy(TINY)
    given = config["retrainings"]["edgegpu_toy"]
    given |= {"start": "inherited", "network": CELLS}
    for name, value in changes.items():
        if isinstance(value, dict):
            value = {**config.get(name, {}), **value} if name in config else value
            (config if name in config else given)[name] = value
        elif value is None:
            del given[name]
        else:
            given[name] = value
    return config


def test_the_job_waits_for_the_supernet_of_its_proxy(tmp_path):
    scratch, inherited = (
        graph_of(study(start=start), tmp_path).jobs() for start in ("scratch", "inherited")
    )
    path = "results/retrained/edgegpu_toy/metrics.parquet"
    assert inherited[path].inputs["supernet"] == "results/supernets/gdas_toy/weights.pt"
    assert inherited[path].params["started_from"] == "gdas_toy"
    before = graph_of(study(start=None), tmp_path).jobs()
    assert {name: (job.inputs, job.params) for name, job in scratch.items()} == {
        name: (job.inputs, job.params) for name, job in before.items()
    }
    changed = {name for name, job in inherited.items() if job.params != scratch[name].params}
    assert changed == {path}


OTHER = "supernets.gdas_toy holds no such networks:"
BENCHMARK = TINY["benchmarks"]["nb201"]["toy"]
REFUSED = {
    "a proxy without a supernet": ({"proxy": "params"}, "proxies.params has no supernet"),
    "a proxy of two": (
        {
            "proxies": {
                "darts": {"kind": "supernet", "supernet": "darts_toy"},
                "both": {"kind": "ensemble", "proxies": ["gdas_toy", "darts"]},
            },
            "tasks": {"toy": {**TINY["tasks"]["toy"], "proxies": ["both"]}},
            "proxy": "both",
        },
        "proxies.both ranks by several supernets, darts_toy, gdas_toy",
    ),
    "architectures by text": (
        {
            **dict.fromkeys(["device", "proxy", "search", "picks"]),
            "archs": ["|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"],
        },
        "no proxy says from which supernet",
    ),
    "published networks": (
        {**dict.fromkeys(["device", "proxy", "search", "picks"]), "published": ["mobilenet_v2"]},
        "no supernet holds the weights of published networks",
    ),
    "another skeleton": (
        {"network": {**CELLS, "skeleton": "standard"}},
        f"{OTHER} network.skeleton is 'standard', in the supernet 'pooled'",
    ),
    "other channels": ({"network": {**CELLS, "channels": 4}}, f"{OTHER} network.channels is 4, in"),
    "other cells": (
        {"network": {**CELLS, "cells": 2}},
        f"{OTHER} network.cells is 2, in the super",
    ),
    "other images": (
        {
            "datasets": {"more": {"kind": "image_folder", "folder": "b", "resolution": 8}},
            "benchmarks": {"nb201": dict.fromkeys(["toy", "more"], BENCHMARK)},
            "devices": {
                name: {**TINY["devices"][name], "tasks": ["more"]} for name in TINY["devices"]
            },
            "tasks": {"more": {"dataset": "more", "proxies": ["gdas_toy"]}},
            "task": "more",
        },
        "supernets.gdas_toy knows the classes of 'toy', and tasks.more is of 'more'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_supernet_to_begin_from_is_refused_before_anything_runs(name):
    changes, said = REFUSED[name]
    with pytest.raises(InputError) as error:
        checks.read(study(**changes), "mine.yaml")
    expected = f"mine.yaml: retrainings.edgegpu_toy.start is 'inherited', but {said}"
    assert re.search(re.escape(expected), str(error.value))


@pytest.mark.parametrize(
    ("network", "training", "said"),
    [
        ({"width": 0.25}, {"resolution": 16}, None),
        ({"width": 0.5}, {"resolution": 16}, "network.width is 0.5, in the supernet 0.25"),
        (
            {"width": 0.25, "first_scale": 0.1},
            {"resolution": 16},
            "network.first_scale is 0.1, but",
        ),
        ({"width": 0.25, "batch_norm": "batch"}, {"resolution": 16}, "whose affine part would be"),
        ({"width": 0.25}, {}, "images are 32 pixels wide, for the supernet 16"),
        ({"width": 0.25}, {"resolution": 32}, "images are 32 pixels wide, for the supernet 16"),
    ],
)
def test_chains_begin_from_supernets_of_their_width_and_side(network, training, said):
    config = yaml.safe_load((REPOSITORY / "config" / "rk3588.yaml").read_text("utf-8"))
    config["retrainings"]["mobile_i"] |= {"start": "inherited", "network": network}
    config["retrainings"]["mobile_i"]["training"] = {"epochs": 1, **training}
    del config["retrainings"]["mobile_i"]["beside"]
    if said is None:
        assert checks.read(config, "mine.yaml").started_from("mobile_i") == "mobile_i"
        return
    with pytest.raises(InputError, match=re.escape(said)):
        checks.read(config, "mine.yaml")


# ---- what is said of it --------------------------------------------------------------------


def test_cards_and_pages_say_what_trainings_started_from(tmp_path):
    exports = pd.DataFrame({"started_from": ["supernet s"], "started_from_sha256": ["ab" * 32]})
    assert "started from supernet s" in _of_starts(exports)
    assert "abababababab" in _of_starts(exports)
    assert _of_starts(exports.drop(columns="started_from")) == ""
    models = pd.DataFrame(
        {"retraining": ["a", "a", "b"], "started_from": ["supernet s"] * 2 + [None]}
    )
    assert "those of a from supernet s, all others from scratch" in _starts(models)
