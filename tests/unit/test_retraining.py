from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from nb201_space import nb201

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.fronts.picks import picks_of_front, random_members
from hanas.spaces.networks import published
from hanas.training.retraining import retrain
from hanas.training.settings import FromScratch

SETTINGS = {
    "space": "nb201",
    "seed": 0,
    "images": "train_and_validation",
    "network": {"skeleton": "standard", "channels": 2, "cells": 1, "batch_norm": "running"},
    "training": {
        **{"epochs": 2, "batch_size": 8, "crop_padding": 1},
        **{"learning_rate": 0.1, "gradient_clip": 5},
    },
    "train_on": "cpu",
    "precision": "float32",
    "threads": 1,
}
FROM_SCRATCH = FromScratch.read(SETTINGS)
SHUFFLE, MOBILE_I = plugins.space("shuffle"), plugins.space("mobile_i")
ARCHS = [nb201.to_text(genes) for genes in ([3, 3, 3, 3, 3, 3], [1, 0, 2, 4, 3, 1])]


def test_networks_are_trained_and_tested(coloured, tmp_path):
    metrics, history, weights = retrain(ARCHS, FROM_SCRATCH, coloured, checkpoints=tmp_path / "c")
    assert list(metrics["arch"]) == ARCHS
    assert (metrics["train_images"] == 40).all()
    assert (metrics["test_images"] == 20).all()
    assert list(history["epoch"]) == [1, 2, 1, 2]
    assert history["train_loss"].iloc[1] < history["train_loss"].iloc[0]
    for arch, state in weights.items():
        nb201.build(nb201.from_text(arch), 3, SETTINGS["network"]).load_state_dict(state)


def test_going_on_from_a_checkpoint_gives_the_same_bits(coloured, tmp_path):
    metrics, _, weights = retrain(ARCHS, FROM_SCRATCH, coloured, checkpoints=tmp_path / "whole")
    # The first architecture is complete, the second is not begun.
    retrain(ARCHS[:1], FROM_SCRATCH, coloured, checkpoints=tmp_path / "part")
    lines: list[str] = []
    again, _, weights_again = retrain(
        ARCHS, FROM_SCRATCH, coloured, checkpoints=tmp_path / "part", log=lines.append
    )
    assert any("going on from" in line for line in lines)
    pd.testing.assert_frame_equal(metrics, again)
    for arch in ARCHS:
        for name, tensor in weights[arch].items():
            assert torch.equal(tensor, weights_again[arch][name])


def test_several_seeds_are_those_of_single_trainings(coloured, tmp_path):
    seeded = [FromScratch.read({**SETTINGS, "seed": seed}) for seed in (3, 4)]
    alone = [
        retrain(ARCHS[:1], settings, coloured, checkpoints=tmp_path / str(number))
        for number, settings in enumerate(seeded)
    ]
    metrics, history, weights = retrain(
        ARCHS[:1], seeded[0], coloured, checkpoints=tmp_path / "both", seeds=2
    )
    percents = [each["test_accuracy_percent"][0] for each, _, _ in alone]
    assert metrics["test_accuracy_percent"][0] == percents[0]
    assert metrics["seeds"].tolist() == [2]
    assert metrics["test_accuracy_percent_mean"][0] == pytest.approx(sum(percents) / 2)
    expected = abs(percents[0] - percents[1]) / np.sqrt(2)
    assert metrics["test_accuracy_percent_std"][0] == pytest.approx(expected)
    losses = [loss for _, rows, _ in alone for loss in rows["train_loss"]]
    assert history["train_loss"].tolist() == losses
    assert history["seed"].tolist() == [3, 3, 4, 4]
    for name, tensor in alone[0][2][ARCHS[0]].items():
        assert torch.equal(weights[ARCHS[0]][name], tensor)
    single = alone[0][0]
    assert single["seeds"].tolist() == [1]
    assert single["test_accuracy_percent_mean"].tolist() == percents[:1]
    assert np.isnan(single["test_accuracy_percent_std"][0])


@pytest.mark.parametrize("space", ["nb201", "mobile_i", "shuffle"])
def test_random_members_are_of_the_space_and_none_of_the_picks(space):
    found = plugins.space(space)
    drawn = random_members(space, 20, seed=0, without=[])
    assert len(set(drawn)) == 20
    genes = np.array([found.from_text(arch) for arch in drawn])
    assert found.connected(genes).all()
    assert (genes.std(axis=0) > 0).all()  # every gene varies
    assert random_members(space, 20, seed=0, without=[]) == drawn
    assert random_members(space, 20, seed=1, without=[]) != drawn
    others = random_members(space, 20, seed=0, without=drawn[:3])
    assert len(others) == 20
    assert not set(others) & set(drawn[:3])
    assert random_members(space, 0, seed=0, without=drawn) == []


