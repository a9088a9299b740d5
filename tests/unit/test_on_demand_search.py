"""Searches whose scores a supernet computes when they are asked for, and keeps."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from layerwise import random_genes
from layerwise_supernets import saved_supernet, score_alone

from hanas.core import plugins
from hanas.core.compute import threads
from hanas.devices.prediction import predictor
from hanas.proxies._proxy import Inputs, Work
from hanas.proxies.scoring.chain_evaluation import with_statistics
from hanas.search.run import search_on_demand
from hanas.training.supernets import load_supernet

REPOSITORY = Path(__file__).parents[2]
SPACE = plugins.space("shuffle_i")
EVOLVED = {"population": 4, "parents": 2, "crossover": 1, "mutation": 2, "random": 1}
NSGA2 = {"searcher": "nsga2", "seeds": 2, "generations": 2, **EVOLVED}


def proxy_of(**changes):
    given = {"kind": "supernet", "supernet": "toy", "images": 8, "batch_size": 8, "device": "cpu"}
    return plugins.plugin("proxies", "supernet").read({**given, **changes})


def device(source: str, sign: int = 1) -> predictor.Predictor:
    genes = random_genes("shuffle_i", 12)
    metrics = {"latency_ms": 90 + sign * genes @ np.linspace(0.1, 2, genes.shape[1])}
    return predictor.fit("shuffle_i", genes, metrics, source=source)


def search(kept, weights, images, given=NSGA2, *, proxy=None, predicted=None, workers=1):
    proxy, lines = proxy or proxy_of(), []
    searches = {"one": plugins.plugin("searchers", given["searcher"]).read(given)}
    predicted = predicted or device("made up")
    inputs = Inputs(weights=Path(weights), images=Path(images))
    work = Work(Path(kept), workers, lines.append)
    with proxy.on_demand_scorer(SPACE, inputs, work) as scorer:
        parts = (SPACE, scorer, predicted, searches, proxy.objective, None, lines.append)
        history, sources = search_on_demand(*parts)
    return history, sources, lines


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return saved_supernet(tmp_path_factory.mktemp("supernet"), "shuffle_i")


@pytest.fixture(scope="module")
def found(tmp_path_factory, weights, toy_file):
    """A search that began with nothing, and the folder of what it has kept."""
    folder = tmp_path_factory.mktemp("found")
    history, sources, _ = search(folder / "kept", weights, toy_file)
    return history, sources, folder / "kept"


def one_by_one(weights, images, proxy, archs):
    supernet = load_supernet(weights)
    network = with_statistics(supernet.network(), proxy.statistics)
    used = proxy.evaluation(SPACE.name, weights, images, "cpu").pictures
    with threads(1):
        return [score_alone(network, SPACE.from_text(arch).tolist(), used) for arch in archs]


def test_errors_are_those_of_the_supernet(found, weights, toy_file):
    history, sources, _ = found
    some = history.iloc[::7]
    expected = one_by_one(weights, toy_file, proxy_of(), some["arch"])
    assert some["error"].tolist() == [scores["error"] for scores in expected]
    assert sources["error"] == "measured: shared weights of a supernet on 8 validation images"
    assert len(history) == 2 * 4 * 3
    assert history["feasible"].all()


@pytest.mark.slow
def test_errors_of_8_bits_can_be_searched(weights, toy_file, tmp_path):
    proxy = proxy_of(
        statistics="recalibrated", calibration_images=8, precision="int8", objective="int8_error"
    )
    given = {"searcher": "random", "seeds": 1, "evaluations": 3}
    history, sources, _ = search(tmp_path / "kept", weights, toy_file, given, proxy=proxy)
    expected = one_by_one(weights, toy_file, proxy, history["arch"])
    assert history["int8_error"].tolist() == [scores["int8_error"] for scores in expected]
    assert sources["int8_error"].startswith("measured: shared weights of a supernet with simulated")


@pytest.mark.parametrize(
    "kept",
    ["warm", "damaged", *(pytest.param(n, marks=pytest.mark.slow) for n in ("half", "cold"))],
)
def test_what_was_kept_does_not_change_what_is_found(kept, found, weights, toy_file, tmp_path):
    history, _, before = found
    files = [] if kept == "cold" else sorted(before.rglob("*.json"))
    for number, path in enumerate(files):
        if kept == "half" and number % 2:
            continue
        text = path.read_text(encoding="utf-8")
        if kept == "damaged":
            text = text[:-30] if number % 2 else text.replace(" 0.", " 0.1")
        copy = tmp_path / "kept" / path.relative_to(before)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text, encoding="utf-8")
    again, _, lines = search(tmp_path / "kept", weights, toy_file, workers=1 if files else 2)
    pd.testing.assert_frame_equal(again, history, check_exact=True)
    anew = sum("scored anew" in line for line in lines)
    assert anew == 0 if kept == "warm" else anew > 0
    damaged = sum("is damaged" in line for line in lines)
    assert damaged == (len(files) if kept == "damaged" else 0)


def test_another_device_pays_nothing_for_the_same_architectures(found, weights, toy_file):
    """The same seeds draw the same first population, whatever the device."""
    history, _, kept = found
    given = {"searcher": "random", "seeds": 2, "evaluations": 4}
    again, sources, lines = search(
        kept, weights, toy_file, given, predicted=device("other", sign=-1)
    )
    first = history[history["generation"] == 0].reset_index(drop=True)
    assert again["arch"].tolist() == first["arch"].tolist()
    assert again["error"].tolist() == first["error"].tolist()
    assert not any("scored anew" in line for line in lines)
    assert "(other)" in sources["latency_ms"]


SEARCH = "import sys, test_on_demand_search as tests; tests.search(*sys.argv[1:])"


@pytest.mark.slow
def test_a_killed_search_goes_on(found, weights, toy_file, tmp_path):
    history, _, _ = found
    kept = tmp_path / "kept"
    process = subprocess.Popen(
        [sys.executable, "-c", SEARCH, str(kept), str(weights), str(toy_file)],
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'tests/unit'}"},
    )
    deadline = time.monotonic() + 120
    while len(list(kept.rglob("*.json"))) < 3:
        assert process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    again, _, lines = search(kept, weights, toy_file)
    pd.testing.assert_frame_equal(again, history, check_exact=True)
    assert "scored before" in lines[0]
