"""Proxies made of others, through the real rules."""

import json
import shutil

import pandas as pd
import pytest


@pytest.fixture
def combined(computed_study):
    """The tiny study with a fused proxy, and one that learns from it and another."""
    path = computed_study.folder / "config.yaml"
    before = path.read_text(encoding="utf-8")
    config = computed_study.config()
    config["proxies"] |= {
        "both": {"kind": "fused", "proxies": ["gdas_toy", "params"]},
        "learned": {"kind": "learned", "proxies": ["both", "gdas_toy"], "architectures": 35},
    }
    computed_study.write(config)
    yield computed_study
    path.write_text(before, encoding="utf-8")
    for name in ("both", "learned"):
        shutil.rmtree(computed_study.folder / "results" / "proxies" / name, ignore_errors=True)


def test_a_learned_proxy_is_made_of_what_exists(combined):
    target = "results/proxies/learned/toy.parquet"
    assert combined.planned("--", target) == {"proxy_table": 2}
    combined.run(target)
    table = pd.read_parquet(combined.folder / target)
    assert table["looked_up"].sum() == 35
    assert "learned from 35 architectures trained on toy" in table["source"][0]
    facts = json.loads((combined.folder / target).with_suffix(".json").read_text(encoding="utf-8"))
    assert facts["settings"]["trained_architectures"] == 35
    assert {name.split("/", 1)[1] for name in facts["inputs"]} == {
        "proxies/both/toy.parquet",
        "proxies/gdas_toy/toy.parquet",
        "benchmarks/nb201/toy.parquet",
    }
    assert combined.planned("--", target) == {}
    config = combined.config()
    config["proxies"]["params"]["label"] = "size"
    config["proxies"]["learned"]["label"] = "GP"
    combined.write(config)
    assert combined.planned("--", target) == {}
    config["proxies"]["both"]["weights"] = [2, 1]
    combined.write(config)
    assert combined.planned("--", target) == {"proxy_table": 2}
    config["proxies"]["both"].pop("weights")
    config["benchmarks"]["nb201"]["toy"]["dataset"] = "cifar100"
    combined.write(config)
    assert combined.planned("--", target) == {"accuracy_table": 1, "proxy_table": 1}


def test_without_rounds_fewer_architectures_than_first_are_looked_up(fresh_study):
    config = fresh_study.config()
    learned = {"kind": "learned", "proxies": ["params", "live"], "architectures": 20, "rounds": 0}
    config["proxies"] = {
        **{"params": {"kind": "params"}, "live": {"kind": "live_params"}, "learned": learned},
    }
    config["tasks"]["toy"]["proxies"] = ["learned"]
    config["retrainings"] = {}
    fresh_study.write(config)
    fresh_study.run("results/proxies/learned/toy.parquet")
    table = pd.read_parquet(fresh_study.folder / "results/proxies/learned/toy.parquet")
    assert table["looked_up"].sum() == 20
