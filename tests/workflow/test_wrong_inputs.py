"""Wrong inputs end with a message that names the place, and nothing computed is lost."""

import copy
import pickle
from pathlib import Path

import pytest
from nb201_space import nb201
from studies import TINY, JobFailed, graph_of, setting

from hanas.core.errors import InputError
from hanas.study import checks as studies

HEADER = "arch,latency_ms\n"


SETTINGS = {
    "data set that does not exist": (
        setting("supernets", "gdas_toy", "dataset", "tyo"),
        ["supernets.gdas_toy.dataset is 'tyo'", "toy"],
    ),
    "trainer that does not exist": (
        setting("supernets", "gdas_toy", "trainer", "gads"),
        ["supernets.gdas_toy.trainer is 'gads'", "darts, fairness, gdas"],
    ),
    "searcher that does not exist": (
        setting("searches", "nsga2", "searcher", "nsga3"),
        ["searches.nsga2.searcher is 'nsga3'", "nsga2"],
    ),
    "proxy that does not exist": (
        setting("tasks", "toy", "proxies", ["gdas"]),
        ["tasks.toy.proxies.0 is 'gdas'", "gdas_toy"],
    ),
    "kind of device that does not exist": (
        setting("devices", "edgegpu", "kind", "surogate"),
        ["devices.edgegpu.kind is 'surogate'", "surrogate"],
    ),
    "misspelt key": (
        setting("supernets", "gdas_toy", "training", "epoch", 3),
        ["supernets.gdas_toy.training.epoch: no such setting", "epochs"],
    ),
    "number that YAML reads as text": (
        setting("supernets", "gdas_toy", "training", "learning_rate", "1e-3"),
        ["supernets.gdas_toy.training.learning_rate is '1e-3'", "a number", "0.001"],
    ),
    "negative number": (
        setting("supernets", "gdas_toy", "training", "epochs", -1),
        ["supernets.gdas_toy.training.epochs is -1", "at least 1"],
    ),
    "list where a mapping belongs": (
        setting("supernets", ["gdas"]),
        ["supernets is ['gdas']", "a mapping"],
    ),
    "name that cannot be a file name": (
        setting("tasks", "a/b", {"dataset": "toy"}),
        ["'a/b'", "letters, digits"],
    ),
    "children that do not add up": (
        setting("searches", "nsga2", "random", 5),
        ["searches.nsga2", "crossover + mutation + random is 14", "10"],
    ),
    "table of a task whose benchmark is missing": (
        lambda config: config.update(benchmarks={}, tables={"tasks": ["toy"]}),
        ["tables.tasks: 'toy'", "benchmarks.nb201 has no 'toy'"],
    ),
    "setting that the trainer does not use": (
        setting("supernets", "darts_toy", "architecture", {"tau": [5, 1]}),
        ["supernets.darts_toy.architecture.tau is [5, 1], which trainer 'darts' does not use"],
    ),
    "point of the front that has no rule": (
        setting("tables", {"representative": "kneee"}),
        ["tables.representative is 'kneee'", "knee"],
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_wrong_setting(name):
    edit, expected = SETTINGS[name]
    config = copy.deepcopy(TINY)
    edit(config)
    with pytest.raises(InputError) as error:
        studies.read(config, "config.yaml")
    for text in ("config.yaml", *expected):
        assert text in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        SETTINGS["data set that does not exist"],
        (
            setting("datasets", "toy", "folder", "no_images"),
            ["datasets.toy.folder", "no_images does not exist"],
        ),
    ],
)
def test_snakemake_shows_what_is_wrong(fresh_study, edit, expected):
    config = fresh_study.config()
    edit(config)
    fresh_study.write(config)
    printed = fresh_study.run("--dry-run", check=False)
    for text in ("config.yaml", *expected):
        assert text in printed


def test_files_that_must_exist_are_known():
    config = copy.deepcopy(TINY)
    columns = {"arch": "b", "accuracy_percent": "a"}
    table = {"kind": "table", "file": "no.csv", "columns": columns}
    config["benchmarks"]["nb201"]["toy"] = table
    config["datasets"]["toy"]["folder"] = "no_images"
    named = dict(studies.user_files(studies.read(config, "config.yaml")))
    assert named["benchmarks.nb201.toy.file"] == "no.csv"
    assert named["datasets.toy.folder"] == "no_images"


def test_mistyped_target_says_which_names_exist(tmp_path):
    for target in (
        "tables/edgegp.csv",
        "evaluations/edgegp/indicators.csv",
        "decisions/edgegp.csv",
    ):
        with pytest.raises(InputError, match="devices has no 'edgegp'; it has: edgegpu, edgetpu"):
            graph_of(TINY, tmp_path).jobs([f"results/{target}"])


def test_nothing_is_judged_without_true_accuracies(tmp_path):
    graph = graph_of({**TINY, "benchmarks": {}}, tmp_path)
    said = "no task whose true accuracies are known is searched on"
    for job in (graph.ranking, graph.devices_compared, graph.all_tables):
        with pytest.raises(InputError, match=f"{said} any device"):
            job()
    with pytest.raises(InputError, match=f"{said} edgegpu"):
        graph.evaluation("edgegpu")
    shown = graph.explorer().params["rows"]  # what is searched is shown all the same
    assert {row["accuracies"] for row in shown} == {None}
    assert {row["device"] for row in shown} == {"edgegpu", "edgetpu"}


def test_nothing_is_chosen_where_nothing_is_searched(tmp_path):
    config = copy.deepcopy(TINY)
    config["tasks"]["toy"]["proxies"] = []
    (tmp_path / "toy_images").mkdir()
    graph = graph_of({**config, "retrainings": {}}, tmp_path)
    with pytest.raises(InputError, match="no task is searched on edgegpu"):
        graph.decisions("edgegpu")
    assert not [path for path in graph.jobs() if "decisions" in path]


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
    with pytest.raises(JobFailed) as failed:
        fresh_study.compute(target)
    said = str(failed.value)
    assert "Traceback" not in said
    for text in expected:
        assert text in said
    assert not (fresh_study.folder / target).exists()
    assert not (fresh_study.folder / "touched").exists()


@pytest.mark.slow
def test_nothing_computed_is_lost(snakemake_study):
    results = snakemake_study.folder / "results"
    before = {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    with snakemake_study.edited() as config:
        config["supernets"]["gdas_toy"]["dataset"] = "tyo"
        snakemake_study.write(config)
        snakemake_study.run(check=False)
    assert before == {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    assert snakemake_study.planned() == {}
