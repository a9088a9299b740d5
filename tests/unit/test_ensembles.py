"""Proxies made of other proxies: means of their scores and of their ranks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from nb201_space import nb201

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import write_parquet
from hanas.proxies._proxy import Inputs, Work

ARCHS = list(nb201.all_texts())


def score(kind: str, folder: Path, *, weights=None, **tables: dict[str, np.ndarray]):
    """Write proxy tables; return the table of a proxy that is made of them."""
    for name, columns in tables.items():
        frame = pd.DataFrame({"arch": ARCHS, **columns, "source": f"made up for {name}"})
        write_parquet(frame, folder / f"{name}.parquet")
    objectives = {name: next(iter(columns)) for name, columns in tables.items()}
    return score_of_files(kind, folder, objectives, weights)


def score_of_files(kind: str, folder: Path, objectives: dict[str, str], weights=None):
    given = {"kind": kind, "proxies": list(objectives), **({"weights": weights} if weights else {})}
    members = [(objective, folder / f"{name}.parquet") for name, objective in objectives.items()]
    proxy = plugins.plugin("proxies", kind).read(given)
    return proxy.score(nb201, Inputs(members=tuple(members)), Work(folder, 1, pytest.fail))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_an_ensemble_is_the_mean_of_shared_columns(tmp_path, rng):
    first, second = ({k: rng.random(15_625) for k in ("error", "cross_entropy")} for _ in "ab")
    table = score("ensemble", tmp_path, a=first, b=second)
    assert list(table) == ["arch", "error", "cross_entropy", "source"]
    for column in ("error", "cross_entropy"):
        np.testing.assert_allclose(table[column], (first[column] + second[column]) / 2)
    assert table["source"][0] == "mean of 2 proxies (a, b): made up for a; made up for b"
    del first["error"]
    table = score("ensemble", tmp_path, a=first, b=second)
    assert list(table) == ["arch", "cross_entropy", "source"]
    with pytest.raises(InputError, match="a, b: their tables have no column in common"):
        score("ensemble", tmp_path, a=first, b={"score": rng.random(15_625)})


def test_fused_is_the_mean_rank(tmp_path):
    rising = np.arange(15_625.0)
    half = np.repeat([0.0, 9.0], [7_813, 7_812])  # ties share the mean of their ranks
    tables = {"a": {"error": rising**3}, "b": {"score": half}}
    table = score("fused", tmp_path, **tables)
    ranks = np.repeat([7_812 / 2, 7_813 + 7_811 / 2], [7_813, 7_812])
    np.testing.assert_allclose(table["score"], (rising + ranks) / 2 / 15_624)
    assert table["source"][0] == "mean rank of a, b"
    table = score("fused", tmp_path, weights=[1, 3], **tables)
    np.testing.assert_allclose(table["score"], (rising + 3 * ranks) / 4 / 15_624)
    assert table["source"][0] == "mean rank of a, 3 x b"


def test_equal_ranks_give_equal_scores(tmp_path, rng):
    alike = rng.integers(0, 40, 15_625)  # 40 functions
    scores = {f"p{n}": {"score": rng.random(40)[alike]} for n in range(7)}
    assert score("fused", tmp_path, **scores)["score"].nunique() == len(set(alike))


def test_the_score_does_not_depend_on_the_scale(tmp_path, rng):
    scores = rng.random((2, 15_625))
    plain = score("fused", tmp_path, a={"score": scores[0]}, b={"score": scores[1]})
    scaled = {"a": {"score": np.exp(9 * scores[0])}, "b": {"score": scores[1] - 7}}
    assert score("fused", tmp_path, **scaled)["score"].equals(plain["score"])


def test_tables_of_other_architectures_are_refused(tmp_path, rng):
    score("fused", tmp_path, **{name: {"score": rng.random(15_625)} for name in "ab"})
    frame = pd.read_parquet(tmp_path / "b.parquet")
    write_parquet(frame[::-1], tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"b.parquet: not the architectures of nb201"):
        score_of_files("fused", tmp_path, {"a": "score", "b": "score"})
    with pytest.raises(InputError, match=r"b.parquet: the proxy table has no column 'error'"):
        score_of_files("ensemble", tmp_path, {"a": "score", "b": "error"})


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        ("params", {}, "params"),
        ("supernet", {"supernet": "small"}, "error of supernet small"),
        ("ensemble", {"objective": "cross_entropy"}, "mean cross_entropy of net, other, params"),
        ("fused", {}, "mean rank of net, other, params"),
        ("fused", {"weights": [3, 0.5, 1]}, "mean rank of 3 x net, 0.5 x other, params"),
        ("learned", {"architectures": 40}, "learned from 40 architectures with net, other, params"),
    ],
)
def test_what_a_search_ranks_by_is_put_into_words(kind, settings, words):
    names = ["net", "other", "params"]
    made_of = {"proxies": names} if kind in ("ensemble", "fused", "learned") else {}
    proxy = plugins.plugin("proxies", kind).read({"kind": kind, **made_of, **settings})
    assert proxy.in_words(names if made_of else []) == words
    assert proxy.trained_architectures == (40 if kind == "learned" else 0)
    columns = {"supernet": ("error", "cross_entropy", "centred_cross_entropy")}
    of_members = [("error", "cross_entropy"), ("cross_entropy", "score")]
    columns["ensemble"] = ("cross_entropy",)
    assert proxy.columns_of(of_members if made_of else []) == columns.get(kind, ("score",))


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("fused", {"weights": [1]}, "weights: 1 given; expected one for each of the 2 proxies"),
        ("fused", {"proxies": ["a"]}, r"proxies is \['a'\]; expected at least 2 of them"),
        ("fused", {"proxies": ["a", "a"]}, "proxies.* holds 'a' twice; expected each once"),
        ("ensemble", {"objective": "errors"}, "objective is 'errors'; expected one of: error, "),
    ],
)
def test_wrong_settings_are_named(kind, settings, message):
    with pytest.raises(InputError, match=message):
        plugins.plugin("proxies", kind).read({"kind": kind, "proxies": ["a", "b"], **settings})
