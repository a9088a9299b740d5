import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from layerwise import SPACES, random_genes
from layerwise_supernets import made_up_supernet, saved_supernet

from hanas.core import plugins
from hanas.core.compute import threads
from hanas.core.errors import InputError
from hanas.devices.prediction import predictor
from hanas.proxies.scoring.chain_evaluation import score_one
from hanas.proxies.scoring.layerwise_scoring import LayerwiseSettings, pictures_for
from hanas.proxies.scoring.normalisation import with_statistics
from hanas.search import on_demand_search
from hanas.search.searchers._history import feasible_rows
from hanas.training.supernets import load_supernet, save_supernet

REPOSITORY = Path(__file__).parents[2]
PROXY = {"kind": "supernet", "images": 8, "batch_size": 8, "device": "cpu"}
EVOLVED = {"population": 8, "parents": 3, "crossover": 3, "mutation": 4, "random": 1}
OF_SEARCHER = {
    "random": {"evaluations": 20},
    "nsga2": {**EVOLVED, "generations": 3},
    "wsea": {**EVOLVED, "generations": 2, "samples": 10},
    "cea": {**EVOLVED, "generations": 2, "samples": 10},
}


def settings_of(space: str, searcher: str = "nsga2", **changes) -> dict:
    return {
        "revision": 1,
        "searcher": searcher,
        "seeds": 2,
        "space": space,
        "proxy": PROXY,
        "proxy_objective": "error",
        "device_objectives": "all",
        **OF_SEARCHER[searcher],
        **changes,
    }


def latencies(genes: np.ndarray) -> np.ndarray:
    return 1 + genes @ np.linspace(0.1, 2, genes.shape[1])


