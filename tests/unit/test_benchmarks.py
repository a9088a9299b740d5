"""Accuracy tables: their form whatever the kind, and what official and own files may not hold."""

import bz2
import os
import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats_bench import create as create_api
from nb201_space import nb201

from hanas.benchmarks import nats_bench
from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import RESOURCES, write_parquet
from hanas.data.tables.metric_tables import accuracy_table

TEXTS = nb201.all_texts()
NATS = "NATS-tss-v1_0-3ffb9-simple"
SHIPPED = (0, 11, 284)  # cells of the benchmark that the data folder holds
CELLS = tuple(TEXTS[index] for index in SHIPPED)
PREFIXES = {"cifar10": "c10", "cifar100": "c100", "ImageNet16-120": "in16"}
THESIS = RESOURCES / "thesis_tables.csv"
COSTS = "nb201_accuracy_cost.parquet"
#: Settings of each kind.
SETTINGS = {
    "nats_bench": {"folder": NATS, "epochs": "200"},
    "surrogate": {},
    "nas_bench_macro": {"file": "nas_bench_macro_cifar10.parquet"},
    "table": {
        "file": COSTS,
        "columns": {"arch": "arch_str", "accuracy_percent": "v11_c10_test_acc_200ep"},
    },
}


def read(kind, root, settings, dataset="cifar10", archs=TEXTS, **cells):
    benchmark = plugins.plugin("benchmarks", kind).read({"kind": kind, **settings})
    return benchmark.accuracies(Part(archs), dataset, root, **cells)


class Part:
    """Some of the cells of nb201 as a space."""

    name = "nb201"

    def __init__(self, archs):
        self.archs = archs

    def all_genes(self):
        return np.stack([nb201.from_text(arch) for arch in self.archs])

    def all_texts(self):
        return tuple(self.archs)


@pytest.mark.parametrize("kind", plugins.names("benchmarks"))
def test_every_kind_gives_the_same_form(data_folder, kind):
    archs = CELLS[::-1] if kind == "nats_bench" else TEXTS  # of the folder, three cells are there
    if kind == "nas_bench_macro":
        space = plugins.space(kind)
        archs = space.all_texts()
        benchmark = plugins.plugin("benchmarks", kind).read({"kind": kind, **SETTINGS[kind]})
        found = benchmark.accuracies(space, "cifar10", data_folder)
    else:
        found = read(kind, data_folder, SETTINGS[kind], archs=archs)
    assert list(found) == ["arch", "accuracy_percent", "source"]
    assert tuple(found["arch"]) == archs
    assert found["accuracy_percent"].dtype == np.float64
    assert found["accuracy_percent"].between(0, 100).all()
    assert found["source"].str.len().gt(0).all()


# ---- NATS-Bench --------------------------------------------------------------------------------


def test_official_cells_have_the_accuracies_of_the_table(data_folder):
    found = nats_bench.read_cells(data_folder / NATS, CELLS).set_index(["epochs", "dataset"])
    expected = pd.read_parquet(data_folder / COSTS).set_index("arch_str").loc[list(CELLS)]
    for dataset, prefix in PREFIXES.items():
        of_dataset = found.loc[("200", dataset)]
        assert tuple(of_dataset["arch"]) == CELLS
        np.testing.assert_array_equal(
            of_dataset["accuracy_percent"], expected[f"nats_{prefix}_test_acc_200ep"]
        )


def test_cells_that_were_kept_need_no_folder(data_folder, tmp_path):
    kept = tmp_path / "cells.parquet"
    write_parquet(nats_bench.read_cells(data_folder / NATS, CELLS), kept)
    settings = {"folder": NATS, "epochs": "12"}
    expected = read("nats_bench", data_folder, settings, "cifar100", CELLS)
    found = read("nats_bench", tmp_path, settings, "cifar100", CELLS, cells=kept)
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize("epochs", nats_bench.EPOCHS)
@pytest.mark.parametrize(
    ("dataset", "official"),
    [("cifar10", "cifar10"), ("cifar100", "cifar100"), ("imagenet16_120", "ImageNet16-120")],
)
def test_accuracies_are_those_that_the_package_gives(data_folder, dataset, official, epochs):
    api = create_api(str(data_folder / NATS), "tss", fast_mode=True, verbose=False)
    expected = [
        api.get_more_info(index, official, hp=epochs, is_random=False)["test-accuracy"]
        for index in SHIPPED
    ]
    settings = {"folder": NATS, "epochs": epochs}
    found = read("nats_bench", data_folder, settings, dataset, CELLS)
    assert found["accuracy_percent"].tolist() == expected


