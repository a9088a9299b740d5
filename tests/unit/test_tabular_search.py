import numpy as np
import pandas as pd
import pytest

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.search.tabular_search import objectives_of, search_all_seeds
from hanas.spaces import nb201

TEXTS = list(nb201.all_texts())


def _tables():
    rng = np.random.default_rng(0)
    proxy = pd.DataFrame({"arch": TEXTS, "error": rng.random(len(TEXTS)), "source": "proxy"})
    device = pd.DataFrame(
        {
            "arch": TEXTS[::-1],  # another order: tables are joined by arch
            "feasible": True,
            "latency_ms": np.arange(len(TEXTS))[::-1] + 1.0,
            "energy_mj": 2.0,
            "source": "device",
        }
    )
    device.loc[device["arch"] == TEXTS[3], ["feasible", "latency_ms", "energy_mj"]] = [
        False,
        np.nan,
        np.nan,
    ]
    return proxy, device


def test_objectives_are_joined_by_architecture():
    proxy, device = _tables()
    objectives, sources = objectives_of(
        proxy, device, proxy_objective="error", device_objectives="all"
    )
    assert list(objectives.columns) == ["error", "latency_ms", "energy_mj"]
    assert objectives.loc[TEXTS[10], "latency_ms"] == 11.0
    assert objectives.loc[TEXTS[3]].isna().all()
    assert sources == {"error": "proxy", "latency_ms": "device", "energy_mj": "device"}


def test_objectives_can_be_chosen():
    proxy, device = _tables()
    objectives, _ = objectives_of(
        proxy, device, proxy_objective="error", device_objectives=["energy_mj"]
    )
    assert list(objectives.columns) == ["error", "energy_mj"]


def test_what_is_missing_is_named():
    proxy, device = _tables()
    with pytest.raises(InputError, match="no column 'score'"):
        objectives_of(proxy, device, proxy_objective="score", device_objectives="all")
    with pytest.raises(InputError, match="no energy_mj"):
        objectives_of(
            proxy,
            device.drop(columns="energy_mj"),
            proxy_objective="error",
            device_objectives=["energy_mj"],
        )
    with pytest.raises(InputError, match="1 architectures have a proxy but no device metrics"):
        objectives_of(proxy, device[:-1], proxy_objective="error", device_objectives="all")
    proxy.loc[5, "error"] = np.nan
    with pytest.raises(InputError, match="not a finite number"):
        objectives_of(proxy, device, proxy_objective="error", device_objectives="all")


SETTINGS = {
    "random": {"evaluations": 30},
    "nsga2": {"generations": 2, "population": 10, "parents": 4}
    | {"crossover": 4, "mutation": 5, "random": 1},
    "wsea": {"generations": 2, "population": 10, "parents": 4, "samples": 20}
    | {"crossover": 4, "mutation": 5, "random": 1},
    "cea": {"generations": 2, "population": 10, "parents": 4, "samples": 20}
    | {"crossover": 4, "mutation": 5, "random": 1},
}


@pytest.mark.parametrize("searcher", plugins.names("searchers"))
def test_every_searcher_keeps_every_evaluation(searcher):
    objectives, _ = objectives_of(*_tables(), proxy_objective="error", device_objectives="all")
    settings = {"revision": 1, "space": "nb201", "searcher": searcher, "seeds": 2}
    history = search_all_seeds(nb201, objectives, settings | SETTINGS[searcher], log=print)
    assert sorted(history["seed"].unique()) == [0, 1]
    assert not history.duplicated(["seed", "arch"]).any()
    for column in objectives:
        looked_up = objectives.loc[history["arch"], column].to_numpy()
        np.testing.assert_array_equal(history[column].to_numpy(), looked_up)
    first, second = (history[history["seed"] == seed]["arch"].tolist() for seed in (0, 1))
    assert first != second


@pytest.mark.parametrize("searcher", ["nsga2", "wsea"])
def test_the_score_of_a_proxy_and_that_of_a_searcher_are_two_columns(searcher):
    proxy, device = _tables()
    proxy = proxy.rename(columns={"error": "score"})
    objectives, _ = objectives_of(proxy, device, proxy_objective="score", device_objectives="all")
    settings = {"revision": 1, "space": "nb201", "searcher": searcher, "seeds": 1}
    history = search_all_seeds(nb201, objectives, settings | SETTINGS[searcher], log=print)
    looked_up = objectives.loc[history["arch"], "score"].to_numpy()
    np.testing.assert_array_equal(history["proxy_score"].to_numpy(), looked_up)
    assert history["score"].isna().all() == (searcher == "nsga2")
