"""Predict a device's numbers of all architectures from those that the user has of some.

A fifth of the rows, chosen by their texts and at most :data:`MOST_HELD_OUT`, judge a predictor of
the others first; what is used then is fitted to all.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import digest
from hanas.core.progress import Log
from hanas.data.tables.metric_tables import METRICS, device_table
from hanas.data.tables.user_tables import SomeRows
from hanas.devices.prediction import predictor
from hanas.devices.prediction.campaign import choose, judge
from hanas.devices.prediction.predictor import Predictor
from hanas.spaces._space import Network

#: Rows that are needed, the share of them that judge, and how many do so at most.
LEAST_ROWS, HELD_OUT, MOST_HELD_OUT = 15, 0.2, 100


def fit(
    space: str,
    rows: SomeRows,
    *,
    source: str,
    infeasible: float | None,
    network: Network,
    log: Log,
) -> tuple[pd.DataFrame, Predictor, pd.DataFrame]:
    """Return the rows, what predicts all others, and how well, as a campaign does.

    ``source`` says where the rows are from, ``infeasible`` is the number that marks what the device
    cannot run. InputError if there are too few rows, or a number cannot be.
    """
    found = plugins.space(space)
    if len(rows.archs) < LEAST_ROWS:
        raise InputError(
            f"{source}: {len(rows.archs)} architectures; a predictor needs {LEAST_ROWS} at least"
        )
    table = device_table(
        rows.archs,
        {name: rows.values[name] for name in METRICS if name in rows.values},
        source=source,
        place=rows.place,
        infeasible=infeasible,
    )
    order = sorted(range(len(table)), key=lambda row: digest(["held out", rows.archs[row]]))
    held_out = np.zeros(len(table), dtype=bool)
    held_out[order[: min(MOST_HELD_OUT, int(HELD_OUT * len(table)))]] = True
    genes = np.array([found.from_text(arch) for arch in rows.archs], dtype=np.int64)

    def metrics(which: np.ndarray) -> dict[str, np.ndarray]:
        return {m: table[m].to_numpy(np.float64)[which] for m in METRICS if m in table}

    of_some = predictor.fit(
        space, genes[~held_out], metrics(~held_out), source=f"measured: {source}", network=network
    )
    quality = judge(of_some, genes[held_out], metrics(held_out), again={})
    everything = np.ones(len(table), dtype=bool)
    of_all = predictor.fit(
        space, genes, metrics(everything), source=f"measured: {source}", network=network
    )
    fitted, quality = choose(
        of_all,
        quality,
        lambda lines: judge(
            predictor.with_lines(of_some, lines), genes[held_out], metrics(held_out), again={}
        ),
        log,
    )
    purpose = np.where(held_out, "held_out", "fit")
    return (
        table.assign(purpose=purpose, round=0),
        fitted,
        quality.assign(
            statistic="of the file",
            measured=len(table),
            infeasible=int((~table["feasible"]).sum()),
            warnings="",
        ),
    )
