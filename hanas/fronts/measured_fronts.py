"""A front that was found with predicted metrics, measured for real.

A search prefers what the predictor makes too good, so the error bars of its front are wider in
truth than those of random architectures. Both numbers are therefore shown side by side.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from hanas.core import plugins
from hanas.core.pareto import non_dominated
from hanas.core.progress import Log
from hanas.core.settings import Settings
from hanas.data.tables.metric_tables import METRICS
from hanas.devices._device import MeasuredDevice
from hanas.devices.measuring.measure import measure_models
from hanas.devices.measuring.models import untrained
from hanas.devices.prediction.predictor import Predictor
from hanas.fronts.picks import found_front, objectives_in, require_feasible


def measure(
    history: pd.DataFrame,
    predictor: Predictor,
    device: MeasuredDevice,
    *,
    network: Settings,
    images: Path,
    workspace: Path,
    log: Log,
) -> pd.DataFrame:
    """Measure the front that seed 0 of a search found, beside what was predicted of it.

    ``predictor`` is what the search took its metrics from, ``images`` the file of the data set;
    measurements of the device are kept in ``workspace``. Returns a row an architecture of the
    front, the lowest predicted latency first: its proxy objective, each metric as predicted, with
    its deviation, and as measured, the latency also with its quartiles; ``on_measured_front`` is
    whether it is on the front in measured metrics too. Raises InputError if the search found no
    feasible architecture.
    """
    space = plugins.space(predictor.features.space)
    front = require_feasible(found_front(history, space))
    objective = objectives_in(history)[0]
    archs = front["arch"].tolist()
    predicted = predictor.predict(np.array([space.from_text(arch) for arch in archs]))
    models = untrained(archs, space=space.name, device=device, network=network, images=images)
    measured = measure_models(models, device, workspace=workspace, log=log)
    table, searched = front[["arch", objective]].copy(), [objective]
    for metric in METRICS:
        if metric in predicted:
            table[f"predicted_{metric}"] = predicted[metric].to_numpy()
            table[f"predicted_{metric}_deviation"] = predicted[f"{metric}_deviation"].to_numpy()
            table[f"measured_{metric}"] = measured[metric].to_numpy()
            searched.append(f"measured_{metric}")
    for name in ("latency_q25_ms", "latency_q75_ms"):
        table[f"measured_{name}"] = measured[name].to_numpy()
    for name in ("feasible", "reason", "stable"):
        table[name] = measured[name].to_numpy()
    runs = table["feasible"].to_numpy(dtype=bool)
    on_front = np.zeros(len(table), dtype=bool)
    on_front[runs] = non_dominated(table.loc[runs, searched].to_numpy(dtype=float))
    table["on_measured_front"] = on_front
    table["predicted_source"] = predictor.source
    table["measured_source"] = measured["source"].to_numpy()
    return table.sort_values("predicted_latency_ms", kind="stable", ignore_index=True)