def test_the_source_names_epochs_and_checksum(data_folder):
    found = read("nats_bench", data_folder, {"folder": NATS}, "cifar10", CELLS)
    assert "NATS-Bench v1.0 topology, test accuracy, 200 epochs (sha256" in found["source"][0]
    settings = {"folder": NATS, "epochs": "12", "dataset": "cifar10"}
    source = read("nats_bench", data_folder, settings, "pets", CELLS)["source"][0]
    assert "of cifar10 for pets" in source
    assert "12 epochs" in source


def test_missing_cells_are_counted_and_named(data_folder):
    with pytest.raises(InputError) as caught:
        read("nats_bench", data_folder, SETTINGS["nats_bench"])
    for part in (NATS, "15,622 of 15,625 cells are missing", "000001.pickle.pbz2"):
        assert part in str(caught.value)


def test_progress_is_told_every_thousand_cells(data_folder, monkeypatch, capsys):
    monkeypatch.setattr(nats_bench, "_read_cell", lambda *_: [])
    nats_bench.read_cells(data_folder / NATS, [CELLS[0]] * 2500)
    said = capsys.readouterr().out.splitlines()
    assert said == [f"{NATS}: {count} of 2,500 cells read" for count in ("1,000", "2,000")]


def cell(
    changed: object = None, epochs: tuple = ("12", "200"), accuracy: object = 50.0, **names
) -> object:
    """What the file of cell 0 holds, with made-up numbers."""
    runs = {
        (dataset, seed): {
            "name": dataset,
            "seed": seed,
            "epochs": 1,
            "eval_acc1es": {f"{test_set}@0": accuracy},
            "eval_losses": {f"{test_set}@0": 1.0},
            "eval_times": {},
        }
        for dataset, test_set in nats_bench.TEST_SETS.items()
        for seed in (777, 888)
    }
    results = {
        "arch_index": 0,
        "arch_str": TEXTS[0],
        "all_results": runs,
        "dataset_seed": {dataset: [777, 888] for dataset in nats_bench.TEST_SETS},
        **names,
    }
    return dict.fromkeys(epochs, results) if changed is None else changed


def read_made_up(folder, content):
    if not isinstance(content, bytes):
        content = bz2.compress(pickle.dumps(content))
    (folder / "000000.pickle.pbz2").write_bytes(content)
    return read("nats_bench", folder, {"folder": "."}, archs=TEXTS[:1])


def refusal(folder, content) -> str:
    with pytest.raises(InputError) as caught:
        read_made_up(folder, content)
    assert "000000.pickle.pbz2" in str(caught.value)
    return str(caught.value)


