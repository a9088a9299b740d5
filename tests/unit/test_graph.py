"""The graph of a study: an edit of the settings reruns exactly what depends on it."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from studies import REPOSITORY, TINY, graph_of, rerun, setting, write_toy_images

from hanas.study._entries import Job


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_toy_images(folder / "toy_images", images_each=2)
    return folder


def jobs_of(config: dict, data: Path) -> dict[str, Job]:
    return graph_of(config, data).jobs()


def _reverse_keys(config: dict) -> None:
    for section, entries in list(config.items()):
        config.pop(section)
        config[section] = dict(reversed(entries.items()))


def _sequence(*edits: Callable[[dict], None]) -> Callable[[dict], None]:
    def edit(config: dict) -> None:
        for one in edits:
            one(config)

    return edit


def _fuse(config: dict) -> None:
    config["proxies"]["both"] = {"kind": "fused", "proxies": ["gdas_toy", "params"]}
    config["evaluation"] = {"proxies": ["both"]}


# Picks that are trained are exported and described.
RETRAINED = {"retrain": 1, "export": 1, "model_cards": 1}
# What shows a table, and what judges searches, of both devices.
TABLES = {"table": 2, "all_tables": 1}
JUDGED = {"evaluation": 2, "decisions": 2, "explorer": 1, "devices_compared": 1, "ranking": 1}
JUDGED |= {"figures": 2}
# The same of one device.
TABLE = {"table": 1, "all_tables": 1}
JUDGED_HERE = {"evaluation": 1, "decisions": 1, "explorer": 1, "devices_compared": 1, "figures": 1}
ALL_SEARCHES = {"search": 4, **JUDGED, **TABLES}
FRONTS = {key: count for key, count in ALL_SEARCHES.items() if key != "ranking"}
# What shows labels, which change no judgement but stand in its tables.
LABELLED = {key: count for key, count in JUDGED.items() if key != "ranking"}

EDITS = {
    "nothing": (lambda config: None, {}),
    "key order": (_reverse_keys, {}),
    "an explicit default": (
        _sequence(
            setting("supernets", "gdas_toy", "training", "momentum", 0.9),
            setting("supernets", "gdas_toy", "training", "final_learning_rate", 0.0),
            setting("searches", "nsga2", "mutation_probability", 0.1),
        ),
        {},
    ),
    "a whole number as a float": (setting("supernets", "gdas_toy", "training", "epochs", 2.0), {}),
    "learning rate of the searched supernet": (
        setting("supernets", "gdas_toy", "training", {"epochs": 2, "batch_size": 8}),
        {"train_supernet": 1, "proxy_table": 1, **ALL_SEARCHES, "search": 2, **RETRAINED},
    ),
    "seed of a supernet that is only a row": (
        setting("supernets", "darts_toy", "seed", 1),
        {"train_supernet": 1, **TABLES},
    ),
    "images of the proxy": (
        setting("proxies", "gdas_toy", "images", 32),
        {"proxy_table": 1, **ALL_SEARCHES, "search": 2, **RETRAINED},
    ),
    "what the search minimises": (
        setting("proxies", "gdas_toy", "objective", "cross_entropy"),
        {**ALL_SEARCHES, "search": 2, **RETRAINED},
    ),
    "a proxy made of two others": (_fuse, {"proxy_table": 1, "search": 2, **JUDGED}),
    "images of one of the two": (
        _sequence(_fuse, setting("proxies", "gdas_toy", "images", 32)),
        {**ALL_SEARCHES, "proxy_table": 2, "search": 4, **RETRAINED},
    ),
    "workers of the proxy": (setting("proxies", "gdas_toy", "threads", 1), {}),
    "one device": (
        setting("devices", "edgetpu", "device", "pixel3"),
        {"device_table": 1, "search": 2, **JUDGED_HERE, **TABLE},
    ),
    "objectives of one device": (
        setting("devices", "edgegpu", "objectives", ["latency_ms"]),
        {"search": 2, **JUDGED_HERE, **TABLE, **RETRAINED},
    ),
    "population of a searcher": (
        _sequence(
            setting("searches", "nsga2", "population", 11),
            setting("searches", "nsga2", "random", 2),
        ),
        {**FRONTS, **RETRAINED},
    ),
    "one more seed": (setting("searches", "random", "seeds", 3), {**FRONTS, **RETRAINED}),
    "source of true accuracy": (
        setting("benchmarks", "nb201", "toy", "dataset", "cifar100"),
        {"accuracy_table": 1, **JUDGED, **TABLES, **RETRAINED},
    ),
    "representative": (
        setting("tables", {"representative": "lowest_error"}),
        {**TABLES, **RETRAINED},
    ),
    "label of a supernet": (setting("supernets", "darts_toy", "label", "DARTS-V1"), TABLES),
    "label of a proxy": (setting("proxies", "params", "label", "size"), {**LABELLED, **TABLES}),
    "how far fronts are peeled": (
        setting("evaluation", {"peeling": {"epsilon": 0.02}}),
        {"evaluation": 2, "figures": 2},
    ),
    "accuracy floor": (setting("tasks", "toy", "accuracy_floor_percent", 60), JUDGED),
    "split of the images": (
        setting("datasets", "toy", "split_seed", 1),
        {
            **{"dataset": 1, "train_supernet": 2, "proxy_table": 1},
            **{**ALL_SEARCHES, "search": 2, **RETRAINED},
        },
    ),
    "epochs of the retraining": (
        setting("retrainings", "edgegpu_toy", "training", {"epochs": 3}),
        RETRAINED,
    ),
    "a new device": (
        setting("devices", "fpga", {"kind": "surrogate", "device": "fpga", "dataset": "cifar10"}),
        {"device_table": 1, "search": 2, **JUDGED_HERE, **TABLE},
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_reruns_what_depends_on_it(name, data):
    edit, expected = EDITS[name]
    edited = copy.deepcopy(TINY)
    edit(edited)
    assert rerun(jobs_of(TINY, data), jobs_of(edited, data)) == expected


def test_a_new_picture_reruns_what_is_trained_on_it(data):
    before = jobs_of(TINY, data)
    picture = data / "toy_images" / "class_0" / "added.png"
    picture.write_bytes((data / "toy_images" / "class_0" / "000.png").read_bytes())
    again = rerun(before, jobs_of(TINY, data))
    picture.unlink()
    assert (again["dataset"], again["train_supernet"]) == (1, 2)


def test_the_default_study_is_at_most_150_jobs(tmp_path):
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
    assert len(jobs_of(config, tmp_path)) <= 150


@pytest.fixture(scope="module")
def own() -> dict:
    return yaml.safe_load((REPOSITORY / "config" / "own.yaml").read_text(encoding="utf-8"))


def _own_jobs(config: dict, data: Path) -> dict[str, Job]:
    config = copy.deepcopy(config)
    config["datasets"]["mine"]["folder"] = "toy_images"
    return jobs_of(config, data)


def test_decisions_and_explorer_read_trained_models_where_they_are_compared(own, data):
    jobs = _own_jobs(own, data)
    tables = {"results/models/own.csv", "results/models/published.csv"}
    assert tables <= set(jobs["results/decisions/board.csv"].files)
    assert "results/datasets/mine.json" in jobs["results/decisions/board.csv"].files
    # The page says how far to trust them by the files that the decisions are written from.
    shown = jobs["results/explorer.html"].files
    assert {file for file in shown if file.startswith("results/")} == set(
        jobs["results/decisions/board.csv"].files
    )
    assert "results/models/published.csv" in jobs["results/models/own.csv"].files
    assert "results/models/own.csv" not in jobs["results/models/published.csv"].files
    alone = copy.deepcopy(own)
    for key in ("beside", "random"):
        del alone["retrainings"]["own"][key]
    jobs = _own_jobs(alone, data)
    assert not tables & set(jobs["results/decisions/board.csv"].files)
    assert not tables & set(jobs["results/explorer.html"].files)


def test_numbers_of_the_users_that_are_fitted_to_are_judged_on_the_pages(own, data):
    config = copy.deepcopy(own)
    config["retrainings"] = {}
    columns = {"arch": "network", "latency_ms": "ms"}
    of_mine = {"file": "mine.csv", "columns": columns, "predict_missing": True}
    config["devices"]["board"] = {"kind": "table", "datasets": {"mine": of_mine}}
    read = _own_jobs(config, data)["results/decisions/board.csv"].files
    assert "results/measurements/board/mobile_i/mine.quality.csv" in read
    assert "results/measurements/board/mobile_i/mine.parquet" in read
    assert not any("measured_fronts" in file for file in read)


def test_more_seeds_train_again_and_more_published_networks_leave_the_picks(own, data):
    before, seeds, shelf = _own_jobs(own, data), copy.deepcopy(own), copy.deepcopy(own)
    seeds["retrainings"]["own"]["seeds"] = 3
    shelf["retrainings"]["published"]["published"].append("mobilenet_v2@1")

    def differ(config: dict) -> set[str]:
        after = _own_jobs(config, data)
        return {name for name in after if after[name].params != before[name].params}

    assert differ(seeds) == {"results/retrained/own/metrics.parquet"}
    assert differ(shelf) == {"results/retrained/published/metrics.parquet"}
