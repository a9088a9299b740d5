import copy
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from nb201_space import OPERATIONS, nb201
from snakemake.utils import update_config

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.study import checks as studies
from hanas.study import schema

REPOSITORY = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((REPOSITORY / "config.schema.yaml").read_text(encoding="utf-8"))
#: What is laid over another study, by its name.
OVERLAYS = {"ranking_seeds": "ranking", "rk3588_full": "rk3588", "rk3588_tiny": "rk3588"}
STUDIES = sorted([REPOSITORY / "config.yaml", *(REPOSITORY / "config").rglob("*.yaml")])


def _read(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def complete(given: dict, name: str) -> dict:
    """Return the settings of a study with all defaults, as plain values."""
    return studies.read(given, name).model_dump()


def _whole(path: Path) -> dict:
    """Return a study; one that is laid over another, with it."""
    if path.stem not in OVERLAYS:
        return _read(path)
    whole = _read(REPOSITORY / "config" / f"{OVERLAYS[path.stem]}.yaml")
    update_config(whole, _read(path))
    return whole


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_shipped_studies_are_complete(path):
    complete(_whole(path), path.name)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_completing_twice_changes_nothing(path):
    once = complete(_whole(path), path.name)
    assert complete(once, path.name) == once


def test_the_schema_is_that_of_the_models():
    committed = (REPOSITORY / "config.schema.yaml").read_text(encoding="utf-8")
    assert committed == schema.text(), "make it anew: hanas schema > config.schema.yaml"


@pytest.mark.parametrize("path", [path for path in STUDIES if path.stem not in OVERLAYS], ids=str)
def test_the_schema_knows_shipped_studies(path):
    jsonschema.Draft202012Validator(SCHEMA).validate(_read(path))


def test_the_schema_marks_no_names_of_own_spaces():
    stage = {"channels": [8, 16], "layers": 2}
    declared = {"kind": "layerwise", "stem": 8, "last": 8, "stages": [stage]}
    study = {
        **_read(REPOSITORY / "config" / "tiny.yaml"),
        "spaces": {"mine": {**declared, "operations": ["mb3_3x3", "identity"]}},
        "devices": {"here": {"kind": "host", "networks": {"mine": {"width": 0.5}}}},
        "proxies": {"params": {"kind": "params", "space": "mine"}},
        "tasks": {"toy": {"dataset": "toy", "space": "mine", "proxies": ["params"]}},
    }
    marked = jsonschema.Draft202012Validator(SCHEMA).iter_errors
    assert [*marked(study)] == []
    study["devices"]["here"]["networks"] = {"mine": 0.5, "shuffle": {"with": 0.5}}
    assert [*marked(study)]


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_editors_find_the_schema(path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (path.resolve().parent / named).resolve() == REPOSITORY / "config.schema.yaml"


def _definition(node: dict) -> dict:
    return SCHEMA["$defs"].get(node.get("$ref", "").removeprefix("#/$defs/"), {})


def _undescribed(node, path=()) -> list[str]:
    if not isinstance(node, dict):
        return []
    here = [
        ".".join((*path, key))
        for key, value in node.get("properties", {}).items()
        if "description" not in {**_definition(value), **value}
        and key not in ("kind", "trainer", "searcher")
    ]
    inner = [
        (key, value)
        for part in ("properties", "$defs")
        for key, value in node.get(part, {}).items()
    ]
    return here + [each for key, value in inner for each in _undescribed(value, (*path, key))]


def test_every_key_has_a_description():
    assert _undescribed(SCHEMA) == []


def test_the_settings_given_are_not_changed():
    given = _read(REPOSITORY / "config.yaml")
    before = copy.deepcopy(given)
    complete(given, "config.yaml")
    assert given == before


def test_defaults_of_supernets_are_the_thesis():
    given = _read(REPOSITORY / "config.yaml")
    given["supernets"]["gdas_c10"] = {"dataset": "cifar10", "trainer": "gdas"}
    supernet = complete(given, "config.yaml")["supernets"]["gdas_c10"]
    assert supernet["network"] == {
        "skeleton": "standard",
        "channels": 16,
        "cells": 5,
        "batch_norm": "batch",
    }
    training = supernet["training"]
    assert (training["batch_size"], training["epochs"]) == (64, 200)
    assert (training["learning_rate"], training["final_learning_rate"]) == (0.025, 0)
    assert (training["momentum"], training["nesterov"]) == (0.9, True)
    assert (training["weight_decay"], training["gradient_clip"]) == (5e-4, 5)
    assert (training["flip"], training["crop_padding"]) == (0.5, 4)
    architecture = supernet["architecture"]
    assert (architecture["learning_rate"], architecture["weight_decay"]) == (3e-4, 1e-3)
    assert (architecture["betas"], architecture["tau"]) == ([0.5, 0.999], [10, 0.1])


@pytest.mark.parametrize("searcher", ["nsga2", "wsea", "cea"])
def test_defaults_of_searches_are_the_thesis(searcher):
    given = _read(REPOSITORY / "config.yaml")
    given["searches"][searcher] = {"searcher": searcher}
    search = complete(given, "config.yaml")["searches"][searcher]
    assert (search["generations"], search["population"], search["parents"]) == (20, 50, 10)
    assert (search["crossover"], search["mutation"], search["random"]) == (20, 25, 5)
    assert search["mutation_probability"] == 0.1
    if searcher != "nsga2":
        assert search["samples"] == 1000
    if searcher == "cea":
        assert search["percentile"] == 60


PLUGINS = [(group, name) for group in plugins.GROUPS for name in plugins.names(group)]


@pytest.mark.parametrize(("group", "name"), PLUGINS)
def test_every_plugin_describes_its_settings(group, name):
    if group == "spaces":
        fields = {
            **plugins.space(name).network.model_fields,
            **plugins.space(name).deployed.model_fields,
        }
    else:
        fields = plugins.plugin(group, name).model_fields
        assert plugins.plugin(group, name).__doc__
    missing = [key for key, field in fields.items() if not field.description]
    assert set(missing) <= {"kind", "trainer", "searcher"}


def test_all_problems_are_named_at_once():
    given = _read(REPOSITORY / "config.yaml")
    given["supernets"]["gdas_c10"]["dataset"] = "a"
    given["supernets"]["darts_c10"]["dataset"] = "b"
    with pytest.raises(InputError) as error:
        complete(given, "mine.yaml")
    lines = str(error.value).splitlines()
    assert len(lines) == 2
    assert all(line.startswith("mine.yaml: supernets.") for line in lines)


@pytest.mark.parametrize(
    ("text", "hint"), [("1e-3", "0.001"), ("2E-7", "2.0e-07"), ("1e5", "100000.0")]
)
def test_numbers_that_yaml_reads_as_text(text, hint):
    given = _read(REPOSITORY / "config.yaml")
    given["supernets"]["gdas_c10"]["training"]["weight_decay"] = text
    with pytest.raises(InputError, match=f"YAML reads {text} as text; write {hint}"):
        complete(given, "config.yaml")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite(value):
    given = _read(REPOSITORY / "config.yaml")
    given["supernets"]["gdas_c10"]["training"]["weight_decay"] = value
    with pytest.raises(InputError, match="finite"):
        complete(given, "config.yaml")


def test_data_files_are_all_found():
    given = studies.read(_read(REPOSITORY / "config" / "thesis.yaml"), "thesis")
    named = dict(studies.user_files(given))
    assert named["devices.edgegpu.file"] == "HW-NAS-Bench-v1_0.pickle"
    assert named["benchmarks.nb201.cifar10.folder"] == "NATS-tss-v1_0-3ffb9-simple"
    assert len(named) == 9


def _problems(edit) -> str:
    given = _read(REPOSITORY / "config" / "tiny.yaml")
    edit(given)
    with pytest.raises(InputError) as error:
        complete(given, "mine.yaml")
    return str(error.value)


def test_names_of_the_evaluation_are_checked():
    said = _problems(lambda given: given.update(evaluation={"proxies": ["prams"]}))
    assert "evaluation.proxies.0 is 'prams'; expected one of: gdas_toy, params" in said
    said = _problems(lambda given: given.update(evaluation={"searches": ["randm"]}))
    assert "evaluation.searches.0 is 'randm'; expected one of: nsga2, random" in said
    said = _problems(lambda given: given.update(evaluation={"search": ["random"]}))
    assert "evaluation.search: no such setting; expected one of: peeling, proxies, searches" in said


@pytest.mark.parametrize("floor", [-1, 101, "50 %"])
def test_accuracy_floors_are_percentages(floor):
    said = _problems(lambda given: given["tasks"]["toy"].update(accuracy_floor_percent=floor))
    assert "tasks.toy.accuracy_floor_percent" in said


def test_nothing_more_is_evaluated_unless_asked_for():
    completed = complete(_read(REPOSITORY / "config" / "tiny.yaml"), "tiny")
    peeling = {"epsilon": 0.005, "patience": 2, "limit": 100}
    assert completed["evaluation"] == {"proxies": [], "searches": [], "peeling": peeling}
    assert completed["tasks"]["toy"]["accuracy_floor_percent"] == 0


def test_a_device_cannot_be_called_all():
    edit = lambda given: given["devices"].update(all=given["devices"]["edgegpu"])  # noqa: E731
    assert "devices.all: results/tables/all.csv holds all devices" in _problems(edit)


def test_the_cells_of_nats_bench_lie_in_one_folder():
    def edit(given: dict) -> None:
        of_space = given["benchmarks"]["nb201"]
        entries = {name: {"kind": "nats_bench", "folder": name} for name in ("cifar10", "cifar100")}
        given["datasets"].update({name: {"kind": name} for name in entries})
        of_space.update(entries)

    said = _problems(edit)
    assert "benchmarks.nb201.cifar10.folder is 'cifar10'" in said
    assert "expected one folder" in said


def test_what_is_counted_has_a_size_in_layerwise_spaces_only():
    config = _read(REPOSITORY / "config" / "own.yaml")
    config["proxies"]["own"] = {
        **{"kind": "flops", "space": "mobile_i", "network": {"width": 0.5}},
    }
    config["tasks"]["mine"]["proxies"] = ["own"]
    completed = complete(config, "own.yaml")
    assert completed["proxies"]["own"]["network"] == {"width": 0.5, "resolution": 32}
    config["proxies"]["cells"] = {"kind": "params", "network": {"width": 0.5}}
    with pytest.raises(InputError, match=r"proxies\.cells\.network: cells are counted"):
        complete(config, "own.yaml")


def test_snapshots_that_cannot_be():
    def edit(given: dict) -> None:
        given["supernets"]["gdas_toy"]["snapshots"] = 3  # of two epochs

    said = _problems(edit)
    assert "supernets.gdas_toy.snapshots is 3: 2 epochs have at most 2" in said


def test_what_is_combined_on_demand_has_to_score_on_demand():
    config = _read(REPOSITORY / "config" / "rk3588.yaml")
    config["proxies"]["mobile_i"]["objective"] = "centred_cross_entropy"
    config["proxies"] |= {
        "depth": {"kind": "depth", "space": "mobile_i"},
        "both": {"kind": "fused", "proxies": ["mobile_i", "depth"]},
    }
    config["tasks"]["mobile_i"]["proxies"].append("both")
    assert complete(config, "rk3588.yaml")
    config["proxies"]["depth"] = {"kind": "naswot", "space": "mobile_i"}
    with pytest.raises(InputError, match=r"'depth' scores listed architectures only; expected one"):
        complete(config, "rk3588.yaml")


def test_a_listed_space_of_layers_is_none_of_cells():
    config = _read(REPOSITORY / "config" / "nas_bench_macro.yaml")
    assert complete(config, "macro")
    config["proxies"]["flops"]["network"] = {"width": 0.25}
    config["retrainings"] = {"known": {"task": "cifar10", "published": ["mobilenet_v2"]}}
    assert complete(config, "macro")
    config["supernets"]["spos"]["sampled_cells"] = "distinct"
    with pytest.raises(InputError, match=r"sampled_cells is .distinct.*has no cells"):
        complete(config, "macro")
    del config["supernets"]["spos"]["sampled_cells"]
    config["surrogates"] = {"nas_bench_macro": {}}
    with pytest.raises(InputError, match=r"surrogates\.nas_bench_macro: a layer-wise space"):
        complete(config, "macro")


def test_a_cell_without_a_path_cannot_be_retrained():
    def edit(given: dict) -> None:
        given["retrainings"]["edgegpu_toy"] = {"task": "toy", "archs": [dead, alive]}

    dead, alive = (nb201.to_text([gene] * 6) for gene in (0, 3))
    said = _problems(edit)
    assert f"retrainings.edgegpu_toy.archs: {dead}: no path leads from its input" in said
    assert alive not in said


@pytest.mark.parametrize("key", ["images", "batch_size"])
def test_the_logits_of_one_image_cannot_be_centred(key):
    config = _read(REPOSITORY / "config" / "ranking.yaml")
    config["proxies"]["gdas_0"][key] = 1
    with pytest.raises(InputError, match=r"proxies\.gdas_0\.objective .* one image less"):
        complete(config, "ranking.yaml")


def _own(name: str, **changes):
    """Return the problems of config/own.yaml with changes of an entry of retrainings."""
    config = _read(REPOSITORY / "config" / "own.yaml")
    config["retrainings"][name].update(changes)
    with pytest.raises(InputError) as error:
        complete(config, "own.yaml")
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        (
            "published",
            {"training": {"epochs": 7}},
            r"own\.beside: retrainings\.published\.training",
        ),
        ("published", {"images": "train"}, r"own\.beside: retrainings\.published\.images is train"),
        ("published", {"quantisation": {"method": "percentile"}}, r"published\.quantisation"),
        ("published", {"network": {"width": 0.5}}, r"first_scale.* only width may differ"),
        ("published", {"measure_on": []}, r"own\.beside: .* set measure_on: \[board\]"),
        ("published", {"random": 2}, r"published\.random: such members stand beside the picks"),
        (
            "published",
            {"beside": "published"},
            r"published\.beside: .* has published networks itself",
        ),
        ("published", {"published": ["resnet@0.5"]}, r"published\.published\.0 is 'resnet@0\.5'"),
        ("published", {"published": ["mobilenet_v2@0.50"]}, r"write mobilenet_v2@0\.5"),
        ("published", {"published": ["mobilenet_v2@9"]}, r"'9' is no width"),
        ("own", {"beside": "own"}, r"own\.beside: retrainings\.own has no published networks"),
        ("own", {"beside": "nothing"}, r"own\.beside is 'nothing'; expected one of: own, publish"),
        ("own", {"peeling": {}, "images": "train"}, r"own\.peeling: each is trained once"),
        ("own", {"seeds": 0}, r"own\.seeds is 0"),
        ("own", {"random": -1}, r"own\.random is -1"),
    ],
)
def test_what_cannot_be_compared(name, changes, expected):
    assert re.search(expected, _own(name, **changes))


