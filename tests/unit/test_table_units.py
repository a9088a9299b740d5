"""Numbers of the user's tables that may mean something else: marks, and other units."""

import numpy as np
import pandas as pd
import pytest
from nb201_space import nb201
from some_devices import device
from test_devices import TEXTS, Some, own_table, tabulated

from hanas.core.errors import InputError


@pytest.mark.parametrize("mark", ["nan", float("nan")], ids=str)
def test_cells_without_a_number_may_mark_what_the_device_cannot_run(tmp_path, mark):
    with pytest.raises(InputError, match=r"line 3.*is empty"):
        own_table(tmp_path, [1.5, np.nan, 2.5], [1, np.nan, 2])  # as pandas writes NaN
    found = own_table(tmp_path, [1.5, np.nan, 2.5], [1, np.nan, 2], infeasible=mark)
    assert found["feasible"].tolist() == [True, False, True]
    found = own_table(tmp_path, ["1.5", "NaN", "2.5"], infeasible=mark)
    assert found["feasible"].tolist() == [True, False, True]
    with pytest.raises(InputError, match=r"line 3.*marked as infeasible, but energy_mj is 2"):
        own_table(tmp_path, [1.5, np.nan, 2.5], [1, 2, 3], infeasible=mark)
    with pytest.raises(InputError, match=r"line 3.*`infeasible: nan`"):
        own_table(tmp_path, ["1.5", "NaN", "2.5"])


@pytest.mark.parametrize("mark", ["none", True, [], float("inf")], ids=str)
def test_a_mark_is_a_number_or_nan(tmp_path, mark):
    with pytest.raises(InputError, match=r"infeasible is .*; expected a number, or nan"):
        own_table(tmp_path, [1.5], infeasible=mark)


#: Each cell of these leads somewhere.
CONNECTED = np.flatnonzero(nb201.connected(nb201.all_genes()))[:9]


class Leading(Some):
    """The first cells that lead somewhere, after one that does not."""

    rows = np.concatenate([[int(np.argmin(nb201.connected(nb201.all_genes())))], CONNECTED])

    def all_texts(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return [TEXTS[row] for row in self.rows[: self.first]]

    def all_genes(self):
        return nb201.all_genes()[self.rows[: self.first]]


def two_data_sets(folder, *files, **settings):
    """Write a file of latencies for each data set; the first cell leads nowhere."""
    datasets = {}
    for name, latencies in zip(("pets", "birds", "cats"), files, strict=False):
        frame = pd.DataFrame({"a": Leading(len(latencies)).all_texts(), "ms": latencies})
        frame.to_csv(folder / f"{name}.csv", index=False)
        columns = {"arch": "a", "latency_ms": "ms"}
        datasets[name] = {"file": f"{name}.csv", "columns": columns, "infeasible": -1}
    space = Leading(len(files[0]))
    return tabulated("table", folder, {"datasets": datasets, **settings}, "pets", space)


def test_a_row_in_another_unit_is_asked_about(tmp_path):
    latencies = [0.001, 3.0, 3.5, 4.0, 5.0, 5.5, -1]  # what leads nowhere may take no time
    assert len(two_data_sets(tmp_path, latencies)) == 7
    for odd in (0.005, 5807.0):  # in seconds; with a comma of thousands that the others lost
        wrong = [*latencies[:4], odd, *latencies[5:]]
        said = (
            rf"pets\.csv, line 6, column 'ms'.* is {odd:g}, but the median .* is .*`far_apart: true"
        )
        with pytest.raises(InputError, match=said):
            two_data_sets(tmp_path, wrong)
        assert two_data_sets(tmp_path, wrong, far_apart=True)["latency_ms"][4] == odd


def test_a_data_set_in_another_unit_is_asked_about(tmp_path):
    right, larger = np.arange(3.0, 8.0), 49 * np.arange(3.0, 8.0)  # images of 32 and 224 pixels
    assert len(two_data_sets(tmp_path, right, larger)) == 5
    said = r"pets\.csv: the median latency_ms is 0\.0055, but 5 in that of birds.*far_apart: true"
    with pytest.raises(InputError, match=said):
        two_data_sets(tmp_path, right / 1000, right)
    assert len(two_data_sets(tmp_path, right, right / 1000, larger)) == 5  # birds is the odd one
    assert len(two_data_sets(tmp_path, right / 1000, right, far_apart=True)) == 5


def test_known_rows_in_another_unit_are_asked_about(tmp_path):
    genes = nb201.sample(40, np.random.default_rng(0))
    frame = pd.DataFrame({"a": [nb201.to_text(row) for row in genes]})
    frame["ms"] = 5.0 + np.arange(40) / 40
    frame.loc[7, "ms"] /= 1000
    frame.to_csv(tmp_path / "some.csv", index=False)
    of = {"file": "some.csv", "columns": {"arch": "a", "latency_ms": "ms"}, "predict_missing": True}
    found = device("table", datasets={"pets": of})
    with pytest.raises(InputError, match=r"some\.csv, line 9.*far_apart"):
        found.fitted(nb201, "pets", tmp_path, network={}, log=print)


def test_far_apart_reruns_nothing_where_it_is_not_given():
    of = {"file": "some.csv", "columns": {"arch": "a", "latency_ms": "ms"}}
    assert "far_apart" not in device("table", datasets={"pets": of}).params()
    assert device("table", datasets={"pets": of}, far_apart=True).params()["far_apart"] is True
