"""Device tables: their form whatever the kind, and what official and own files may not hold."""

import itertools
import os
import pickle
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nb201_space import AVG_POOL, CONV_1X1, CONV_3X3, nb201
from some_devices import device

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import RESOURCES
from hanas.data.tables.metric_tables import METRICS, device_table
from hanas.devices import hw_nas_bench
from hanas.devices._device import TabulatedDevice

TEXTS = nb201.all_texts()
OFFICIAL = "HW-NAS-Bench-v1_0.pickle"
PREFIXES = {"cifar10": "c10", "cifar100": "c100", "imagenet16_120": "in16"}
THESIS = RESOURCES / "thesis_tables.csv"
THESIS_DATASETS = {
    "cifar10": "cifar10",
    "cifar100": "cifar100",
    "ImageNet16-120": "imagenet16_120",
}
#: Settings of a device, for each kind; with both metrics, but for one.
SETTINGS = {
    "ideal": {"gmacs_per_second": 2},
    "hw_nas_bench": {"device": "edgegpu", "file": OFFICIAL},
    "surrogate": {"device": "edgegpu"},
    "table": {
        "datasets": {
            "cifar10": {
                "file": "hw_nas_bench_nb201.parquet",
                "columns": {
                    "index": "nb201_index",
                    "latency_ms": "c10_edgegpu_latency_ms",
                    "energy_mj": "c10_edgegpu_energy_mJ",
                },
            }
        }
    },
}


TABULATED = [
    kind
    for kind in plugins.names("devices")
    if issubclass(plugins.plugin("devices", kind), TabulatedDevice)
]


def tabulated(kind, root, settings, dataset="cifar10", space=nb201):
    return device(kind, **settings).table(space, dataset, root)


@pytest.fixture(scope="module", autouse=True)
def _official_file_is_read_once():
    read = hw_nas_bench.load_plain

    @cache
    def content(path: str) -> object:
        with Path(path).open("rb") as handle:
            return read(handle, name=path)

    def once(handle, name):
        of_release = Path(name).parent == Path(os.environ.get("HANAS_DATA", "none"))
        return content(name) if of_release else read(handle, name=name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hw_nas_bench, "load_plain", once)
        yield


@cache
def official(root, name, dataset="cifar10"):
    return tabulated("hw_nas_bench", root, {"device": name, "file": OFFICIAL}, dataset)


@pytest.mark.parametrize("kind", TABULATED)
def test_every_kind_gives_the_same_form(data_folder, kind):
    found = tabulated(kind, data_folder, SETTINGS[kind])
    metrics = METRICS[: 1 if kind == "ideal" else None]
    assert list(found) == ["arch", "feasible", *metrics, "source"]
    assert tuple(found["arch"]) == TEXTS
    assert found["feasible"].dtype == bool
    for metric in metrics:
        assert found[metric].dtype == np.float64
        np.testing.assert_array_equal(np.isnan(found[metric]), ~found["feasible"])
        assert (found.loc[found["feasible"], metric] > 0).all()
    assert found["source"].str.len().gt(0).all()


# ---- multiply-accumulates ----------------------------------------------------------------------


def test_an_ideal_device_takes_its_time_for_what_the_benchmark_counts(data_folder):
    space = plugins.space("nas_bench_macro")
    counts = pd.read_parquet(data_folder / "nas_bench_macro_cifar10.parquet").set_index("arch")
    found = tabulated("ideal", data_folder, {"gmacs_per_second": 0.5}, space=space)
    expected = counts.loc[found["arch"], "flops"].to_numpy() / 0.5e9 * 1e3
    np.testing.assert_allclose(found["latency_ms"], expected)
    assert found["feasible"].all()
    assert found["source"][0] == (
        "computed, not measured: multiply-accumulates at 0.5 thousand millions a second, width 1, "
        "32x32 pixels"
    )
    small = {"network": {"width": 0.25, "resolution": 16}}
    found = tabulated("ideal", data_folder, small, space=space)
    expected = space.flops(space.all_genes(), network=small["network"]) / 1e6
    np.testing.assert_allclose(found["latency_ms"], expected)
    with pytest.raises(InputError, match="nb201 is a space of cells; leave it out"):
        tabulated("ideal", data_folder, small)


# ---- HW-NAS-Bench ------------------------------------------------------------------------------


def test_the_official_file_gives_the_values_of_the_table(data_folder):
    raw = pd.read_parquet(data_folder / "hw_nas_bench_nb201.parquet")
    assert tuple(raw["arch_str"]) == TEXTS
    for name, dataset in itertools.product(hw_nas_bench.DEVICES, PREFIXES):
        found = official(data_folder, name, dataset)
        for metric in METRICS:
            column = f"{PREFIXES[dataset]}_{name}_{metric.replace('mj', 'mJ')}"
            assert (metric in found) == (column in raw)
            if metric in found:
                np.testing.assert_array_equal(found[metric], raw[column].replace(-1.0, np.nan))


