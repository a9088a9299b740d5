"""Wrong inputs end with a message that names the place, and nothing computed is lost."""

import pickle
from pathlib import Path

import pytest

from hanas.spaces import nb201

HEADER = "arch,latency_ms\n"


def _set(*path_and_value):
    *path, last, value = path_and_value

    def edit(config: dict) -> None:
        for key in path:
            config = config[key]
        config[last] = value

    return edit


SETTINGS = {
    "data set that does not exist": (
        _set("supernets", "gdas_toy", "dataset", "tyo"),
        ["supernets.gdas_toy.dataset is 'tyo'", "toy"],
    ),
    "trainer that does not exist": (
        _set("supernets", "gdas_toy", "trainer", "gads"),
        ["supernets.gdas_toy.trainer is 'gads'", "darts, fairness, gdas"],
    ),
    "searcher that does not exist": (
        _set("searches", "nsga2", "searcher", "nsga3"),
        ["searches.nsga2.searcher is 'nsga3'", "nsga2"],
    ),
    "proxy that does not exist": (
        _set("tasks", "toy", "proxies", ["gdas"]),
        ["tasks.toy.proxies.0 is 'gdas'", "gdas_toy"],
    ),
    "kind of device that does not exist": (
        _set("devices", "edgegpu", "kind", "surogate"),
        ["devices.edgegpu.kind is 'surogate'", "surrogate"],
    ),
    "misspelt key": (
        _set("supernets", "gdas_toy", "training", "epoch", 3),
        ["supernets.gdas_toy.training.epoch: no such setting", "epochs"],
    ),
    "number that YAML reads as text": (
        _set("supernets", "gdas_toy", "training", "learning_rate", "1e-3"),
        ["supernets.gdas_toy.training.learning_rate is '1e-3'", "a number", "0.001"],
    ),
    "negative number": (
        _set("supernets", "gdas_toy", "training", "epochs", -1),
        ["supernets.gdas_toy.training.epochs is -1", "at least 1"],
    ),
    "list where a mapping belongs": (
        _set("supernets", ["gdas"]),
        ["supernets is ['gdas']", "a mapping"],
    ),
    "name that cannot be a file name": (
        _set("tasks", "a/b", {"dataset": "toy"}),
        ["'a/b'", "letters, digits"],
    ),
    "children that do not add up": (
        _set("searches", "nsga2", "random", 5),
        ["searches.nsga2", "crossover + mutation + random is 14", "10"],
    ),
    "table of a task whose benchmark is missing": (
        lambda config: config.update(benchmarks={}, tables={"tasks": ["toy"]}),
        ["tables.tasks: 'toy'", "benchmarks.nb201 has no 'toy'"],
    ),
    "file that does not exist": (
        _set(
            "benchmarks",
            "nb201",
            "toy",
            {"kind": "table", "file": "no.csv", "columns": {"accuracy_percent": "a"}},
        ),
        ["benchmarks.nb201.toy.file", "no.csv does not exist"],
    ),
    "folder of images that does not exist": (
        _set("datasets", "toy", "folder", "no_images"),
        ["datasets.toy.folder", "no_images does not exist"],
    ),
    "setting that the trainer does not use": (
        _set("supernets", "darts_toy", "architecture", {"tau": [5, 1]}),
        ["supernets.darts_toy.architecture.tau is (5, 1), which trainer 'darts' does not use"],
    ),
    "point of the front that has no rule": (
        _set("tables", {"representative": "kneee"}),
        ["tables.representative is 'kneee'", "knee"],
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_wrong_setting(fresh_study, name):
    edit, expected = SETTINGS[name]
    config = fresh_study.config()
    edit(config)
    fresh_study.write(config)
    printed = fresh_study.run("--dry-run", check=False)
    for text in ("config.yaml", *expected):
        assert text in printed


def test_mistyped_target_says_which_names_exist(fresh_study):
    printed = fresh_study.run("--dry-run", "results/tables/edgegp.csv", check=False)
    assert "devices has no 'edgegp'; it has: edgegpu, edgetpu" in printed


@pytest.mark.parametrize(
    ("target", "where"),
    [
        ("evaluations/ranking.csv", "any device"),
        ("evaluations/device_correlation.csv", "any device"),
        ("explorer.html", "any device"),
        ("tables/all.csv", "any device"),
        ("evaluations/edgegpu/peeling.csv", "edgegpu"),
        ("evaluations/edgegpu/budget.csv", "edgegpu"),
        ("evaluations/edgegpu/trained_fronts.csv", "edgegpu"),
    ],
)
def test_nothing_is_judged_without_true_accuracies(fresh_study, target, where):
    config = fresh_study.config()
    fresh_study.write({**config, "benchmarks": {}})
    printed = fresh_study.run("--dry-run", f"results/{target}", check=False)
    assert f"config.yaml: no task whose true accuracies are known is searched on {where}" in printed


def test_nothing_is_chosen_where_nothing_is_searched(fresh_study):
    config = fresh_study.config()
    config["tasks"]["toy"]["proxies"] = []
    fresh_study.write({**config, "retrainings": {}})
    printed = fresh_study.run("--dry-run", "results/decisions/edgegpu.csv", check=False)
    assert "config.yaml: no task is searched on edgegpu" in printed
    assert "decisions" not in fresh_study.planned()


def _device_file(text: str):
    def make(study, config: dict) -> str:
        (study.folder / "data" / "mine.csv").write_text(text, encoding="utf-8")
        columns = {"arch": "arch", "latency_ms": "latency_ms"}
        config["devices"]["edgegpu"] = {
            "kind": "table",
            "datasets": {"toy": {"file": "mine.csv", "columns": columns}},
        }
        return "results/devices/edgegpu/nb201/toy.parquet"

    return make


def _lines(changed: dict[int, str] | None = None, *, leave_out: int | None = None) -> str:
    lines = [f"{arch},{1 + index / 1000}" for index, arch in enumerate(nb201.all_texts())]
    for index, line in (changed or {}).items():
        lines[index] = line
    if leave_out is not None:
        del lines[leave_out]
    return HEADER + "\n".join(lines) + "\n"


TEXTS = nb201.all_texts()
_UNKNOWN = TEXTS[7].replace(TEXTS[7].split("~")[0], "|nor_conv_5x5", 1)


class _RunsCode:
    def __reduce__(self):
        return (Path.touch, (Path("touched"),))


def _hostile_pickle(study, config: dict) -> str:
    (study.folder / "data" / "hw.pickle").write_bytes(pickle.dumps({"nasbench201": _RunsCode()}))
    config["devices"]["edgegpu"] = {
        "kind": "hw_nas_bench",
        "device": "edgegpu",
        "dataset": "cifar10",
        "file": "hw.pickle",
    }
    return "results/devices/edgegpu/nb201/toy.parquet"


def _empty_class(study, config: dict) -> str:
    (study.folder / "data" / "toy_images" / "class_9").mkdir()
    return "results/datasets/toy.pt"


def _not_an_image(study, config: dict) -> str:
    (study.folder / "data" / "toy_images" / "class_1" / "bad.png").write_bytes(b"not a picture")
    return "results/datasets/toy.pt"


def _truncated_tar(study, config: dict) -> str:
    (study.folder / "data" / "cifar-10-python.tar.gz").write_bytes(b"\x1f\x8b\x08" + bytes(1000))
    config["datasets"]["c10"] = {"kind": "cifar10"}
    return "results/datasets/c10.pt"


FILES = {
    "NaN in a table": (
        _device_file(_lines({5: f"{TEXTS[5]},nan"})),
        ["mine.csv", "latency_ms", "7"],
    ),
    "negative latency": (
        _device_file(_lines({5: f"{TEXTS[5]},-3.5"})),
        ["mine.csv", "latency_ms", "-3.5", "7"],
    ),
    "text for a number": (
        _device_file(_lines({5: f"{TEXTS[5]},fast"})),
        ["mine.csv", "latency_ms", "fast"],
    ),
    "missing cell": (_device_file(_lines(leave_out=11)), ["mine.csv", TEXTS[11]]),
    "cell given twice": (_device_file(_lines({5: f"{TEXTS[6]},1.0"})), ["mine.csv", TEXTS[6]]),
    "unknown operation": (
        _device_file(_lines({7: f"{_UNKNOWN},1.0"})),
        ["mine.csv", "nor_conv_5x5"],
    ),
    "pickle that runs code": (_hostile_pickle, ["hw.pickle", "refuse"]),
    "empty class": (_empty_class, ["class_9"]),
    "file that is no image": (_not_an_image, ["bad.png"]),
    "truncated tar": (_truncated_tar, ["cifar-10-python.tar.gz"]),
}


@pytest.mark.parametrize("name", FILES)
def test_wrong_file(fresh_study, name):
    make, expected = FILES[name]
    config = fresh_study.config()
    target = make(fresh_study, config)
    fresh_study.write(config)
    printed = fresh_study.run(target, check=False)
    assert "Traceback" not in printed
    for text in expected:
        assert text in printed
    assert not (fresh_study.folder / target).exists()
    assert not (fresh_study.folder / "touched").exists()


def test_nothing_computed_is_lost(computed_study):
    config_before = (computed_study.folder / "config.yaml").read_text(encoding="utf-8")
    results = computed_study.folder / "results"
    before = {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    config = computed_study.config()
    config["supernets"]["gdas_toy"]["dataset"] = "tyo"
    computed_study.write(config)
    try:
        computed_study.run(check=False)
    finally:
        (computed_study.folder / "config.yaml").write_text(config_before, encoding="utf-8")
    assert before == {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    assert computed_study.planned() == {}