def test_a_made_up_cell_is_read(tmp_path):
    assert read_made_up(tmp_path, cell())["accuracy_percent"].tolist() == [50.0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (cell(arch_str=TEXTS[1]), "another cell"),
        (cell(epochs=("12",)), "not of the form"),
        (cell(all_results={}), "not of the form"),
        (cell(all_results=[1]), "not of the form"),
        (cell(dataset_seed={"cifar10": []}), "not of the form"),
        (cell([1, 2]), "not of the form"),
        (cell({"12": "text", "200": "text"}), "not of the form"),
        (cell({"12": None, "200": None}), "not of the form"),
        (cell(accuracy="high"), "not of the form"),
        (cell(accuracy=None), "not of the form"),
        (cell(accuracy=float("nan")), "NaN"),
        (cell(accuracy=100.5), "is 100.5"),
        (cell(accuracy=-1.0), "is -1.0"),
        (b"", "damaged"),
        (b"BZh9 no archive", "damaged"),
        (bz2.compress(b"no pickle"), "damaged"),
        (bz2.compress(pickle.dumps(cell()))[:-20], "damaged"),
        (bz2.compress(bytes(2**24 + 1)), "larger than"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_cells_that_are_damaged(tmp_path, content, said):
    assert said in refusal(tmp_path, content)


class _Makes:
    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return (os.mkdir, (str(self.folder),))


def test_a_cell_that_would_run_code(tmp_path):
    target = tmp_path / "was run"
    message = refusal(tmp_path, cell(net_state_dict=_Makes(target)))
    assert "refused" in message
    assert "mkdir" in message
    assert not target.exists()


def test_a_cell_in_the_file_of_another(data_folder, tmp_path):
    shutil.copy(data_folder / NATS / "000011.pickle.pbz2", tmp_path / "000000.pickle.pbz2")
    with pytest.raises(InputError, match=r"000000\.pickle\.pbz2: holds another cell"):
        read("nats_bench", tmp_path, {"folder": "."}, archs=TEXTS[:1])


def test_names_that_the_benchmark_does_not_have(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        read("nats_bench", tmp_path, {"folder": "gone"})
    with pytest.raises(InputError, match="epochs is '90'; expected one of: 12, 200"):
        read("nats_bench", tmp_path, {"folder": ".", "epochs": "90"})
    with pytest.raises(InputError, match="no data set 'pets'; it has: cifar10"):
        read("nats_bench", tmp_path, {"folder": "."}, "pets")
    settings = nats_bench.NatsBench.read({"kind": "nats_bench", "folder": "."})
    with pytest.raises(InputError, match="covers the space nb201, not shuffle"):
        settings.accuracies(plugins.space("shuffle"), "cifar10", tmp_path)


# ---- the user's table --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "index", "best"),
    [
        ("nats_c10_test_acc_200ep", 6111, 94.37),
        ("nats_c100_test_acc_200ep", 9930, 73.51),
        ("nats_in16_test_acc_200ep", 857, 47.31),
    ],
)
def test_the_best_cells_are_those_that_are_published(data_folder, column, index, best):
    columns = {"index": "nb201_index", "accuracy_percent": column}
    found = read("table", data_folder, {"file": COSTS, "columns": columns})["accuracy_percent"]
    assert found.idxmax() == index
    assert round(found.max(), 2) == best


def thesis_rows() -> list:
    rows = pd.read_csv(THESIS)
    return list(rows[rows["nb201_index"].notna()].itertuples())


@pytest.mark.parametrize("dataset", PREFIXES)
def test_accuracies_are_those_that_the_thesis_prints(data_folder, dataset):
    column = f"v11_{PREFIXES[dataset]}_test_acc_200ep"
    settings = {"file": COSTS, "columns": {"arch": "arch_str", "accuracy_percent": column}}
    found = read("table", data_folder, settings)["accuracy_percent"]
    rows = [row for row in thesis_rows() if row.dataset == dataset]
    assert rows
    for row in rows:
        accuracy = found[int(row.nb201_index)]
        assert f"{accuracy:.2f}" == f"{row.accuracy_percent:.2f}", f"{row.device} {row.method}"


def own_table(folder, accuracies, **settings):
    archs = TEXTS[: len(accuracies)]
    pd.DataFrame({"cell": archs, "top 1": accuracies}).to_csv(folder / "mine.csv", index=False)
    columns = {"arch": "cell", "accuracy_percent": "top 1"}
    return read("table", folder, {"file": "mine.csv", "columns": columns, **settings}, archs=archs)


def test_the_source_is_the_users_or_the_file_and_column(tmp_path):
    source = own_table(tmp_path, [90, 91])["source"][0]
    assert source.startswith("table: mine.csv: top 1 (sha256 ")
    source = own_table(tmp_path, [90, 91], source="v1_1, 200 epochs")["source"][0]
    assert source.startswith("v1_1, 200 epochs (sha256 ")
    assert own_table(tmp_path, [90, 92], source="v1_1, 200 epochs")["source"][0] != source


@pytest.mark.parametrize("value", ["nan", "inf", "-0.1", "100.1"])
def test_impossible_values_are_named_by_line_and_column(tmp_path, value):
    with pytest.raises(InputError) as caught:
        own_table(tmp_path, ["90", "91", value, "92"])
    for part in ("mine.csv, line 4, column 'top 1'", TEXTS[2], "expected 0 to 100"):
        assert part in str(caught.value)


def test_fractions_are_no_percentages(tmp_path):
    with pytest.raises(InputError, match=r"line 3, column 'top 1'.*0\.94.*fractions.*by 100"):
        own_table(tmp_path, [0.1, 0.94, 0.5])


@given(st.lists(st.floats() | st.floats(0, 100), min_size=1, max_size=8))
def test_a_table_holds_percentages(values):
    arguments = {
        "archs": [str(number) for number in range(len(values))],
        "accuracy_percent": np.array(values),
        "source": "made up",
        "place": lambda number, name: f"row {number}, {name}",
    }
    bad = [number for number, value in enumerate(values) if not 0 <= value <= 100]
    if bad:
        with pytest.raises(InputError, match=f"row {bad[0]}, accuracy_percent"):
            accuracy_table(**arguments)
    elif max(values) <= 1:
        with pytest.raises(InputError, match="fractions"):
            accuracy_table(**arguments)
    else:
        assert accuracy_table(**arguments)["accuracy_percent"].tolist() == values
