import pytest
from judged_study import ARCHS, write_search

from hanas.core.errors import InputError
from hanas.fronts.rows import read_history


def test_each_search_of_a_job_has_its_own_history(tmp_path):
    first = write_search(tmp_path, [[0, 1], [2]])
    second = write_search(tmp_path, [[3]], search="wsea")
    assert first.history == second.history
    assert first.facts == second.history.replace(".parquet", ".json")
    history = read_history(first.history, "nsga2")
    assert history["arch"].tolist() == [ARCHS[row] for row in (0, 1, 2)]
    assert "search" not in history
    assert read_history(second.history, "wsea").index.tolist() == [0]


def test_a_search_that_the_job_has_not_is_named(tmp_path):
    row = write_search(tmp_path, [[0]])
    with pytest.raises(InputError, match=r"has no search 'cea'; it has: nsga2"):
        read_history(row.history, "cea")


def test_names_and_tables(tmp_path):
    row = write_search(tmp_path, [[0]])
    assert row.tables == (row.accuracies, row.metrics, row.proxy_table)
    assert row.names == {
        **{"device": "mine", "task": "t", "dataset": "cifar10"},
        **{"proxy": "p", "search": "nsga2"},
    }
