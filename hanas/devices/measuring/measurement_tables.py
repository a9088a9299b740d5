"""The rows of a table of measured models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hanas.devices.measuring.measured_models import Measurement, Record, TrustSettings

COLUMNS = (
    *("arch", "feasible", "reason", "latency_ms", "latency_mean_ms", "latency_median_ms"),
    *("latency_q25_ms", "latency_q75_ms", "passes", "batch", "threads", "precision", "runtime"),
    *("board", "repeats", "stable", "again_latency_ms", "again_board", "energy_mj", "source"),
)


def row(
    arch: str,
    record: Record,
    conditions: Mapping[str, Any],
    board: str,
    trust: TrustSettings,
) -> dict[str, Any]:
    """Return what the table says of one model.

    Parameters
    ----------
    arch
        The architecture.
    record
        What is known of it.
    conditions
        Of the meter: ``runtime``, ``threads``, ``precision``, ``batch``; ``passes`` where the
        meter makes any.
    board
        The board that it was measured on, or that refused it.
    trust
        Which measurement counts.
    """
    found: dict[str, Any] = dict.fromkeys(COLUMNS, float("nan"))
    found |= {name: conditions[name] for name in ("batch", "threads", "precision", "runtime")}
    found |= {"arch": arch, "feasible": record.refused is None, "reason": record.refused or ""}
    found |= {"passes": 0, "stable": False, "again_board": "", "board": board}
    found["repeats"] = len(record.first) + len(record.again)
    if record.refused is not None:
        return found | {"source": source(conditions, trust.statistic, board=board)}
    counts, stable = record.judged(trust)
    found |= {
        "latency_ms": counts.latency_ms(trust.statistic),
        "latency_mean_ms": counts.mean_ms,
        "latency_median_ms": counts.median_ms,
        "latency_q25_ms": counts.q25_ms,
        "latency_q75_ms": counts.q75_ms,
        "passes": counts.passes,
        "runtime": counts.runtime,
        "board": counts.board,
        "stable": stable,
        "source": source(conditions, trust.statistic, measurement=counts),
    }
    if counts.energy_mj is not None:
        found["energy_mj"] = counts.energy_mj
    if record.again:
        found["again_latency_ms"] = record.again[0].latency_ms(trust.statistic)
        found["again_board"] = record.again[0].board
    return found


def source(
    conditions: Mapping[str, Any],
    statistic: str,
    *,
    board: str = "",
    measurement: Measurement | None = None,
) -> str:
    """Return where a number is from, in one line.

    Parameters
    ----------
    conditions
        As for :func:`row`.
    statistic
        ``mean`` or ``median``.
    board
        The board, where nothing was measured.
    measurement
        What was measured.

    Examples
    --------
    >>> source(
    ...     {"runtime": "R 1.0", "threads": 2, "precision": "int8", "batch": 1, "passes": 400},
    ...     "mean",
    ...     board="pi",
    ... )
    'measured: R 1.0, 2 threads, int8, batch 1, mean of 400 passes, pi'
    """
    estimate = measurement is not None and measurement.estimate
    runtime = conditions["runtime"] if measurement is None else measurement.runtime
    threads, passes = conditions["threads"], conditions.get("passes")
    if measurement is not None and measurement.passes > 1:
        passes = measurement.passes
    how = [] if estimate else [f"{threads} thread{'s' if threads != 1 else ''}"]
    how += [conditions["precision"], f"batch {conditions['batch']}"]
    if not estimate and passes is not None:
        how.append(f"{statistic} of {passes} passes")
    where = board if measurement is None else measurement.board
    kind = "estimate" if estimate else "measured"
    return f"{kind}: {', '.join(map(str, [runtime, *how, where]))}"
