"""Scores that are hardly numbers any more: a sentence, or a figure, and never silence."""

from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from nb201_space import nb201

from hanas.core.errors import InputError
from hanas.devices.prediction import predictor
from hanas.proxies._proxy import CountedProxy, Inputs, OnDemandScorer, Work
from hanas.report.figures import style
from hanas.search import run


class Odd(CountedProxy):
    """Some scores, again and again."""

    kind: Any = "odd"
    values: Any
    counted: ClassVar[str] = "scores"

    def count(self, space, genes):
        return np.resize(self.values, len(genes))


def scored(folder, *values):
    odd = Odd.model_construct(kind="odd", values=values)
    return odd.score(nb201, Inputs(), Work(folder, 1, print))["score"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308, -1.1e100])
def test_a_score_that_cannot_be_compared_is_named(tmp_path, value):
    with pytest.raises(InputError, match=r"proxy odd: score of \|nor.* is .*; expected a finite"):
        scored(tmp_path, 1.0, value)


def test_small_and_large_scores_are_kept(tmp_path):
    assert scored(tmp_path, 5e-324, -1e100, 1e100)[:3].tolist() == [5e-324, -1e100, 1e100]


class _Nothing(OnDemandScorer):
    def score(self, genes):
        return {"score": np.where(np.arange(len(genes)) == 1, np.nan, 1.0)}


def test_a_search_does_not_take_a_missing_score_for_infeasible(monkeypatch):
    monkeypatch.setattr(predictor, "likely_runs", lambda expected: np.ones(3, dtype=bool))
    monkeypatch.setattr(
        run, "_run_all", lambda *parts: parts[3](nb201.all_genes()[:3])
    )  # asks once
    of_device: Any = SimpleNamespace(
        features=SimpleNamespace(space="nb201"),
        metrics=("latency_ms",),
        values={"latency_ms": np.array([1.0, 2.0])},
        predict=lambda genes: pd.DataFrame({"latency_ms": np.ones(len(genes))}),
    )
    with pytest.raises(InputError, match=r"the proxy's score of \|nor.* is nan; expected"):
        run.search_on_demand(nb201, _Nothing(), of_device, {}, "score", None, print)


@pytest.mark.parametrize(
    "values",
    [
        [5e-324, 1.0],
        [1e-320, 1e-310],
        [-1e100, 1e100],
        [5e-324, 1e100],
        [1e-9, 1e12],
        [np.nan, 1.0, np.inf],
        [np.nan],
        [1e100, 1e100],
    ],
    ids=str,
)
@pytest.mark.parametrize("column", ["latency_ms", "proxy_score", "proxy_error"])
def test_a_figure_is_drawn_of_any_numbers(values, column):
    with style.applied():
        made = Figure()
        axes = made.subplots()
        axes.plot(style.shown(values, column), style.shown(values, column), "o")
        for which in "xy":
            style.set_scale(axes, which, values, column)
        made.draw_without_rendering()
        made.canvas.draw()
    assert np.isfinite([axes.get_xlim(), axes.get_ylim()]).all()
