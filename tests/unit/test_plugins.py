"""A plugin is one file: one of each kind in a folder of the user's is found, checked and run."""

import pytest
from studies import Study

from hanas.core import plugins
from hanas.core.errors import InputError

MINE = {
    "datasets/stripes": '''
        """Made-up pictures of stripes."""
        from typing import Literal
        from pydantic import Field
        from hanas.data.datasets._dataset import Dataset

        class Stripes(Dataset):
            """Pictures of stripes in two directions."""
            kind: Literal["stripes"]
            each: int = Field(24, description="Pictures of each direction.")

            def load(self, root, downloads):
                import numpy as np
                from hanas.data.images import ImageData
                labels = np.arange(2 * self.each) % 2
                lines = (np.arange(8) % 2 * 200).astype(np.uint8)
                both = [np.broadcast_to(one, (8, 8)) for one in (lines[:, None], lines)]
                pictures = np.stack([both[label] for label in labels])
                thirds = np.array_split(np.arange(len(labels)), 3)
                return ImageData(
                    images=np.repeat(pictures[..., None], 3, axis=3), labels=labels,
                    splits=dict(zip(("train", "validation", "test"), thirds)),
                    classes=("across", "down"), sources=({"file": "none", "from": "made up"},),
                )
    ''',
    "benchmarks/flat": '''
        """An accuracy for all."""
        from typing import Literal
        from pydantic import Field
        from hanas.benchmarks._benchmark import Benchmark

        class Flat(Benchmark):
            """Accuracies that only count convolutions."""
            kind: Literal["flat"]
            best: float = Field(90, description="The highest accuracy in percent.")

            def accuracies(self, space, dataset, root, cells=None):
                from hanas.data.tables.metric_tables import accuracy_table
                accuracy = self.best - 10 * (6 - (space.all_genes() == 3).sum(1))
                archs = space.all_texts()
                return accuracy_table(archs, accuracy * 1.0, source="made up", place=str)
    ''',
    "devices/abacus": '''
        """A device that counts."""
        from typing import Literal
        from pydantic import Field
        from hanas.devices._device import TabulatedDevice

        class Abacus(TabulatedDevice):
            """Latency in proportion to the multiply-accumulates."""
            kind: Literal["abacus"]
            per_million_ms: float = Field(1, description="Milliseconds for a million.")

            def table(self, space, dataset, root):
                from hanas.data.tables.metric_tables import device_table
                latency = space.flops(space.all_genes()) / 1e6 * self.per_million_ms
                metrics = {"latency_ms": latency}
                return device_table(space.all_texts(), metrics, source="counted", place=str)
    ''',
    "proxies/threes": '''
        """How many 3x3 convolutions there are."""
        from typing import Literal
        from hanas.proxies._proxy import CountedProxy

        class Threes(CountedProxy):
            """Rank by the number of 3x3 convolutions."""
            kind: Literal["threes"]

            def score(self, space, inputs, work):
                import pandas as pd
                scores = -1.0 * (space.all_genes() == 3).sum(1)
                archs = space.all_texts()
                return pd.DataFrame({"arch": archs, "score": scores, "source": "3x3"})
    ''',
    "trainers/lazy": '''
        """RSPS under another name."""
        from typing import Literal
        from hanas.training.trainers.rsps import Rsps

        class Lazy(Rsps):
            """Random search with parameter sharing, as it is."""
            trainer: Literal["lazy"]
    ''',
    "searchers/first": '''
        """The first of the space."""
        from typing import Literal
        from pydantic import Field
        from hanas.search.searchers._searcher import Searcher

        class First(Searcher):
            """Look at architectures drawn one after the other."""
            searcher: Literal["first"]
            count: int = Field(20, description="Architectures.")

            def search(self, choices, evaluate, rng):
                import numpy as np
                from hanas.search.searchers._searcher import Ledger
                ledger = Ledger(choices, evaluate)
                genes = np.array([rng.integers(choices) for _ in range(self.count)])
                ledger.evaluate(genes, generation=0)
                return ledger.history()
    ''',
}
STUDY = {
    "plugin_folder": "mine",
    "datasets": {"stripes": {"kind": "stripes"}},
    "benchmarks": {"nb201": {"stripes": {"kind": "flat"}}},
    "devices": {"abacus": {"kind": "abacus"}},
    "supernets": {
        "lazy": {
            "dataset": "stripes",
            "trainer": "lazy",
            "network": {"channels": 4, "cells": 1},
            "training": {"epochs": 1, "batch_size": 8, "crop_padding": 1},
            "candidates": 2,
        }
    },
    "proxies": {"threes": {"kind": "threes"}},
    "tasks": {"stripes": {"dataset": "stripes", "supernets": ["lazy"], "proxies": ["threes"]}},
    "searches": {
        "first": {"searcher": "first", "seeds": 2},
        "nsga2": {"searcher": "nsga2", "seeds": 1},
    },
}


@pytest.fixture
def study(tmp_path) -> Study:
    for name, text in MINE.items():
        path = tmp_path / "mine" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(line.removeprefix("        ") for line in text.splitlines()))
    found = Study(tmp_path)
    found.write(STUDY)
    return found


@pytest.mark.slow
def test_a_study_runs_with_plugins_of_the_users(study):
    study.run("results/tables/abacus.csv", "results/decisions/abacus.csv")
    table = (study.folder / "results" / "tables" / "abacus.csv").read_text()
    assert "counted" in table
    assert "made up" in table


def test_settings_of_the_users_plugins_are_checked(study):
    config = study.config()
    config["devices"]["abacus"]["per_milion_ms"] = 2
    study.write(config)
    said = study.run("--dry-run", check=False)
    assert "devices.abacus.per_milion_ms: no such setting" in said


def test_a_file_without_a_plugin_is_named(tmp_path, monkeypatch):
    (tmp_path / "proxies").mkdir()
    (tmp_path / "proxies" / "empty.py").write_text("NOTHING = 1\n")
    monkeypatch.setenv(plugins.FOLDER_VARIABLE, str(tmp_path))
    assert "empty" in plugins.names("proxies")
    with pytest.raises(InputError, match=r"empty\.py: 0 plugins; expected one class with kind"):
        plugins.plugin("proxies", "empty")
