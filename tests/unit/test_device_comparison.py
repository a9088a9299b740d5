import dataclasses

import numpy as np
import pandas as pd
import pytest
from judged_study import LATENCY_MS, write_search

from hanas.fronts.device_comparison import correlation_table, transfer_table
from hanas.fronts.runs import read_runs

# The same six architectures on a device that turns the order of 1 and 2 round.
OTHER_MS = [50.0, 20.0, 30.0, 10.0, np.nan, 5.0]


def _two_devices(folder, mine, other, **options):
    return [
        write_search(folder, mine, device="mine", **options),
        write_search(folder, other, device="other", latency_ms=OTHER_MS, **options),
    ]


def test_correlation_by_hand(tmp_path):
    rows = _two_devices(tmp_path, [[0]], [[0]])
    table = correlation_table(rows)
    assert len(table) == 1
    line = table.iloc[0]
    assert line[["device_a", "device_b", "metric"]].tolist() == ["mine", "other", "latency_ms"]
    assert line["architectures"] == 5  # one cannot run on the other
    assert line["kendall_tau"] == pytest.approx((9 - 1) / 10)
    assert line["spearman_rho"] == pytest.approx(1 - 6 * 2 / (5 * 24))
    assert line[["source_a", "source_b"]].tolist() == ["a mine", "a other"]


def test_metrics_that_only_one_device_has_are_not_compared(tmp_path):
    rows = [
        write_search(tmp_path, [[0]], device="mine", energy_mj=LATENCY_MS),
        write_search(tmp_path, [[0]], device="other"),
    ]
    assert correlation_table(rows)["metric"].tolist() == ["latency_ms"]


def test_tables_of_one_device_have_no_rows_but_columns(tmp_path):
    rows = _two_devices(tmp_path, [[0]], [[0]])
    one, two = correlation_table(rows[:1]), correlation_table(rows)
    assert len(one) == 0
    assert list(one) == list(two)
    one = transfer_table(list(read_runs(rows[:1])))
    assert len(one) == 0
    assert list(one) == list(transfer_table(list(read_runs(rows))))


def test_transfer_by_hand(tmp_path):
    rows = _two_devices(tmp_path, [[0, 1, 3], [0, 1, 2, 3]], [[0, 1, 3], [0, 1, 3]])
    table = transfer_table(list(read_runs(rows))).set_index(["front", "from_device", "to_device"])
    assert len(table) == 4
    # The other's true front is 0, 1, 3: 2 is slower than 1 there. On mine (1/4, 1/2) alone
    # carries volume.
    line = table.loc["true", "other", "mine"]
    assert (line["own"], line["seeds"]) == (1, 0)
    assert line["borrowed"] == pytest.approx(0.75 * 0.5 / 0.5)
    assert line["lost"] == pytest.approx(0.25)
    assert table.loc["true", "mine", "other"]["lost"] == 0
    # Found: one of two seeds of mine lacks 2, as the other's front does.
    line = table.loc["p+nsga2", "other", "mine"]
    assert line["own"] == pytest.approx((0.75 + 1) / 2)
    assert line["lost"] == pytest.approx(0.125)
    assert line["lost_std"] == pytest.approx(np.std([0, 0.25], ddof=1))
    assert line["seeds"] == 2
    assert line[["metrics_source_from", "metrics_source_to"]].tolist() == ["a other", "a mine"]


def test_what_the_other_device_cannot_run_is_left_out_and_counted(tmp_path):
    proxy = [0.1, 0.5, 0.5, 0.5, 0.0, 0.5]  # finds 4 on mine
    rows = _two_devices(tmp_path, [[4, 1]], [[1, 3, 0]], proxy_error=proxy)
    table = transfer_table(list(read_runs(rows))).set_index(["front", "from_device", "to_device"])
    line = table.loc["p+nsga2", "mine", "other"]
    assert line["cannot_run"] == 1
    # What is left, 1, is all that carries volume there; the own search dropped it for 3.
    assert line[["own", "borrowed", "lost"]].tolist() == pytest.approx([0, 1, -1])


def test_devices_agree_as_published(data_folder, tmp_path):
    # Independent: pandas' own correlation of the same columns.
    metrics = pd.read_parquet(data_folder / "hw_nas_bench_nb201.parquet")
    rows, columns = [], []
    for device in ("edgegpu", "edgetpu"):
        latency_ms = metrics[f"c10_{device}_latency_ms"].astype(float)
        columns.append(latency_ms.where(latency_ms > 0))
        table = pd.DataFrame({"arch": metrics["nb201_index"].astype(str)})
        table["feasible"] = latency_ms > 0
        table["latency_ms"] = columns[-1]
        path = str(tmp_path / f"real_{device}.parquet")
        table.assign(source=device).to_parquet(path)
        row = write_search(tmp_path, [[0]], device=device)
        rows.append(dataclasses.replace(row, metrics=path))
    line = correlation_table(rows).iloc[0]
    for name, method in (("kendall_tau", "kendall"), ("spearman_rho", "spearman")):
        assert line[name] == pytest.approx(columns[0].corr(columns[1], method=method), abs=1e-9)
    assert line["architectures"] == 15625 - 4699