@pytest.mark.parametrize("dataset", PREFIXES)
def test_what_is_known_of_the_devices(data_folder, dataset):
    def of(name):
        return official(data_folder, name, dataset)

    assert (~of("edgetpu")["feasible"]).sum() == 4699
    fpga = of("fpga")
    np.testing.assert_allclose(fpga["energy_mj"], 7 * fpga["latency_ms"], rtol=1e-12)
    # Exactly linear in the counts of 1x1, 3x3 and pooling edges.
    genes = nb201.all_genes()
    counts = [(genes == op).sum(axis=1) for op in (CONV_1X1, CONV_3X3, AVG_POOL)]
    design = np.column_stack([np.ones(len(genes)), *counts])
    eyeriss = of("eyeriss")
    linear = [eyeriss["latency_ms"], eyeriss["energy_mj"]]
    if dataset != "imagenet16_120":
        linear.append(fpga["latency_ms"])
    for values in linear:
        weights = np.linalg.lstsq(design, values, rcond=None)[0]
        np.testing.assert_allclose(design @ weights, values, rtol=1e-6)


def _as_printed(value: float, printed: float) -> bool:
    """Whether three printed digits are a value's: the thesis rounds some and cuts off others."""
    return f"{printed:.3f}" in (f"{value:.3f}", f"{np.floor(value * 1000) / 1000:.3f}")


def thesis_rows() -> list:
    rows = pd.read_csv(THESIS, dtype={"note": str}).fillna({"note": ""})
    return list(rows[rows["nb201_index"].notna() & (rows["note"] == "")].itertuples())


def test_metrics_are_those_that_the_thesis_prints(data_folder):
    for row in thesis_rows():
        table = official(data_folder, row.device, THESIS_DATASETS[row.dataset])
        found = table.iloc[int(row.nb201_index)]
        assert _as_printed(found["latency_ms"], row.latency_ms), row
        assert ("energy_mj" in found) == (not np.isnan(row.energy_mj)), row
        if "energy_mj" in found:
            assert _as_printed(found["energy_mj"], row.energy_mj), row


def test_the_thesis_table_is_whole():
    rows = pd.read_csv(THESIS)
    assert rows.groupby("device").size().to_dict() == dict.fromkeys(
        ["edgegpu", "eyeriss", "fpga", "raspi4"], 18
    )
    assert len(thesis_rows()) == 33  # 36 rows of baselines less 3 slips of the thesis


def test_the_source_names_version_and_checksum(data_folder):
    settings = {"device": "raspi4", "file": OFFICIAL}
    source = official(data_folder, "raspi4")["source"][0]
    assert source.startswith("benchmark: HW-NAS-Bench v1.0 (sha256 f8fd4fc15d64")
    borrowed = tabulated("hw_nas_bench", data_folder, {**settings, "dataset": "cifar10"}, "pets")
    assert "of cifar10 for pets" in borrowed["source"][0]


def official_content(**changed) -> dict:
    """A file of the official layout with made-up numbers."""
    rng = np.random.default_rng(0)
    keys = [key for metrics in hw_nas_bench.DEVICES.values() for key in metrics.values()]
    cells = {key: rng.uniform(1, 10, len(TEXTS)).tolist() for key in keys}
    cells["config"] = [{"arch_str": text} for text in TEXTS]
    return {"nasbench201": {"cifar10": {**cells, **changed}}}


def refusal(tmp_path, content, name="edgegpu", dataset="cifar10") -> str:
    if not isinstance(content, bytes):
        content = pickle.dumps(content)
    (tmp_path / "hw.pickle").write_bytes(content)
    with pytest.raises(InputError) as caught:
        tabulated("hw_nas_bench", tmp_path, {"device": name, "file": "hw.pickle"}, dataset)
    return str(caught.value)


def with_value(number: int, value: object, key: str = "edgegpu_latency") -> dict:
    content = official_content()
    content["nasbench201"]["cifar10"][key][number] = value
    return content


def test_a_made_up_file_is_read(tmp_path):
    content = official_content(config=None)
    del content["nasbench201"]["cifar10"]["config"]  # then the order is the official one
    content["nasbench201"]["cifar10"]["fpga_latency"] = np.arange(1, 15626)
    (tmp_path / "hw.pickle").write_bytes(pickle.dumps(content))
    found = tabulated("hw_nas_bench", tmp_path, {"device": "fpga", "file": "hw.pickle"})
    np.testing.assert_array_equal(found["latency_ms"], np.arange(1.0, 15626))
    assert found["feasible"].all()


