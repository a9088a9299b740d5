"""Small supernets, trained on toy images."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import pytest

from hanas.core import plugins
from hanas.core.settings import Member, Settings
from hanas.training.supernets import train_supernet
from hanas.training.trainers._trainer import Trainer

REPOSITORY = Path(__file__).parents[2]
TRAINERS = plugins.names("trainers")
SPACES = {name: plugins.space(name) for name in plugins.names("spaces")}
LAYER_WISE = [name for name, space in SPACES.items() if space.layerwise]
LAYER_WISE_TRAINERS = [n for n in TRAINERS if plugins.plugin("trainers", n).layerwise]
#: Every trainer on cells, those that can on a layer-wise space, and one of them on all of these.
TRAINED = [
    *((trainer, "nb201") for trainer in TRAINERS),
    *((trainer, "shuffle_i") for trainer in LAYER_WISE_TRAINERS if trainer != "spos"),
    *(("spos", space) for space in LAYER_WISE),
]
PROBABILITIES = {
    "none": 0.1,
    "skip_connect": 0.2,
    "nor_conv_1x1": 0.25,
    "nor_conv_3x3": 0.35,
    "avg_pool_3x3": 0.1,
}
#: The same for tests that train anew: the quick part of the tests does so in one such space.
TRAINED_ANEW = [
    pair
    if pair[1] == "nb201" or pair == ("spos", "shuffle_i")
    else pytest.param(*pair, marks=pytest.mark.slow)
    for pair in TRAINED
]
FILES = ("weights", "history", "found", "checkpoint")


def small_network(space: str) -> dict:
    return {"skeleton": "pooled", "channels": 2, "cells": 1} if space == "nb201" else {"width": 0.1}


def settings_of(trainer: str, space: str = "nb201", **changes) -> dict:
    training = {"epochs": 2, "batch_size": 8, "learning_rate": 0.1, "crop_padding": 1}
    chooses = "candidates" in plugins.plugin("trainers", trainer).model_fields
    return {
        "dataset": "toy",
        "trainer": trainer,
        "space": space,
        "network": small_network(space),
        "training": {**training, **changes.pop("training", {})},
        **({"candidates": 5} if chooses else {}),
        "must_learn": False,  # two epochs on 24 images
        "snapshots": 2,
        **changes,
    }


class Entry(Settings):
    supernet: Annotated[Trainer, Member("trainers")]


def read(settings: dict) -> Trainer:
    """As an entry of a study is read."""
    return Entry.read({"supernet": settings}).supernet


def train(settings: dict, images: Path, folder: Path, log=None) -> dict[str, Path]:
    paths = {name: folder / name for name in FILES}
    lines: list[str] = []
    train_supernet(read(settings), images, **paths, log=log or lines.append)
    return paths


def results(folder: Path) -> tuple:
    history = pd.read_parquet(folder / "history").drop(columns="seconds")
    return (folder / "weights").read_bytes(), (folder / "found").read_bytes(), history.to_dict()


def layer_probabilities(space: str) -> dict[str, float]:
    """Different for each operation; they add up to one."""
    names = SPACES[space].operations
    total = sum(range(1, len(names) + 1))
    return {name: (number + 1) / total for number, name in enumerate(names)}
