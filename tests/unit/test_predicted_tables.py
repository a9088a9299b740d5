import numpy as np
import pytest

from hanas.devices.prediction import predicted_tables, predictor
from hanas.spaces import nb201


def fitted(latency_ms: np.ndarray, genes: np.ndarray) -> predictor.Predictor:
    return predictor.fit("nb201", genes, {"latency_ms": latency_ms}, source="a board")


@pytest.fixture(scope="module")
def genes() -> np.ndarray:
    rows = np.random.default_rng(0).permutation(len(nb201.all_genes()))[:40]
    return nb201.all_genes()[rows]


def test_every_architecture_has_a_prediction_with_its_deviation(genes):
    latency = 1.0 + (genes == nb201.CONV_3X3).sum(axis=1)
    table = predicted_tables.device_table(fitted(latency, genes), nb201)
    assert table["arch"].tolist() == list(nb201.all_texts())
    assert table["feasible"].all()
    assert (table["latency_ms"] > 0).all()
    assert (table["latency_ms_deviation"] >= 0).all()
    true = 1.0 + (nb201.all_genes() == nb201.CONV_3X3).sum(axis=1)
    assert np.median(np.abs(table["latency_ms"] / true - 1)) < 0.05
    assert set(table["source"]) == {fitted(latency, genes).source}


def test_what_the_device_likely_refuses_is_infeasible(genes):
    refused = (genes == nb201.AVG_POOL).any(axis=1)
    latency = np.where(refused, np.nan, 1.0 + (genes == nb201.CONV_3X3).sum(axis=1))
    table = predicted_tables.device_table(fitted(latency, genes), nb201)
    pools = (nb201.all_genes() == nb201.AVG_POOL).sum(axis=1)
    assert 0 < table["feasible"].sum() < len(table)
    assert (
        table.loc[~table["feasible"], ["latency_ms", "latency_ms_deviation"]].isna().all(axis=None)
    )
    # Not all of them are known, but the cells without a pooling more than those with three.
    assert table["feasible"][pools == 0].mean() > table["feasible"][pools >= 3].mean() + 0.3