@pytest.mark.parametrize("value", [0.0, -3.5, -1.0, np.nan, np.inf, "fast", None, True, 1j, [1.0]])
def test_impossible_values_are_named_by_cell_and_metric(tmp_path, value):
    message = refusal(tmp_path, with_value(17, value))
    for part in ("hw.pickle", "edgegpu_latency", "index 17", TEXTS[17]):
        assert part in message


def test_only_the_edge_tpu_may_be_infeasible(tmp_path):
    content = with_value(17, -1.0, "edgetpu_latency")
    (tmp_path / "hw.pickle").write_bytes(pickle.dumps(content))
    found = tabulated("hw_nas_bench", tmp_path, {"device": "edgetpu", "file": "hw.pickle"})
    assert np.flatnonzero(~found["feasible"]).tolist() == [17]
    assert np.isnan(found["latency_ms"][17])
    message = refusal(tmp_path, with_value(17, -2.0, "edgetpu_latency"), name="edgetpu")
    assert "is -2.0" in message


def _swapped() -> list:
    configs = [{"arch_str": text} for text in TEXTS]
    configs[3], configs[4] = configs[4], configs[3]
    return configs


LAYOUTS = {
    "index 3": lambda: official_content(config=_swapped()),
    "no arch_str": lambda: official_content(config=[{}] * 15_625),
    "config is no list of 15,625": lambda: official_content(config=[]),
    "15,624 values; expected 15,625": lambda: official_content(edgegpu_latency=[1.0] * 15_624),
    "edgegpu_latency is no list": lambda: official_content(edgegpu_latency=1.0),
    "index 0": lambda: official_content(edgegpu_latency=np.ones((15_625, 1))),
    "no 'edgegpu_latency'": lambda: {"nasbench201": {"cifar10": {"raspi4_latency": []}}},
    "cifar10 has no": lambda: {"nasbench201": {"cifar10": [1]}},
    "has no 'cifar10'": lambda: {"nasbench201": {}},
    "has no 'nasbench201'": lambda: {"fbnet": {}},
    "no 'nasbench201'": lambda: [1, 2],
    "damaged": lambda: b"",
    "get the file again": lambda: pickle.dumps(official_content())[:-1000],
}


@pytest.mark.parametrize("said", LAYOUTS)
def test_files_of_another_layout(tmp_path, said):
    message = refusal(tmp_path, LAYOUTS[said]())
    assert "hw.pickle" in message
    assert said in message


class _Makes:
    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return (os.mkdir, (str(self.folder),))


def test_a_file_that_would_run_code(tmp_path):
    target = tmp_path / "was run"
    message = refusal(tmp_path, official_content(config=_Makes(target)))
    assert "hw.pickle: refused" in message
    assert "mkdir" in message
    assert not target.exists()


def test_names_that_the_benchmark_does_not_have(tmp_path):
    assert "no device 'tx2'; it has: edgegpu" in refusal(tmp_path, b"", name="tx2")
    assert "no data set 'pets'; it has: cifar10" in refusal(tmp_path, b"", dataset="pets")
    settings = {"device": "fpga", "file": "gone.pickle"}
    with pytest.raises(InputError, match=r"gone\.pickle: not readable"):
        tabulated("hw_nas_bench", tmp_path, settings)
    with pytest.raises(InputError, match="covers the space nb201, not shuffle"):
        tabulated("hw_nas_bench", tmp_path, settings, space=plugins.space("shuffle"))


# ---- the user's table --------------------------------------------------------------------------