CHAIN = {"width": 0.1, "batch_norm": "running"}


@pytest.mark.parametrize(
    ("space", "arch"),
    [
        ("shuffle", SHUFFLE.to_text(SHUFFLE.smallest)),
        ("mobile_i", MOBILE_I.to_text(MOBILE_I.smallest)),
        ("shuffle_i", "mobilenet_v2"),
    ],
)
def test_chains_and_published_networks_are_retrained(space, arch, coloured, tmp_path):
    settings = FromScratch.read({**SETTINGS, "space": space, "network": CHAIN})
    metrics, _, weights = retrain([arch], settings, coloured, checkpoints=tmp_path / "c")
    fitted = {**CHAIN, "resolution": 8}
    made_of = published.space_of(arch, space)
    network = made_of.build(made_of.from_text(arch), 3, fitted, seed=1)
    network.load_state_dict(weights[arch])
    assert list(metrics["params"]) == [sum(p.numel() for p in network.parameters())]


def test_strides_follow_from_the_side_after_pooling(toy_data):
    side = toy_data.images.shape[1]
    for space in (SHUFFLE, *published.PUBLISHED.values()):
        fitted = space.for_images(CHAIN, toy_data.images.shape[1:3], None, "toy.pt")
        assert fitted == SHUFFLE.settings({**CHAIN, "resolution": side})
        fitted = space.for_images(CHAIN, toy_data.images.shape[1:3], side // 2, "toy.pt")
        assert fitted == SHUFFLE.settings({**CHAIN, "resolution": side // 2})
    with pytest.raises(InputError, match=r"training\.resolution: images of 2x2 pixels.*at least 4"):
        SHUFFLE.for_images(CHAIN, toy_data.images.shape[1:3], 2, "toy.pt")


def test_cells_keep_their_settings_whatever_the_side(toy_data):
    network = nb201.deployed.read(SETTINGS["network"])
    assert nb201.for_images(network, toy_data.images.shape[1:3], 4, "toy.pt") == network
    with pytest.raises(InputError, match=r"training\.resolution: images of 6x6.*multiple of 4"):
        nb201.for_images(network, toy_data.images.shape[1:3], 6, "toy.pt")


def test_chains_need_square_images(toy_data):
    wide = replace(toy_data, images=np.repeat(toy_data.images, 2, axis=2))
    with pytest.raises(InputError, match=r"toy\.pt: images of .* expected square images"):
        SHUFFLE.for_images({}, wide.images.shape[1:3], None, "toy.pt")
    fitted = nb201.for_images({}, wide.images.shape[1:3], None, "toy.pt")
    assert fitted == nb201.network()


def _history(points):
    frame = pd.DataFrame(points, columns=["error", "latency_ms"])
    frame.insert(0, "arch", EVALUATED[: len(frame)])
    frame.insert(0, "seed", 0)
    frame["evaluation"], frame["generation"] = range(len(frame)), 0
    frame["feasible"], frame["score"] = frame["latency_ms"].notna(), np.nan
    return frame


EVALUATED = [nb201.to_text([3, gene, 1, gene, 1, 3]) for gene in range(5)]
FRONT = [(0.0, 9.0), (0.1, 2.0), (0.3, 1.5), (0.6, 1.0), (0.7, 5.0)]


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, [1]), (2, [1, 3]), (3, [1, 3, 0]), (9, [1, 3, 2, 0])],
)
def test_picks_are_the_knee_and_then_spread_by_latency(count, expected):
    picks = picks_of_front(_history(FRONT), nb201, count=count, representative="knee")
    assert picks[0] == EVALUATED[1]
    assert set(picks) == {EVALUATED[position] for position in expected}


def test_no_pick_is_without_a_path_from_input_to_output():
    history = _history(FRONT)
    history.loc[4, ["arch", "latency_ms"]] = [nb201.to_text([0] * 6), 0.1]  # the fastest
    picks = picks_of_front(history, nb201, count=9, representative="knee")
    assert set(picks) == {EVALUATED[position] for position in (0, 1, 2, 3)}


def test_a_search_without_a_feasible_architecture(tmp_path):
    with pytest.raises(InputError, match="no architecture that the device can run"):
        picks_of_front(_history([(0.1, np.nan)]), nb201, count=1, representative="knee")
