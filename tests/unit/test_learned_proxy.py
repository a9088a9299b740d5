"""What a learned proxy pays for, and that it uses nothing else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from nb201_space import nb201

from hanas.benchmarks.surrogates import models as surrogates
from hanas.benchmarks.surrogates.cell_features import kinds_of_paths
from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import write_parquet
from hanas.core.gaussian_process import fit, most_telling
from hanas.core.pareto import non_dominated
from hanas.core.ranking import kendall_tau
from hanas.proxies import learned
from hanas.proxies._proxy import Inputs, Work

FUNCTIONS = nb201.index_of(nb201.without_dead_edges(nb201.all_genes()))


@pytest.fixture(scope="module")
def percent() -> np.ndarray:
    """Accuracies that look like true ones."""
    return surrogates.load().predict("cifar10/accuracy_percent", nb201.all_genes())


def table_of(kind: str) -> pd.DataFrame:
    proxy = plugins.plugin("proxies", kind).read({"kind": kind})
    return proxy.score(nb201, Inputs(), Work(Path(), 1, pytest.fail))


def write_inputs(folder: Path, percent: np.ndarray) -> Inputs:
    members = []
    for kind in ("params", "live_params"):
        write_parquet(table_of(kind), folder / f"{kind}.parquet")
        members.append(("score", folder / f"{kind}.parquet"))
    accuracies = {"arch": nb201.all_texts(), "accuracy_percent": percent, "source": "a table"}
    write_parquet(pd.DataFrame(accuracies), folder / "accuracies.parquet")
    return Inputs(
        members=tuple(members), accuracies=folder / "accuracies.parquet", dataset="cifar10"
    )


def read(**settings):
    given = {"kind": "learned", "proxies": ["params", "live_params"], **settings}
    return plugins.plugin("proxies", "learned").read(given, "proxies.learned")


def score(inputs: Inputs, log=lambda line: None, **settings) -> pd.DataFrame:
    return read(**settings).score(nb201, inputs, Work(Path(), 1, log))


@pytest.fixture(scope="module")
def given(tmp_path_factory, percent) -> Inputs:
    return write_inputs(tmp_path_factory.mktemp("learned"), percent)


@pytest.fixture(scope="module")
def told() -> list[str]:
    """The lines of the log of the table."""
    return []


@pytest.fixture(scope="module")
def table(given, told) -> pd.DataFrame:
    return score(given, told.append)


def test_it_ranks_better_than_what_it_learned_from(table, percent):
    error = 1 - percent / 100
    before = kendall_tau(table_of("live_params")["score"], error)
    assert kendall_tau(table["score"], error) > before + 0.07


def test_it_pays_for_what_it_says(table):
    assert table["looked_up"].sum() == 50
    assert len(np.unique(FUNCTIONS[table["looked_up"]])) == 50  # no function twice
    assert table["source"][0] == (
        "learned from 50 architectures trained on cifar10 (a table), 30 of them chosen before any "
        "was known (seed 0), with params, live_params"
    )


def test_nothing_but_what_was_paid_for_is_read(table, percent, tmp_path):
    others = np.flatnonzero(~table["looked_up"])
    mixed = percent.copy()
    mixed[others] = np.random.default_rng(0).permutation(percent[others])
    again = score(write_inputs(tmp_path, mixed))
    assert again["score"].equals(table["score"])


def test_lookups_are_told(table, told):
    assert len(told) == 50
    assert all(line.startswith("looked up |") and line.endswith(" %") for line in told)


@pytest.mark.slow
def test_seeds_draw_other_architectures(given):
    tables = [score(given, architectures=10, first=3, rounds=0, seed=seed) for seed in (0, 0, 1)]
    assert tables[0].equals(tables[1])
    assert (tables[0]["looked_up"] & tables[2]["looked_up"]).sum() < 3
    assert "10 of them chosen before any" in tables[0]["source"][0]


@pytest.mark.parametrize(
    ("genes", "paths", "edges", "of_3x3", "direct"),
    [
        # Paths: a skip; 3x3 and 1x1; 3x3 and two poolings.
        ([3, 0, 4, 1, 2, 4], [1, 1, 1, 0, 1, 0], "1112 1010 1101", [0, 1, 2 / 3], [1, 0, 0]),
        # 3x3; twice 3x3 and a skip.
        ([3, 3, 0, 3, 1, 1], [0, 3, 0, 0, 0, 0], "2030 0030 2010", [1, 1, 1], [0, 0, 1]),
        # 1x1; 3x3 and a pooling. Convolutions of nothing do not count.
        ([0, 3, 2, 2, 2, 4], [0, 2, 0, 0, 0, 0], "0111 0110 0101", [0, 1, 1 / 2], [0, 1, 0]),
        ([3, 3, 3, 0, 0, 0], [0] * 6, "0000 0000 0000", [4, 0, 0], [0, 0, 0]),  # no path
    ],
)
def test_a_cell_is_described_by_its_paths_and_edges(genes, paths, edges, of_3x3, direct):
    expected = [*paths, *map(int, edges.replace(" ", "")), *of_3x3, *direct]
    np.testing.assert_allclose(kinds_of_paths(nb201, np.array([genes]))[0], expected, rtol=1e-12)


def test_what_does_not_matter_to_a_cell_is_not_described():
    genes = nb201.all_genes()
    live = nb201.without_dead_edges(genes)
    np.testing.assert_array_equal(kinds_of_paths(nb201, genes), kinds_of_paths(nb201, live))


def test_later_ones_are_where_the_front_may_be(percent):
    genes = nb201.all_genes()
    groups = [kinds_of_paths(nb201, genes)[:, :4]]
    costs = nb201.flops(genes)[:, None].astype(float)
    error = 1 - percent / 100
    looked_up: list[np.ndarray] = []

    def look_up(rows):
        looked_up.append(rows)
        return error[rows]

    proxy = read(architectures=13, first=10, rounds=2, seed=0)
    proxy.learn(groups, costs, FUNCTIONS, look_up)
    assert [len(rows) for rows in looked_up] == [10, 2, 1]
    sample = np.random.default_rng(0).permutation(len(genes))[: learned.SAMPLE]
    different = np.unique(FUNCTIONS[sample], return_index=True)[1]
    telling = most_telling([groups[0][sample]], different, 10)
    assert looked_up[0].tolist() == sample[telling].tolist()
    known = fit(groups, looked_up[0], learned.normal_scores(error[looked_up[0]]))
    left = np.flatnonzero(~np.isin(FUNCTIONS, FUNCTIONS[looked_up[0]]))
    hoped = known.mean[left] - known.deviation(left)
    front = left[non_dominated(np.column_stack([hoped, costs[left]]))]
    first = looked_up[1][0]
    assert first in front
    assert known.deviation(np.array([first]))[0] == pytest.approx(known.deviation(front).max())


def test_settings_and_tables_are_checked(given, tmp_path, percent):
    for wrong, said in (
        ({"architectures": 2}, "architectures is 2"),
        ({"architectures": 1001}, "architectures is 1001"),
        ({"architectures": 20}, "first is 30; expected at most architectures, 20, or rounds of 0"),
        ({"rounds": -1}, "rounds is -1"),
    ):
        with pytest.raises(InputError, match=said):
            read(**wrong)
    assert read(architectures=20, rounds=0).first == 30  # not looked at
    frame = pd.read_parquet(given.accuracies)
    write_parquet(frame[::-1], tmp_path / "reversed.parquet")
    with pytest.raises(InputError, match=r"reversed.parquet: not the architectures of nb201"):
        score(replace(given, accuracies=tmp_path / "reversed.parquet"))


def test_what_was_looked_up_is_known(table, percent):
    paid = np.flatnonzero(table["looked_up"])
    expected = learned.normal_scores(1 - percent[paid] / 100)
    np.testing.assert_allclose(table["score"].to_numpy()[paid], expected, rtol=1e-12)
    for row, value in zip(paid, expected, strict=True):
        same = np.isin(FUNCTIONS, FUNCTIONS[row])
        np.testing.assert_allclose(table["score"].to_numpy()[same], value, rtol=1e-12)
