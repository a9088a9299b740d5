"""NAS-Bench-Macro: the space against the benchmark's own counts, and the benchmark's files."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from counting import counted
from hypothesis import given, settings
from hypothesis import strategies as st

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.proxies._proxy import Inputs, Work

SPACE = plugins.space("nas_bench_macro")
PARQUET = "nas_bench_macro_cifar10.parquet"
SINGLE = [f"test_accuracy_percent_{number}" for number in range(3)]


@pytest.fixture(scope="module")
def official(data_folder) -> pd.DataFrame:
    return pd.read_parquet(data_folder / PARQUET)


@pytest.fixture(scope="module")
def as_json(official) -> dict:
    """The official form: architectures with three accuracies, their mean, and what was counted."""
    names = {"mean_test_accuracy_percent": "mean_acc", "std": "std"}
    rest = official[[*names, "params", "flops"]].rename(columns=names).to_dict("records")
    singles = official[SINGLE].to_numpy().tolist()
    return {
        arch: {"test_acc": three, **of_arch}
        for arch, three, of_arch in zip(official["arch"], singles, rest, strict=True)
    }


def read(folder, file, *, space=SPACE, dataset="cifar10") -> pd.DataFrame:
    given = {"kind": "nas_bench_macro", "file": file}
    benchmark = plugins.plugin("benchmarks", "nas_bench_macro").read(given, "benchmarks.x.y")
    return benchmark.accuracies(space, dataset, folder)


# ---- the space ------------------------------------------------------------------------------


def test_counts_are_those_of_the_benchmark(official):
    genes = np.array([SPACE.from_text(arch) for arch in official["arch"]])
    assert SPACE.params(genes).tolist() == official["params"].tolist()
    assert SPACE.flops(genes).tolist() == official["flops"].tolist()


def test_it_lists_what_the_benchmark_has(official):
    assert SPACE.enumerable
    assert SPACE.layerwise
    assert set(SPACE.all_texts()) == set(official["arch"])
    assert len(SPACE.all_texts()) == len(official) == 3**8
    genes = SPACE.all_genes()
    assert SPACE.index_of(genes).tolist() == list(range(3**8))


@pytest.mark.parametrize("arch", ["00000000", "11111111", "22222222", "01221120", "20010212"])
def test_networks_are_as_large_as_the_benchmark_says(arch, official):
    with torch.device("meta"):
        alone = SPACE.build(SPACE.from_text(arch), 10, {"batch_norm": "running"})
    expected = official.set_index("arch").loc[arch, ["params", "flops"]].tolist()
    assert list(counted(alone, 32)) == expected
    # Halved by the first layer of each of three stages, whatever that layer is.
    sides = []
    for layer in alone.layers:
        (only,) = layer.values()
        only.register_forward_hook(lambda *given: sides.append(given[2].shape[-1]))
    alone(torch.empty(1, 3, 32, 32, device="meta"))
    assert sides == [16, 16, 8, 8, 8, 4, 4, 4]


@given(st.text("0123a|", max_size=9))
@settings(deadline=None)
def test_other_texts_are_refused(text):
    if len(text) == 8 and set(text) <= set("012"):
        assert SPACE.to_text(SPACE.from_text(text)) == text
        return
    with pytest.raises(InputError, match="expected 8 digits, 0 to 2, such as 11111111"):
        SPACE.from_text(text)


def test_depth_does_not_count_what_identity_projects_by(tmp_path):
    given = {"kind": "depth", "space": "nas_bench_macro"}
    proxy = plugins.plugin("proxies", "depth").read(given)
    table = proxy.score(SPACE, Inputs(), Work(tmp_path, 1, print)).set_index("arch")["score"]
    expected = {"00000000": 0, "00000001": -1, "10000000": -1, "01221120": -6, "22222222": -8}
    assert table[list(expected)].to_dict() == expected
    with pytest.raises(InputError, match="equally deep"):
        raise InputError(*proxy.problems_in(plugins.space("shuffle")))


# ---- the benchmark --------------------------------------------------------------------------


def test_json_and_parquet_agree(data_folder, official, as_json, tmp_path):
    (tmp_path / "macro.json").write_text(json.dumps(as_json))
    tables = [read(data_folder, PARQUET), read(tmp_path, "macro.json")]
    expected = official.set_index("arch")["mean_test_accuracy_percent"]
    for table in tables:
        assert tuple(table["arch"]) == SPACE.all_texts()
        accuracy = table.set_index("arch")["accuracy_percent"]
        np.testing.assert_allclose(accuracy, expected[accuracy.index], rtol=1e-6)
        assert "mean of 3 trainings of 50 epochs (not the official file" in table["source"][0]


def change_accuracies(content):
    content["01221120"]["test_acc"] = [91.0, 92.0]


def break_order(content):
    del content["22222222"]


def put_text(content):
    content["01221120"]["test_acc"] = [91.0, "92", 93.0]


def go_beyond(content):
    content["01221120"]["test_acc"] = [910.0, 920.0, 930.0]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (change_accuracies, r"macro.json: 01221120: test_acc is \[91.0, 92.0\]; expected 3 num"),
        (put_text, r"01221120: test_acc is \[91.0, '92', 93.0\]; expected 3 numbers"),
        (break_order, r"1 of 6,561 architectures are missing, the first of them 22222222"),
        (go_beyond, r"macro.json: 01221120"),
        (lambda content: content.clear(), r"6,561 of 6,561 architectures are missing"),
    ],
)
def test_damaged_files_are_refused(damage, said, as_json, tmp_path):
    content = json.loads(json.dumps(as_json))
    damage(content)
    (tmp_path / "macro.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=said):
        read(tmp_path, "macro.json")


@pytest.mark.parametrize("content", [b"", b"[1, 2", b"\xff\xfe", b"[]", b'{"00000000": 3}'])
def test_what_is_no_such_file_is_refused(content, tmp_path):
    (tmp_path / "macro.json").write_bytes(content)
    with pytest.raises(InputError, match=r"macro\.json.*nas-bench-macro_cifar10\.json there"):
        read(tmp_path, "macro.json")


def test_a_damaged_parquet_is_refused(data_folder, official, tmp_path):
    whole = (data_folder / PARQUET).read_bytes()
    (tmp_path / "half.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"half\.parquet"):
        read(tmp_path, "half.parquet")
    official.iloc[:-1].to_parquet(tmp_path / "short.parquet")
    with pytest.raises(InputError, match=r"short\.parquet.*1 .*22222222"):
        read(tmp_path, "short.parquet")


def test_it_is_of_one_space_and_data_set(data_folder):
    with pytest.raises(InputError, match="covers the space nas_bench_macro, not nb201"):
        read(data_folder, PARQUET, space=plugins.space("nb201"))
    with pytest.raises(InputError, match="has no data set 'cifar100'; it has: cifar10"):
        read(data_folder, PARQUET, dataset="cifar100")
