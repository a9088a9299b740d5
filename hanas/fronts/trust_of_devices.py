"""How far to trust latency and energy: predictions, measurements, measured fronts."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from hanas.core.files import BETWEEN, read_csv, read_json, read_parquet
from hanas.fronts.rows import Row
from hanas.fronts.trust import LEAST_SPEARMAN, ROUNDING, Trust

#: A measurement is unstable if its passes differ too much to be repeated. Beyond one in five, the
#: predictor is fitted to noise, and a pick is likely to be one that noise favoured.
MOST_UNSTABLE = 0.2
#: Networks of one front differ by about as much: a larger error reaches from a pick to the next.
MOST_RELATIVE_ERROR = 0.2

NAMES = {"latency_ms": "latency", "energy_mj": "energy"}


def of_device(row: Row) -> Trust:
    """Return how well the metrics of a device are known: predicted, or as a table has them."""
    where = f"on {row.device} ({row.dataset}, {row.space})"
    left_out = Trust(tuple(read_json(row.facts).get("left_out", {}).values()))
    return _of_metrics(row, where) + left_out


def _of_metrics(row: Row, where: str) -> Trust:
    if row.quality is None or row.measured is None:
        sources = read_json(row.facts)["sources"]
        said = {sources[name]: None for name in NAMES if name in sources}
        return Trust((f"metrics {where} are not measured here but taken from: {'; '.join(said)}",))
    quality, measured = read_csv(row.quality), read_parquet(row.measured)
    found = of_measurements(measured, quality, where) + of_predictor(quality, where)
    if row.measured_front is not None:
        found += of_measured_front(read_csv(row.measured_front), where)
    return found


def of_predictor(quality: pd.DataFrame, where: str) -> Trust:
    """Return how well a predictor does on networks that it was not fitted to.

    ``quality`` is that of :func:`hanas.devices.prediction.campaign.judge`.
    """
    known, doubts = [], []
    for row in quality.to_dict("records"):
        name, fitted = _name(row["metric"]), f"fitted to {row['fitted']} measured networks"
        if row.get("batch", 1) > 1:
            name += f" an image (batch {row['batch']:.0f})"
        error, rho = row["median_relative_error"], row["spearman_rho"]
        if not math.isfinite(error):
            known.append(
                f"{name} {where} is predicted, {fitted}; its error is **not known**, since no "
                "network was held out (campaign.held_out)"
            )
            continue
        ranks = "" if math.isnan(rho) else f", Spearman {rho:.2f}"
        known.append(
            f"{name} {where} is predicted, {fitted}; on {row['held_out']} others it is off by "
            f"{error:.1%} in the median{ranks}"
        )
        if rho < LEAST_SPEARMAN - ROUNDING:
            doubts.append(
                f"predicted {name} {where} puts networks that were held out in an order of "
                f"Spearman {rho:.2f} with the measured one, below {LEAST_SPEARMAN:g}"
            )
        if error > MOST_RELATIVE_ERROR:
            doubts.append(
                f"predicted {name} {where} is {error:.0%} off on networks that were held out, in "
                f"the median, more than {MOST_RELATIVE_ERROR:.0%}"
            )
    return Trust(tuple(known), tuple(doubts))


def of_measurements(measured: pd.DataFrame, quality: pd.DataFrame, where: str) -> Trust:
    """Return how well measurements repeat: the unstable share, halves and repetitions compared.

    Of numbers that the user measured, nothing is known.
    """
    if "stable" not in measured:
        said = f"{len(measured)} networks {where} were measured by others ({_sources(measured)})"
        return Trust((f"{said}; how well such numbers repeat is **not known**",))
    stable = measured.loc[measured["feasible"].to_numpy(dtype=bool), "stable"].to_numpy(dtype=bool)
    unstable, share = int((~stable).sum()), float((~stable).mean()) if len(stable) else 0.0
    said = f"{unstable} of {len(stable)} measurements {where} are unstable"
    for column, words in (
        ("split_half_spearman_rho", "the two halves of them agree with Spearman {:.3f}"),
        ("again_median_relative_difference", "measured twice, they differ by {:.1%} in the median"),
    ):
        if column in quality and pd.notna(quality[column]).any():
            said += f"; {words.format(quality[column].dropna().iloc[0])}"
    if "reused" in quality and quality["reused"].iloc[0]:
        first = quality.iloc[0]
        when = f"from {first['reused_from']} to {first['reused_until']}"
        said += f"; {int(first['reused'])} of the models were measured before, {when}"
    given = quality.get("warnings", pd.Series(dtype=object)).dropna()
    warned = [part for text in dict.fromkeys(given) if text for part in text.split(BETWEEN)]
    if share <= MOST_UNSTABLE:
        return Trust((said,), tuple(f"{where[3:]}: {part}" for part in warned))
    many = "no measurement" if share == 1 else f"only {1 - share:.0%} of the measurements"
    return Trust(
        (said,),
        (
            f"{many} {where} {'are' if share < 1 else 'is'} stable, so predictions from them say "
            "little: measure again where nothing else runs, with more passes",
            *(f"{where[3:]}: {part}" for part in warned),
        ),
    )


def _sources(table: pd.DataFrame) -> str:
    return "; ".join(map(str, table["source"].unique()))


def of_measured_front(front: pd.DataFrame, where: str) -> Trust:
    """Return how far a found front was off, once measured (:mod:`hanas.fronts.measured_fronts`)."""
    runs = front[front["feasible"].to_numpy(dtype=bool)]
    known, doubts = [], []
    for metric, name in NAMES.items():
        if f"measured_{metric}" not in runs or runs.empty:
            continue
        predicted, true = runs[f"predicted_{metric}"], runs[f"measured_{metric}"]
        error = float(np.median(np.abs(predicted / true - 1)))
        unstable = int((~runs["stable"].to_numpy(dtype=bool)).sum())
        beside = f" ({unstable} unstable)" if unstable else ""
        known.append(
            f"the {len(runs)} networks of the found front {where} were measured too{beside}: their "
            f"predicted {name} is off by {error:.1%} in the median"
        )
        if error > MOST_RELATIVE_ERROR:
            doubts.append(
                f"the {name} predicted for the networks of the found front {where} is {error:.0%} "
                f"off what was measured of them, in the median, more than {MOST_RELATIVE_ERROR:.0%}"
            )
    refused = len(front) - len(runs)
    if refused:
        doubts.append(f"{refused} of {len(front)} networks of the found front {where} do not run")
    return Trust(tuple(known), tuple(doubts))


def _name(metric: str) -> str:
    return NAMES.get(metric, metric)