class Some(type(nb201)):
    """The first cells of the space."""

    def __init__(self, first: int) -> None:
        vars(self).update(vars(nb201))
        self.first = first

    def all_texts(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return TEXTS[: self.first]

    def all_genes(self):
        return nb201.all_genes()[: self.first]


def own_table(folder, latencies, energies=None, **settings):
    columns = {"arch": "arch", "latency_ms": "ms"}
    frame = pd.DataFrame({"arch": TEXTS[: len(latencies)], "ms": latencies})
    if energies is not None:
        frame["mJ"], columns["energy_mj"] = energies, "mJ"
    frame.to_csv(folder / "mine.csv", index=False)
    settings = {"datasets": {"pets": {"file": "mine.csv", "columns": columns, **settings}}}
    return tabulated("table", folder, settings, "pets", Some(len(latencies)))


def test_an_own_table_has_the_metrics_that_it_names(tmp_path):
    found = own_table(tmp_path, [1.5, 2.5], source="my board")
    assert list(found) == ["arch", "feasible", "latency_ms", "source"]
    assert found["source"][0].startswith("my board (sha256 ")
    assert own_table(tmp_path, [1.5, 2.5], [3, 4])["energy_mj"].tolist() == [3.0, 4.0]


def test_columns_of_another_data_set(data_folder):
    columns = {"arch": "arch_str", "latency_ms": "in16_edgetpu_latency_ms"}
    of_dataset = {"file": "hw_nas_bench_nb201.parquet", "columns": columns, "infeasible": -1}
    settings = {"datasets": {"imagenet16_120": of_dataset}}
    found = tabulated("table", data_folder, settings, "imagenet16_120")
    expected = official(data_folder, "edgetpu", "imagenet16_120")
    pd.testing.assert_frame_equal(found.drop(columns="source"), expected.drop(columns="source"))


def test_a_data_set_that_the_settings_lack(tmp_path):
    of_dataset = {"file": "mine.csv", "columns": {"arch": "a", "latency_ms": "b"}}
    with pytest.raises(InputError, match="have no 'cifar10'; they have: pets"):
        tabulated("table", tmp_path, {"datasets": {"pets": of_dataset}})


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "0", "-3.5", "-1"])
@pytest.mark.parametrize("column", ["ms", "mJ"])
def test_impossible_values_are_named_by_line_and_column(tmp_path, value, column):
    columns = {"ms": ["1"] * 6, "mJ": ["1"] * 6}
    columns[column][4] = value
    with pytest.raises(InputError) as caught:
        own_table(tmp_path, columns["ms"], columns["mJ"])
    for part in ("mine.csv, line 6", repr(column), TEXTS[4], "expected a finite number above 0"):
        assert part in str(caught.value)
    assert ("infeasible: -1" in str(caught.value)) == (value == "-1")


def test_the_marker_of_infeasible_rows_never_is_a_number(tmp_path):
    found = own_table(tmp_path, [1, -1, 2], [3, -1, 4], infeasible=-1)
    assert found["feasible"].tolist() == [True, False, True]
    for metric in METRICS:
        assert np.isnan(found[metric]).tolist() == [False, True, False]


def test_a_row_that_is_infeasible_by_one_metric_only(tmp_path):
    with pytest.raises(InputError, match=r"line 3, column 'mJ'.* but latency_ms is 2\.0"):
        own_table(tmp_path, [1, 2, 3], [3, -1, 4], infeasible=-1)
    with pytest.raises(InputError, match=r"line 3, column 'ms'.* but energy_mj is 2\.0"):
        own_table(tmp_path, [1, -1, 3], [3, 2, 4], infeasible=-1)


def test_a_device_that_runs_nothing(tmp_path):
    with pytest.raises(InputError, match="all architectures are marked"):
        own_table(tmp_path, [-1, -1], infeasible=-1)


# ---- the form ----------------------------------------------------------------------------------


@given(
    st.lists(
        st.floats() | st.floats(0.1, 10) | st.sampled_from([-1.0, 0.0]), min_size=1, max_size=8
    ),
    st.sampled_from([None, -1.0, 0.0]),
)
def test_a_table_holds_positive_numbers_or_nothing(latencies, marker):
    arguments = {
        "archs": [str(number) for number in range(len(latencies))],
        "metrics": {"latency_ms": np.array(latencies)},
        "source": "made up",
        "place": lambda number, metric: f"row {number}, {metric}",
        "infeasible": marker,
    }
    possible = [1e-9 <= value <= 1e12 for value in latencies]
    marked = [value == marker for value in latencies]
    bad = [n for n in range(len(latencies)) if not (possible[n] or marked[n])]
    if bad or all(marked):
        with pytest.raises(InputError, match=f"row {bad[0] if bad else 0}, latency_ms"):
            device_table(**arguments)
        return
    found = device_table(**arguments)
    assert found["feasible"].tolist() == [not mark for mark in marked]
    kept = found.loc[found["feasible"], "latency_ms"].tolist()
    assert kept == [value for value, mark in zip(latencies, marked, strict=True) if not mark]
    assert found["latency_ms"].isna().tolist() == marked


def test_metrics_without_a_name():
    for metrics in ({}, {"latency": np.ones(1)}):
        with pytest.raises(InputError, match="expected some of: latency_ms, energy_mj"):
            device_table(["a"], metrics, source="", place=lambda *_: "")


@pytest.mark.parametrize("value", [5e-324, 1e-10, 1e13, 1e308])
def test_numbers_that_no_device_has_are_refused(value):
    with pytest.raises(InputError, match=r"row 1: latency_ms is .* from 1e-09 to 1e\+12"):
        device_table(
            ["a", "b"],
            {"latency_ms": np.array([1.0, value])},
            source="s",
            place=lambda number, metric: f"row {number}",
        )