@pytest.fixture(scope="session")
def predictors(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("predictors")
    paths = {}
    for space in SPACES:
        genes = random_genes(space, 12)
        metrics = {"latency_ms": latencies(genes), "energy_mj": 100 - latencies(genes)}
        paths[space] = folder / f"{space}.npz"
        predictor.save(predictor.fit(space, genes, metrics, source="made up"), paths[space])
    return paths


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return saved_supernet(tmp_path_factory.mktemp("supernet"), "shuffle_i")


def search(folder: Path, predictors, weights, images, settings, *, threads: int = 1, kept="kept"):
    lines: list[str] = []
    history, sources = on_demand_search.search(
        settings=settings,
        weights=weights,
        images=images,
        predictor=predictors[settings["space"]],
        kept=folder / kept,
        threads=threads,
        log=lines.append,
    )
    return history, sources, lines


# ---- what a search finds --------------------------------------------------------------------


@pytest.mark.parametrize("searcher", plugins.names("searchers"))
@pytest.mark.parametrize("space", SPACES)
def test_every_searcher_searches_every_space(searcher, space, predictors, tmp_path):
    settings = settings_of(space, searcher, proxy={"kind": "params"}, proxy_objective="score")
    history, sources, lines = search(tmp_path, predictors, None, None, settings)
    module = plugins.space(space)
    genes = np.array([module.from_text(text) for text in history["arch"]])  # all can be there
    assert sorted(history["seed"].unique()) == [0, 1]
    assert not history.duplicated(["seed", "arch"]).any()
    assert history["feasible"].all()
    np.testing.assert_array_equal(history["proxy_score"], -module.params(genes))
    expected = predictor.load(predictors[space]).predict(genes)
    for metric in ("latency_ms", "energy_mj"):
        np.testing.assert_allclose(history[metric], expected[metric])
    columns = ["seed", "evaluation", "generation", "arch", "proxy_score", "latency_ms", "energy_mj"]
    assert list(history) == [*columns, "feasible", "score"]
    assert set(sources) == {"score", "latency_ms", "energy_mj"}
    assert sources["score"] == "number of parameters of the full-size network, computed"
    assert "fitted to 12 measured models (made up)" in sources["latency_ms"]
    assert len(lines) == 2


def test_multiply_accumulates_follow_the_network(predictors, tmp_path):
    network = {"width": 0.5, "resolution": 64}
    settings = settings_of(
        "mobile_i",
        "random",
        proxy={"kind": "flops", "network": network},
        proxy_objective="score",
        device_objectives=["energy_mj"],
    )
    history, sources, _ = search(tmp_path, predictors, None, None, settings)
    module = plugins.space("mobile_i")
    genes = np.array([module.from_text(text) for text in history["arch"]])
    np.testing.assert_array_equal(history["proxy_score"], -module.flops(genes, network=network))
    assert "latency_ms" not in history
    assert list(sources) == ["score", "energy_mj"]


@pytest.fixture(scope="module")
def found(tmp_path_factory, predictors, weights, toy_file):
    """A search that began with nothing, and the folder of what it has kept."""
    folder = tmp_path_factory.mktemp("found")
    history, sources, _ = search(folder, predictors, weights, toy_file, settings_of("shuffle_i"))
    return history, sources, folder / "kept"


def test_errors_are_those_of_the_supernet(found, weights, toy_file):
    history, sources, _ = found
    supernet = load_supernet(weights)
    network = with_statistics(supernet.network(), "batch")
    used = pictures_for(supernet, toy_file, LayerwiseSettings.of(PROXY))
    module = plugins.space("shuffle_i")
    for row in history.iloc[::7].itertuples():
        with threads(1):
            scores = score_one(network, module.from_text(row.arch).tolist(), used)
        assert row.error == scores["error"]
    assert sources["error"] == "measured: shared weights of a supernet on 8 validation images"
    assert len(history) == 2 * 8 * 4
    assert feasible_rows(history[["error", "latency_ms", "energy_mj"]].to_numpy()).all()


def test_errors_of_8_bits_can_be_searched(predictors, weights, toy_file, tmp_path):
    proxy = {**PROXY, "statistics": "recalibrated", "calibration_images": 8, "precision": "int8"}
    settings = settings_of(
        "shuffle_i", "random", proxy=proxy, proxy_objective="int8_error", seeds=1, evaluations=3
    )
    history, sources, _ = search(tmp_path, predictors, weights, toy_file, settings)
    supernet = load_supernet(weights)
    network = with_statistics(supernet.network(), "recalibrated")
    used = pictures_for(supernet, toy_file, LayerwiseSettings.of(proxy))
    genes = [plugins.space("shuffle_i").from_text(text) for text in history["arch"]]
    with threads(1):
        expected = [score_one(network, row.tolist(), used)["int8_error"] for row in genes]
    assert history["int8_error"].tolist() == expected
    assert sources["int8_error"].startswith("measured: shared weights of a supernet with simulated")


@pytest.mark.parametrize("kept", ["warm", "half", "damaged", "cold, two workers"])
def test_what_was_kept_does_not_change_what_is_found(
    kept, found, predictors, weights, toy_file, tmp_path
):
    history, _, before = found
    threads = 1
    if kept.startswith("cold"):
        threads = 2
    else:
        for number, path in enumerate(sorted(before.rglob("*.json"))):
            if kept == "half" and number % 2:
                continue
            text = path.read_text(encoding="utf-8")
            if kept == "damaged":
                text = text[:-30] if number % 2 else text.replace(" 0.", " 0.1")
            copy = tmp_path / "kept" / path.relative_to(before)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(text, encoding="utf-8")
    again, _, lines = search(
        tmp_path, predictors, weights, toy_file, settings_of("shuffle_i"), threads=threads
    )
    pd.testing.assert_frame_equal(again, history, check_exact=True)
    anew = sum("scored anew" in line for line in lines)
    assert anew == 0 if kept == "warm" else anew > 0
    assert sum("is damaged" in line for line in lines) == len(list(before.rglob("*.json"))) * (
        kept == "damaged"
    )


def test_another_device_pays_nothing_for_the_same_architectures(
    found, weights, toy_file, tmp_path, predictors
):
    """The same seeds draw the same first population, whatever the device."""
    history, _, kept = found
    genes = random_genes("shuffle_i", 12, seed=9)
    other = predictor.fit(
        "shuffle_i", genes, {"latency_ms": latencies(-genes) + 90}, source="other"
    )
    predictor.save(other, tmp_path / "other.npz")
    settings = settings_of("shuffle_i", "random", evaluations=8)
    again, sources, lines = search(
        kept.parent, {"shuffle_i": tmp_path / "other.npz"}, weights, toy_file, settings
    )
    first = history[history["generation"] == 0].reset_index(drop=True)
    assert again["arch"].tolist() == first["arch"].tolist()
    assert again["error"].tolist() == first["error"].tolist()
    assert not any("scored anew" in line for line in lines)
    assert "(other)" in sources["latency_ms"]


SEARCH = """
import json, sys
from hanas.search import on_demand_search
on_demand_search.search(settings=json.loads(sys.argv[1]), weights=sys.argv[2], images=sys.argv[3],
                        predictor=sys.argv[4], kept=sys.argv[5], threads=2)
"""


def test_a_killed_search_goes_on(found, predictors, weights, toy_file, tmp_path):
    history, _, _ = found
    settings, kept = settings_of("shuffle_i"), tmp_path / "kept"
    files = [str(weights), str(toy_file), str(predictors["shuffle_i"]), str(kept)]
    process = subprocess.Popen(
        [sys.executable, "-c", SEARCH, json.dumps(settings), *files],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while len(list(kept.rglob("*.json"))) < 3:
        assert process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    again, _, lines = search(tmp_path, predictors, weights, toy_file, settings)
    pd.testing.assert_frame_equal(again, history, check_exact=True)
    assert "scored before" in lines[0]


# ---- what the device cannot run -------------------------------------------------------------


def test_what_the_device_will_hardly_run_is_no_candidate(tmp_path, weights, toy_file, monkeypatch):
    """It is not scored, and stands in the history as infeasible."""
    genes = random_genes("shuffle_i", 40)
    runs = genes[:, 0] < 2
    metrics = {"latency_ms": np.where(runs, latencies(genes), np.nan)}
    path = tmp_path / "device.npz"
    predictor.save(predictor.fit("shuffle_i", genes, metrics, source="made up"), path)
    scored = []

    def score(self, genes):
        scored.append(genes)
        return {"error": np.full(len(genes), 0.5), "cross_entropy": np.ones(len(genes))}

    monkeypatch.setattr(on_demand_search.LayerwiseScorer, "score", score)
    settings = settings_of("shuffle_i", "random", evaluations=200)
    history, _, _ = search(tmp_path, {"shuffle_i": path}, weights, toy_file, settings)
    module = plugins.space("shuffle_i")
    found = np.array([module.from_text(text) for text in history["arch"]])
    able = history["feasible"].to_numpy()
    assert ((found[:, 0] < 2) == able).mean() > 0.8
    assert 0.3 < able.mean() < 0.7
    assert history.loc[~able, ["error", "latency_ms"]].isna().all(axis=None)
    assert history.loc[able, ["error", "latency_ms"]].notna().all(axis=None)
    np.testing.assert_array_equal(np.concatenate(scored), found[able])


# ---- what does not fit ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"proxy_objective": "score"}, "has no 'score'; it has: error, cross_entropy"),
        ({"proxy": {"kind": "params"}}, "has no 'error'; it has: score"),
        ({"proxy": {"kind": "naswot"}}, "'naswot'; in space 'shuffle_i', which is too large"),
        ({"searcher": "nsga3"}, "no 'nsga3'"),
        ({"population": 9}, "make 8 children; expected population, which is 9"),
        ({"device_objectives": ["power_mw"]}, "the device has no power_mw"),
        ({"proxy": {**PROXY, "statistics": "none"}}, "statistics is 'none'"),
    ],
)
def test_settings_that_do_not_fit(changes, message, predictors, weights, toy_file, tmp_path):
    with pytest.raises(InputError, match=message):
        search(tmp_path, predictors, weights, toy_file, settings_of("shuffle_i") | changes)


def test_files_that_do_not_fit(predictors, weights, toy_file, tmp_path):
    settings = settings_of("shuffle_i")
    with pytest.raises(InputError, match="predicts mobile_i, not shuffle_i"):
        search(tmp_path, {"shuffle_i": predictors["mobile_i"]}, weights, toy_file, settings)
    with pytest.raises(InputError, match="needs the files of a supernet and its data set"):
        search(tmp_path, predictors, None, toy_file, settings)
    save_supernet(made_up_supernet("shuffle"), tmp_path / "other.pt")
    with pytest.raises(InputError, match="a supernet of shuffle, not of shuffle_i"):
        search(tmp_path, predictors, tmp_path / "other.pt", toy_file, settings)
