"""A file of the user's with measurements of some architectures."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from some_devices import device

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.ranking import spearman_rho

FITTING = {"nb201": {}, "mobile_i": {"width": 0.5, "resolution": 32}}


def true_ms(genes: np.ndarray) -> np.ndarray:
    """Each operation takes its own time, each place of it a little more or less."""
    times = np.array([0.1, 0.3, 0.9, 2.1, 0.7, 1.3, 1.7])[genes % 7]
    return 1 + (times * np.linspace(0.9, 1.1, genes.shape[1])).sum(axis=1)


def written(folder: Path, space: str, count: int, **changed) -> np.ndarray:
    genes = plugins.space(space).sample(count, np.random.default_rng(0))
    texts = [plugins.space(space).to_text(row) for row in genes]
    frame = pd.DataFrame({"cell": texts, "ms": true_ms(genes)})
    for column, values in changed.items():
        frame.loc[list(values), column] = list(values.values())
    frame.to_csv(folder / "mine.csv", index=False)
    return genes


def table_device(**settings):
    of = {"file": "mine.csv", "columns": {"arch": "cell", "latency_ms": "ms"}}
    return device("table", datasets={"toy": {**of, **settings}})


def fitted(folder: Path, space: str = "nb201", **settings):
    found = table_device(predict_missing=True, **settings)
    where = plugins.space(space), "toy", folder
    return found.fitted(*where, network=FITTING[space], log=lambda line: None)


@pytest.mark.parametrize("space", FITTING)
def test_two_hundred_rows_predict_all_others(space, tmp_path):
    written(tmp_path, space, 200)
    rows, found, quality = fitted(tmp_path, space, source="my bench")
    assert rows["purpose"].value_counts().to_dict() == {"fit": 160, "held_out": 40}
    assert (quality["fitted"].iloc[0], quality["held_out"].iloc[0]) == (160, 40)
    assert len(found.genes) == 200
    assert "fitted to 200 measured models (my bench (sha256 " in found.source
    others = plugins.space(space).sample(300, np.random.default_rng(1))
    predicted = found.predict(others)["latency_ms"]
    assert spearman_rho(predicted, true_ms(others)) > 0.9
    assert quality["spearman_rho"].iloc[0] > 0.9


def test_what_the_device_cannot_run_may_be_marked(tmp_path):
    written(tmp_path, "nb201", 60, ms={3: -1, 7: -1})
    with pytest.raises(InputError, match=r"mine\.csv, line 5.*is -1\.0.*infeasible: -1"):
        fitted(tmp_path)
    rows, found, quality = fitted(tmp_path, infeasible=-1)
    assert (~rows["feasible"]).sum() == quality["infeasible"].iloc[0] == 2
    assert "feasible_probability" in found.predict(found.genes)


def test_without_the_setting_the_message_names_it(tmp_path):
    written(tmp_path, "nb201", 200)
    with pytest.raises(InputError, match=r"15,425 of 15,625 .* missing.*`predict_missing: true`"):
        table_device().table(plugins.space("nb201"), "toy", tmp_path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"cell": {4: "mobile"}}, r"mine\.csv, line 6, column 'cell'"),
        ({"ms": {0: "fast"}}, r"line 2, column 'ms'.*is 'fast'; expected a number"),
        ({"ms": {9: 0.0}}, r"line 11, column 'ms'.*latency_ms is 0\.0; expected"),
    ],
)
def test_wrong_rows_are_named(changed, said, tmp_path):
    genes = plugins.space("nb201").sample(40, np.random.default_rng(0))
    frame = pd.DataFrame({"cell": [plugins.space("nb201").to_text(g) for g in genes]})
    frame["ms"] = [str(ms) for ms in true_ms(genes)]
    for column, values in changed.items():
        for row, value in values.items():
            frame.loc[row, column] = str(value)
    frame.to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(InputError, match=said):
        fitted(tmp_path)


def test_twice_and_too_few(tmp_path):
    written(tmp_path, "nb201", 14)
    with pytest.raises(InputError, match="14 architectures; a predictor needs 15"):
        fitted(tmp_path)
    text = (tmp_path / "mine.csv").read_text()
    (tmp_path / "mine.csv").write_text(text + text.splitlines()[1] + "\n")
    with pytest.raises(InputError, match=r"line 16: gives .* again, which line 2 gives already"):
        fitted(tmp_path)
