import numpy as np
import pytest
from nb201_space import AVG_POOL, CONV_3X3, nb201

from hanas.devices.prediction import predictor


def fitted(latency_ms: np.ndarray, genes: np.ndarray) -> predictor.Predictor:
    return predictor.fit("nb201", genes, {"latency_ms": latency_ms}, source="a board")


@pytest.fixture(scope="module")
def genes() -> np.ndarray:
    rows = np.random.default_rng(0).permutation(len(nb201.all_genes()))[:40]
    return nb201.all_genes()[rows]


def test_every_architecture_has_a_prediction_with_its_deviation(genes):
    latency = 1.0 + (genes == CONV_3X3).sum(axis=1)
    table = predictor.table(fitted(latency, genes))
    assert table["arch"].tolist() == list(nb201.all_texts())
    # What has no path from input to output runs nowhere.
    assert table["feasible"].tolist() == nb201.connected(nb201.all_genes()).tolist()
    runs = table[table["feasible"]]
    assert (runs["latency_ms"] > 0).all()
    assert (runs["latency_ms_deviation"] >= 0).all()
    true = 1.0 + (nb201.all_genes() == CONV_3X3).sum(axis=1)
    assert np.median(np.abs(table["latency_ms"] / true - 1).dropna()) < 0.05
    assert set(table["source"]) == {fitted(latency, genes).source}


def test_what_the_device_likely_refuses_is_infeasible(genes):
    refused = (genes == AVG_POOL).any(axis=1)
    latency = np.where(refused, np.nan, 1.0 + (genes == CONV_3X3).sum(axis=1))
    table = predictor.table(fitted(latency, genes))
    pools = (nb201.all_genes() == AVG_POOL).sum(axis=1)
    assert 0 < table["feasible"].sum() < len(table)
    assert (
        table.loc[~table["feasible"], ["latency_ms", "latency_ms_deviation"]].isna().all(axis=None)
    )
    # Not all of them are known, but the cells without a pooling more than those with three.
    assert table["feasible"][pools == 0].mean() > table["feasible"][pools >= 3].mean() + 0.3
