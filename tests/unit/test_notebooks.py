"""Calls for notebooks give the numbers of the study."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.text import Text

import hanas
from hanas.core.errors import InputError
from hanas.study.results import result

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"


@pytest.fixture(scope="module")
def tables():
    """A device, true accuracies and a proxy, all shipped."""
    return {
        "device": hanas.load_device("edgegpu", "cifar10"),
        "accuracies": hanas.load_accuracies("cifar10"),
        "proxy": hanas.load_proxy("params"),
    }


def test_importing_hanas_imports_nothing_heavy_and_says_what_it_has():
    code = (
        "import sys, hanas\n"
        "assert not {'numpy', 'pandas', 'torch', 'typing'} & set(sys.modules)\n"
        "assert callable(hanas.search) and 'pandas' not in sys.modules\n"
        "from hanas.search.run import search_tables\n"
        "assert callable(hanas.search) and callable(hanas.indicators)\n"
        "assert not hasattr(hanas, 'nothing')\n"
    )
    here = f"import sys; sys.path.insert(0, {str(NOTEBOOK.parents[1])!r})\n"
    subprocess.run([sys.executable, "-I", "-c", here + code], check=True)


@pytest.mark.slow
def test_a_search_and_its_indicators_are_those_of_the_workflow(computed_study):
    results = computed_study.folder
    config = computed_study.config()
    read = lambda rule, **names: pd.read_parquet(results / result(rule, **names))  # noqa: E731
    (task, of_task), *_ = config["tasks"].items()
    proxy = of_task["proxies"][0]
    table = {"space": "nb201", "dataset": of_task["dataset"]}
    tables = {
        "proxy": read("proxy_table", proxy=proxy, dataset=of_task["dataset"]),
        "device": read("device_table", device="edgegpu", **table),
    }
    accuracies = read("accuracy_table", **table)
    expected = read("search", task=task, device="edgegpu", proxy=proxy)
    found = [
        hanas.search(**tables, searcher=settings, objective="error")
        for settings in config["searches"].values()
    ]
    columns = [name for name in expected if name not in ("search", "arch")]
    for of_search, name in zip(found, config["searches"], strict=True):
        of_study = expected[expected["search"] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(of_search[columns], of_study[columns])
    judged = pd.read_csv(results / result("evaluation", device="edgegpu"))
    judged = judged[(judged["task"] == task) & (judged["proxy"] == proxy)]
    ours = hanas.indicators(
        expected,
        accuracies=accuracies,
        objective="error",
        accuracy_floor_percent=of_task.get("accuracy_floor_percent", 0),
        **tables,
    )
    key = ["search", "objectives", "seed"]
    merged = ours.merge(judged, on=key, suffixes=("", "_study"))
    assert len(merged) == len(judged) == len(ours)
    shares = merged["normalised_hypervolume"], merged["normalised_hypervolume_study"]
    pd.testing.assert_series_equal(*shares, check_names=False)


def test_a_front_is_drawn_and_found(tables):
    given = {name: tables[name] for name in ("proxy", "device")}
    history = hanas.search(**given, searcher="random", seeds=1, device_objectives=["latency_ms"])
    assert set(history["seed"]) == {0}
    front = hanas.found_front(history, "random")
    # The best by the proxy is the slowest of a front in two objectives.
    assert front["proxy_score"].is_monotonic_increasing
    assert front["latency_ms"].is_monotonic_decreasing
    figure = hanas.plot_front(
        history,
        **tables,
        title=("my board", "my task"),
        accuracy_floor_percent=50,
        device_objectives=["latency_ms"],
    )
    texts = [text.get_text() for text in figure.findobj(Text)]
    assert any("my board, my task" in text for text in texts)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda tables: hanas.load_space("nb202"), "space is 'nb202'; expected one of: mobile_i"),
        (lambda tables: hanas.load_device("tx2", "cifar10"), "no surrogates of cifar10/tx2"),
        (lambda tables: hanas.load_device({"kind": "host"}, "cifar10"), "kind host are measured"),
        (lambda tables: hanas.load_device({"kind": "hots"}, "cifar10"), "kind is 'hots'; expected"),
        (lambda tables: hanas.load_accuracies("mnist"), "no surrogate of the accuracy on mnist"),
        (lambda tables: hanas.load_proxy("naswot"), "needs images or other proxies"),
        (lambda tables: hanas.search(tables["device"], tables["device"]), "has no scores"),
        (
            lambda tables: hanas.search(tables["proxy"], tables["device"], "nsga3"),
            "searcher is 'nsga3'; expected one of: cea, nsga2",
        ),
    ],
)
def test_what_cannot_be_is_told(tables, call, said):
    with pytest.raises(InputError, match=said):
        call(tables)


@pytest.mark.slow
def test_the_notebook_runs():
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
