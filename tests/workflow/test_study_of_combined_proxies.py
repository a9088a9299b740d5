"""Proxies made of others, in a study."""

import copy
import json
from pathlib import Path

import pandas as pd
import pytest
from studies import TINY, graph_of, rerun, setting

TARGET = "results/proxies/learned/toy.parquet"


def _combined(config: dict) -> dict:
    """Return the study with a fused proxy, and one that learns from it and another."""
    config = copy.deepcopy(config)
    config["proxies"] |= {
        "both": {"kind": "fused", "proxies": ["gdas_toy", "params"]},
        "learned": {"kind": "learned", "proxies": ["both", "gdas_toy"], "architectures": 35},
    }
    return config


@pytest.mark.slow
def test_a_learned_proxy_is_made_of_what_exists(computed_study):
    with computed_study.edited() as config:
        computed_study.write(_combined(config))
        assert computed_study.compute(TARGET) == {"proxy_table": 2}
    table = pd.read_parquet(computed_study.folder / TARGET)
    assert table["looked_up"].sum() == 35
    assert "learned from 35 architectures trained on toy" in table["source"][0]
    facts = computed_study.folder / Path(TARGET).with_suffix(".json")
    inputs = json.loads(facts.read_text(encoding="utf-8"))["inputs"].values()
    assert {read["file"].split("/", 1)[1] for read in inputs} == {
        "proxies/both/toy.parquet",
        "proxies/gdas_toy/toy.parquet",
        "benchmarks/nb201/toy.parquet",
    }


def test_an_edit_of_what_it_is_made_of_reruns_it(tmp_path):
    (tmp_path / "toy_images").mkdir()

    def again(*edits) -> dict[str, int]:
        config = _combined(TINY)
        for edit in edits:
            edit(config)
        return rerun(before, graph_of(config, tmp_path).jobs([TARGET]))

    before = graph_of(_combined(TINY), tmp_path).jobs([TARGET])
    label = setting("proxies", "params", "label", "size")
    assert again(label, setting("proxies", "learned", "label", "GP")) == {}
    assert again(setting("proxies", "both", "weights", [2, 1])) == {"proxy_table": 2}
    other = setting("benchmarks", "nb201", "toy", "dataset", "cifar100")
    assert again(other) == {"accuracy_table": 1, "proxy_table": 1}


@pytest.mark.slow
def test_without_rounds_fewer_architectures_than_first_are_looked_up(fresh_study):
    config = fresh_study.config()
    learned = {"kind": "learned", "proxies": ["params", "live"], "architectures": 20, "rounds": 0}
    config["proxies"] = {
        **{"params": {"kind": "params"}, "live": {"kind": "live_params"}, "learned": learned},
    }
    config["tasks"]["toy"]["proxies"] = ["learned"]
    config["retrainings"] = {}
    fresh_study.write(config)
    fresh_study.compute(TARGET)
    assert pd.read_parquet(fresh_study.folder / TARGET)["looked_up"].sum() == 20
