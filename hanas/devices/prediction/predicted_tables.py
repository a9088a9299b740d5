"""The device table of a space that can be listed, predicted from a few measurements."""

from __future__ import annotations

import pandas as pd

from hanas.data.tables import metric_tables
from hanas.devices.prediction.predictor import Predictor, likely_runs
from hanas.spaces._space import Space

_REFUSED = -1.0


def device_table(predictor: Predictor, space: Space) -> pd.DataFrame:
    """Return the predicted metrics of every architecture, those that were measured too.

    Predicted ones throughout: a search that compared measured with predicted numbers would prefer
    what one of the two makes too good.

    Returns
    -------
    DataFrame
        See :func:`hanas.data.tables.metric_tables.device_table`; infeasible is what the device more likely
        refuses than not. For each metric a column
        ``{metric}_deviation``: one standard deviation of what is known about it.
    """
    archs = space.all_texts()
    predicted = predictor.predict(space.all_genes())
    runs = likely_runs(predicted)
    table = metric_tables.device_table(
        archs,
        {
            metric: predicted[metric].where(runs, _REFUSED).to_numpy()
            for metric in predictor.metrics
        },
        source=predictor.source,
        place=lambda number, metric: f"prediction of {metric} of {archs[number]}",
        infeasible=_REFUSED,
    )
    for metric in predictor.metrics:
        table[f"{metric}_deviation"] = predicted[f"{metric}_deviation"].where(runs).to_numpy()
    return table