def test_a_width_may_differ_from_that_of_published_networks():
    config = _read(REPOSITORY / "config" / "own.yaml")
    config["retrainings"]["published"]["network"] = {"width": 0.25, "first_scale": 0.1}
    assert complete(config, "own.yaml")


def _gdas(**changes):
    return lambda given: given["supernets"]["gdas_toy"].update(architecture={}, **changes)


def _retraining(**changes):
    return lambda given: given["retrainings"]["edgegpu_toy"]["training"].update(changes)


_HALVES = {"none": 0.5, "nor_conv_3x3": 0.5}
_TOO_MUCH = dict.fromkeys(OPERATIONS, 0.5)
_GDAS = "supernets.gdas_toy"
#: What only a job would find out otherwise, or nobody.
_REFUSED = {
    "cells that gdas does not draw from": (
        _gdas(sampled_cells="connected"),
        f"{_GDAS}.sampled_cells is 'connected', which trainer 'gdas' does not use; leave it out, "
        "or take one of: rsps, sandwich, spos",
    ),
    "cells that fairness does not draw from": (
        _gdas(trainer="fairness", sampled_cells="connected"),
        f"{_GDAS}.sampled_cells is 'connected', which trainer 'fairness' does not use",
    ),
    "probabilities of some operations": (
        _gdas(training={"operation_probabilities": _HALVES}),
        f"{_GDAS}.training.operation_probabilities names none, nor_conv_3x3; expected none, skip",
    ),
    "probabilities that add up to more": (
        _gdas(training={"operation_probabilities": _TOO_MUCH}),
        f"{_GDAS}.training.operation_probabilities add up to 2.5; expected 1",
    ),
    "a beta of 1": (
        lambda given: given["supernets"]["gdas_toy"].update(architecture={"betas": [0.5, 1.0]}),
        f"{_GDAS}.architecture.betas.1 is 1; expected less than 1",
    ),
    "a setting of another trainer": (
        lambda given: given["supernets"]["gdas_toy"].update(architecture={"order": 2}),
        f"{_GDAS}.architecture.order is 2, which trainer 'gdas' does not use; leave it out, or "
        "take one of: darts",
    ),
    "a rate that a supernet does not reach": (
        _gdas(training={"schedule": "constant", "final_learning_rate": 0.01}),
        f"{_GDAS}.training.final_learning_rate is 0.01, which schedule constant does not use",
    ),
    "a rate that a pick does not reach": (
        _retraining(schedule="constant", final_learning_rate=0.01),
        "retrainings.edgegpu_toy.training.final_learning_rate is 0.01, which schedule constant",
    ),
    "probabilities of a pick": (
        _retraining(operation_probabilities={"nonsense": 0.3}),
        "retrainings.edgegpu_toy.training.operation_probabilities: no such setting",
    ),
    "fewer images than batches": (
        lambda given: given["proxies"].update(new={"kind": "naswot", "images": 4, "batches": 8}),
        "proxies.new.images is 4; expected at least batches, 8",
    ),
    "a trainer of cells": (
        lambda given: given["supernets"].update(
            new={"dataset": "toy", "trainer": "gdas", "space": "mobile_i"}
        ),
        "supernets.new.trainer is 'gdas', which trains cells, but 'mobile_i' is a layer-wise space",
    ),
}


@pytest.mark.parametrize("name", _REFUSED)
def test_what_a_job_would_refuse_or_not_look_at_is_refused_before(name):
    edit, expected = _REFUSED[name]
    assert f"mine.yaml: {expected}" in _problems(edit)


def test_numbers_are_checked_as_jobs_get_them():
    given = _read(REPOSITORY / "config" / "tiny.yaml")
    given["supernets"]["gdas_toy"]["training"]["epochs"] = 2.0
    training = complete(given, "tiny")["supernets"]["gdas_toy"]["training"]
    assert isinstance(training["epochs"], int)


def test_settings_are_checked_without_what_only_jobs_need():
    code = (
        "import sys, yaml\n"
        "from hanas.study import checks\n"
        "checks.read(yaml.safe_load(open(sys.argv[1])), 'c')\n"
        "assert not {'pandas', 'torch', 'scipy', 'onnx'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-c", code, str(REPOSITORY / "config.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
