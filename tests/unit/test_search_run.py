"""All searches of a task, a device and a proxy: on tables, and on scores computed on demand."""

import numpy as np
import pandas as pd
import pytest
from layerwise import SPACES, random_genes
from nb201_space import nb201
from toy_searches import searcher

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.devices.prediction import predictor
from hanas.search.run import left_out, objectives_of, search_on_demand, search_tables
from hanas.search.searchers._searcher import feasible_rows

TEXTS = list(nb201.all_texts())
FEW = {"generations": 2, "population": 10, "parents": 4, "crossover": 4, "mutation": 5, "random": 1}
OF_SEARCHER = {
    "random": {"evaluations": 30},
    "nsga2": FEW,
    "wsea": {**FEW, "samples": 20},
    "cea": {**FEW, "samples": 20},
}
COLUMNS = ["search", "seed", "evaluation", "generation", "arch"]


def searches(*names, seeds=2):
    return {f"my_{name}": searcher(name, **OF_SEARCHER[name], seeds=seeds) for name in names}


# ---- on tables ------------------------------------------------------------------------------


def _tables():
    rng = np.random.default_rng(0)
    proxy = pd.DataFrame({"arch": TEXTS, "error": rng.random(len(TEXTS)), "source": "proxy"})
    device = pd.DataFrame(
        {
            "arch": TEXTS[::-1],  # another order: tables are joined by arch
            "feasible": True,
            "latency_ms": np.arange(len(TEXTS))[::-1] + 1.0,
            "energy_mj": np.arange(len(TEXTS)) + 2.0,
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
    objectives, sources = objectives_of(proxy, device, "error", None)
    assert list(objectives.columns) == ["error", "latency_ms", "energy_mj"]
    assert objectives.loc[TEXTS[10], "latency_ms"] == 11.0
    assert objectives.loc[TEXTS[3]].isna().all()
    assert sources == {"error": "proxy", "latency_ms": "device", "energy_mj": "device"}


def test_objectives_can_be_chosen():
    proxy, device = _tables()
    objectives, _ = objectives_of(proxy, device, "error", ["energy_mj"])
    assert list(objectives.columns) == ["error", "energy_mj"]


def test_a_metric_that_is_the_same_everywhere_is_no_objective():
    proxy, device = _tables()
    device.loc[device["feasible"], "energy_mj"] = 5.0  # a data sheet's
    objectives, sources = objectives_of(proxy, device, "error", None)
    assert list(objectives) == ["error", "latency_ms"] == list(sources)
    (said,) = left_out(device[["latency_ms", "energy_mj"]], None).values()
    assert said.startswith("for every architecture energy_mj is 5, so")
    assert left_out(device[["latency_ms", "energy_mj"]], ["latency_ms"]) == {}
    with pytest.raises(InputError, match=r"energy_mj is 5: there is no front to search"):
        objectives_of(proxy, device, "error", ["energy_mj"])


def test_what_is_missing_is_named():
    proxy, device = _tables()
    with pytest.raises(InputError, match="no column 'score'"):
        objectives_of(proxy, device, "score", None)
    with pytest.raises(InputError, match="no energy_mj"):
        objectives_of(proxy, device.drop(columns="energy_mj"), "error", ["energy_mj"])
    with pytest.raises(InputError, match="1 architectures have a proxy but no device metrics"):
        objectives_of(proxy, device[:-1], "error", None)
    proxy.loc[5, "error"] = np.nan
    with pytest.raises(InputError, match="not a finite number"):
        objectives_of(proxy, device, "error", None)


def test_every_searcher_keeps_every_evaluation():
    proxy, device = _tables()
    objectives, _ = objectives_of(proxy, device, "error", None)
    names, lines = plugins.names("searchers"), []
    histories = search_tables(nb201, objectives, searches(*names), lines.append)
    metrics = ["latency_ms", "energy_mj"]
    assert list(histories) == [*COLUMNS, "error", *metrics, "feasible", "score"]
    assert list(histories["search"].unique()) == [f"my_{name}" for name in names]
    assert len(lines) == 2 * len(names)
    for _, history in histories.groupby("search"):
        assert sorted(history["seed"].unique()) == [0, 1]
        assert not history.duplicated(["seed", "arch"]).any()
        for column in objectives:
            looked_up = objectives.loc[history["arch"], column].to_numpy()
            np.testing.assert_array_equal(history[column].to_numpy(), looked_up)
        first, second = (history[history["seed"] == seed]["arch"].tolist() for seed in (0, 1))
        assert first != second


def test_a_search_does_not_depend_on_the_others():
    objectives, _ = objectives_of(*_tables(), "error", None)
    both, alone = (
        search_tables(nb201, objectives, searches(*names), print)
        for names in (["random", "nsga2"], ["nsga2"])
    )
    of_both = both[both["search"] == "my_nsga2"].reset_index(drop=True)
    pd.testing.assert_frame_equal(of_both, alone, check_exact=True)


def test_the_score_of_a_proxy_and_that_of_a_searcher_are_two_columns():
    proxy, device = _tables()
    proxy = proxy.rename(columns={"error": "score"})
    objectives, _ = objectives_of(proxy, device, "score", None)
    histories = search_tables(nb201, objectives, searches("nsga2", "wsea", seeds=1), print)
    scores = proxy.set_index("arch")["score"]
    for name, history in histories.groupby("search"):
        feasible = history[history["feasible"]]
        looked_up = scores.loc[feasible["arch"]].to_numpy()
        np.testing.assert_array_equal(feasible["proxy_score"].to_numpy(), looked_up)
        assert feasible["score"].isna().all() == (name == "my_nsga2")


# ---- on demand ------------------------------------------------------------------------------


class Scorer:
    """Says minus the number of parameters, and keeps what it was asked for."""

    columns = ("score", "error")

    def __init__(self, space):
        self.space, self.asked = plugins.space(space), []

    def score(self, genes):
        self.asked.append(genes)
        return {"score": -self.space.params(genes).astype(float), "error": np.zeros(len(genes))}

    def source(self, objective):
        return f"{objective}, made up"


def latencies(genes: np.ndarray) -> np.ndarray:
    return 1 + genes @ np.linspace(0.1, 2, genes.shape[1])


@pytest.fixture(scope="module")
def predictors():
    found = {}
    for space in SPACES:
        genes = random_genes(space, 12)
        metrics = {"latency_ms": latencies(genes), "energy_mj": 100 - latencies(genes)}
        found[space] = predictor.fit(space, genes, metrics, source="made up")
    return found


def on_demand(space, predicted, *names, objective="score", metrics=None, lines=None, **changes):
    scorer = Scorer(space)
    log = print if lines is None else lines.append
    run = {f"my_{name}": searcher(name, **OF_SEARCHER[name] | changes, seeds=2) for name in names}
    given = (plugins.space(space), scorer, predicted, run, objective, metrics, log)
    return *search_on_demand(*given), scorer


@pytest.mark.parametrize("space", SPACES)
def test_every_searcher_searches_every_space(space, predictors):
    names, lines = plugins.names("searchers"), []
    histories, sources, _ = on_demand(space, predictors[space], *names, lines=lines)
    genes = np.array([plugins.space(space).from_text(text) for text in histories["arch"]])
    assert list(histories["search"].unique()) == [f"my_{name}" for name in names]
    assert not histories.duplicated(["search", "seed", "arch"]).any()
    assert histories["feasible"].all()
    np.testing.assert_array_equal(histories["proxy_score"], -plugins.space(space).params(genes))
    expected = predictors[space].predict(genes)
    metrics = ["latency_ms", "energy_mj"]
    for metric in metrics:
        np.testing.assert_allclose(histories[metric], expected[metric])
    assert list(histories) == [*COLUMNS, "proxy_score", *metrics, "feasible", "score"]
    assert list(sources) == ["score", *metrics]
    assert sources["score"] == "score, made up"
    assert "fitted to 12 measured models (made up)" in sources["latency_ms"]
    assert len(lines) == 2 * len(names)


def test_metrics_can_be_chosen(predictors):
    history, sources, _ = on_demand(
        "mobile_i", predictors["mobile_i"], "random", metrics=["energy_mj"]
    )
    assert "latency_ms" not in history
    assert list(sources) == ["score", "energy_mj"]


def test_what_the_device_will_hardly_run_is_no_candidate():
    """It is not scored, and stands in the history as infeasible."""
    genes = random_genes("shuffle_i", 40)
    metrics = {"latency_ms": np.where(genes[:, 0] < 2, latencies(genes), np.nan)}
    predicted = predictor.fit("shuffle_i", genes, metrics, source="made up")
    history, _, scorer = on_demand(
        "shuffle_i", predicted, "random", objective="error", evaluations=200
    )
    found = np.array([plugins.space("shuffle_i").from_text(text) for text in history["arch"]])
    able = history["feasible"].to_numpy()
    assert ((found[:, 0] < 2) == able).mean() > 0.8
    assert 0.3 < able.mean() < 0.7
    objectives = history[["error", "latency_ms"]]
    assert objectives[~able].isna().all(axis=None)
    assert feasible_rows(objectives.to_numpy())[able].all()
    np.testing.assert_array_equal(np.concatenate(scorer.asked), found[able])


def test_parts_that_do_not_fit(predictors):
    with pytest.raises(InputError, match="predictor is of mobile_i, not of shuffle_i"):
        on_demand("shuffle_i", predictors["mobile_i"], "random")
    with pytest.raises(InputError, match=r"has no 'int8_error'; it has: score, error \(see obj"):
        on_demand("shuffle_i", predictors["shuffle_i"], "random", objective="int8_error")
    with pytest.raises(InputError, match="the device has no power_mw; it has: latency_ms, energy"):
        on_demand("shuffle_i", predictors["shuffle_i"], "random", metrics=["power_mw"])
