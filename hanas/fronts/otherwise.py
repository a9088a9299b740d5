"""What one would take otherwise: trained picks beside published networks and random members.

A pick is worth something if it beats what needs no search at its latency: the most accurate network
that is as fast, from the shelf or drawn at random. All are trained and measured alike, and a
difference counts only if it is larger than what two seeds of one network differ by. Accuracies are
balanced ones where trainings weighed classes, and nothing that is hardly better than always
answering one class is called better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hanas.core.files import read_csv
from hanas.core.ranking import kendall_tau
from hanas.data.class_accuracy import WARNED_POINTS, one_class_percent

#: What is up to this much slower counts as equally fast: measurements repeat no better.
AS_FAST = 1.05
#: A difference is said to be one if it is outside of this interval around none.
CONFIDENCE = 0.95
BETTER, WORSE, SAME, FASTER = "better", "worse", "no clear difference", "none is as fast"
UNKNOWN = "not known: one seed each"
USELESS = "hardly better than always answering one class"
#: Columns of a comparison, behind the name of what is compared with.
COLUMNS = ("accuracy_percent", "latency_ms", "points", "points_uncertainty", "ms", "verdict")


class Spread(NamedTuple):
    """How far trainings of one network differ: a standard deviation in points, pooled."""

    deviation: float  # NaN where every model has one seed
    freedom: int  # degrees of freedom: trainings less models

    def uncertainty(self, seeds: int, other_seeds: int) -> float:
        """Return half the confidence interval of a difference of two means, by Student's t."""
        if not self.freedom:
            return np.nan
        from scipy.stats import t as student  # late: the explorer and `hanas pick` need none of it

        quantile = float(student.ppf((1 + CONFIDENCE) / 2, self.freedom))
        return quantile * self.deviation * float(np.sqrt(1 / seeds + 1 / other_seeds))


def spread_between_seeds(models: pd.DataFrame) -> Spread:
    """Return the standard deviation of test accuracies over seeds, pooled over models."""
    models = models.drop_duplicates("arch")
    freedom = models["seeds"].to_numpy() - 1
    squares = np.square(models[f"test_{judged_by(models)}_percent_std"].to_numpy(dtype=float))
    known = freedom > 0
    if not known.any():
        return Spread(np.nan, 0)
    total = int(freedom[known].sum())
    return Spread(float(np.sqrt((freedom * squares)[known].sum() / total)), total)


def order_between_seeds(models: pd.DataFrame) -> float:
    """Return Kendall's tau between the first training of each model and the mean of its others.

    It says how far the order of models is settled. NaN if any has one seed, or there is one model.
    """
    seeds = models["seeds"].to_numpy(dtype=float)
    if len(models) < 2 or (seeds < 2).any():
        return np.nan
    name = f"test_{judged_by(models)}_percent"
    first, mean = (models[of].to_numpy(dtype=float) for of in (name, f"{name}_mean"))
    return kendall_tau(-first, -(seeds * mean - first) / (seeds - 1))


def judged_by(models: pd.DataFrame) -> str:
    """Return which accuracy models are compared by: balanced where trainings weighed classes."""
    return "balanced" if "test_balanced_percent_mean" in models else "accuracy"


def with_device_accuracy(models: pd.DataFrame) -> pd.DataFrame:
    """Return a table of models with ``device_accuracy_percent``: a mean over seeds.

    Of the float32 networks, less what the exported one, of the first seed, loses in the precision
    that the device runs. Where models are compared by it, ``device_balanced_percent`` is the same
    of the balanced accuracy. ``models`` are those of
    :func:`hanas.deploy.model_cards.models_table`.
    """
    for name in dict.fromkeys(["accuracy", judged_by(models)]):
        percent = models[f"test_{name}_percent_mean"].to_numpy(dtype=float)
        if "precision" in models:
            lost = models["int8_loss_percent"]
            if name == "balanced":
                lost = models["float32_balanced_percent"] - models["int8_balanced_percent"]
            percent = percent - np.where(models["precision"] == "int8", lost, 0)
        models = models.assign(**{f"device_{name}_percent": percent})
    return models


def compared_percent(models: pd.DataFrame) -> np.ndarray:
    """Return the accuracies that models of :func:`with_device_accuracy` are compared by."""
    return models[f"device_{judged_by(models)}_percent"].to_numpy(dtype=float)


def is_useless(models: pd.DataFrame) -> np.ndarray:
    """Return which models are hardly better than always answering one class, bool (N,)."""
    if judged_by(models) == "balanced":
        of_one = models["float32_class_percent"].map(one_class_percent)
    else:
        of_one = models["largest_class_percent"]
    return compared_percent(models) <= of_one.to_numpy(dtype=float) + WARNED_POINTS


def compared(models: pd.DataFrame, others: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return models of several devices with what one would take otherwise, in columns of ``name``.

    Both are of :func:`with_device_accuracy`. ``{name}`` is the architecture of the other,
    ``{name}_accuracy_percent`` (of :func:`compared_percent`) and ``{name}_latency_ms`` are its
    numbers; ``{name}_points`` and
    ``{name}_ms`` are those of the model less the other's, so that more points and fewer
    milliseconds are better. ``{name}_points_uncertainty`` is that of :class:`Spread`, NaN with one
    seed, and ``{name}_verdict`` is what it lets one say. A model without a latency, or on a device
    that no other is measured on, has none of it.
    """
    rows: list[dict[str, Any]] = [{} for _ in range(len(models))]
    useless = is_useless(models)
    for device in models["device"].unique() if "latency_ms" in models else ():
        there = measured(others, device)
        spread = spread_between_seeds(pd.concat([measured(models, device), there]))
        for place in np.flatnonzero((models["device"] == device) & models["latency_ms"].notna()):
            if len(there):
                rows[place] = _difference(models.iloc[place], there, spread)
                if useless[place] and rows[place]["verdict"] == BETTER:
                    rows[place]["verdict"] = USELESS
    found = pd.DataFrame(rows, index=models.index, columns=pd.Index(["", *COLUMNS]))
    return models.join(found.rename(columns=lambda column: f"{name}_{column}".rstrip("_")))


def measured(models: pd.DataFrame, device: str) -> pd.DataFrame:
    """Return the rows of a table of models that have a latency on a device."""
    if "latency_ms" not in models:
        return models.iloc[:0]
    return models[((models["device"] == device) & models["latency_ms"].notna()).to_numpy()]


def at_latency(latency_ms: float, others: pd.DataFrame) -> pd.Series:
    """Return the row of the most accurate of others that is as fast; if none is, the fastest."""
    latencies = others["latency_ms"].to_numpy(dtype=float)
    fast = latencies <= AS_FAST * latency_ms
    if not fast.any():
        return others.iloc[int(latencies.argmin())]
    return others.iloc[int(np.where(fast, compared_percent(others), -np.inf).argmax())]


def _difference(model: pd.Series, others: pd.DataFrame, spread: Spread) -> dict[str, Any]:
    of = f"device_{judged_by(others)}_percent"
    other = at_latency(model["latency_ms"], others)
    points = model[of] - other[of]
    uncertainty = spread.uncertainty(model["seeds"], other["seeds"])
    return {
        "": other["arch"],
        "accuracy_percent": other[of],
        "latency_ms": other["latency_ms"],
        "points": points,
        "points_uncertainty": uncertainty,
        "ms": model["latency_ms"] - other["latency_ms"],
        "verdict": verdict(
            points, uncertainty, as_fast=other["latency_ms"] <= AS_FAST * model["latency_ms"]
        ),
    }


def verdict(points: float, uncertainty: float, *, as_fast: bool = True) -> str:
    """Return what can be said of a model that is so many points better than another.

    >>> verdict(1.5, 1.0), verdict(-1.5, 1.0), verdict(0.5, 1.0)
    ('better', 'worse', 'no clear difference')
    >>> verdict(-1.5, 1.0, as_fast=False)
    'none is as fast'
    """
    if points > uncertainty:
        return BETTER
    if not as_fast:
        return FASTER
    if np.isnan(uncertainty):
        return UNKNOWN
    return WORSE if points < -uncertainty else SAME


def models_compared(models: pd.DataFrame, others: pd.DataFrame | None) -> pd.DataFrame:
    """Return the models of a retraining beside published networks, and beside its random members.

    ``models`` are those of :func:`hanas.deploy.model_cards.models_table`; ``others`` what this
    function made of published networks. The columns are ``otherwise`` and ``random``, see
    :func:`compared`, where there is something to compare with. Random members have no ``random``.
    """
    models = with_device_accuracy(models)
    if others is not None:
        models = compared(models, others, "otherwise")
    drawn = (models["role"] == "random").to_numpy()
    if drawn.any() and "latency_ms" in models:
        chosen = compared(models[~drawn], models[drawn], "random")
        models = models.join(chosen[chosen.columns.difference(models.columns, sort=False)])
    return models


@dataclass(frozen=True)
class Trained:
    """The trained models of a retraining, and the published networks beside them, if any.

    Both are tables of :func:`models_compared`.
    """

    task: str
    models: pd.DataFrame
    others: pd.DataFrame | None

    @classmethod
    def read(cls, *, task: str, models: str, others: str | None, **_: str) -> Trained:
        """Read both tables from their files."""
        return cls(task, read_csv(models), read_csv(others) if others else None)


def beside_front(front: pd.DataFrame, trained: Sequence[Trained]) -> pd.DataFrame:
    """Return a table of decisions, of one device, with what one would take otherwise.

    Of architectures that were trained, by any of ``trained``, there are
    ``trained_accuracy_percent`` (of :func:`compared_percent`), ``trained_std`` (in points; NaN of
    one seed), ``trained_seeds``, ``measured_latency_ms`` and the columns of :func:`compared`;
    ``trained_judged_by`` where any are compared by balanced accuracies; of others only what one
    would take otherwise at their latency on the front.
    Without ``trained`` the table stays as it is.
    """
    if not trained or front.empty:
        return front
    device = str(front["device"].iloc[0])
    rows = [_beside(point, trained, device) for point in front.to_dict("records")]
    columns = ["trained_accuracy_percent", "trained_std", "trained_seeds", "measured_latency_ms"]
    columns += ["otherwise", *(f"otherwise_{name}" for name in COLUMNS)]
    if any(judged_by(each.models) == "balanced" for each in trained):
        columns.append("trained_judged_by")
    return front.join(pd.DataFrame(rows, index=front.index, columns=pd.Index(columns)))


def _beside(point: Mapping[Any, Any], trained: Sequence[Trained], device: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in trained:
        if each.task != point["task"]:
            continue
        models, judged = measured(each.models, device), judged_by(each.models)
        for model in models[models["arch"] == point["arch"]].to_dict("records"):
            return {
                "trained_accuracy_percent": model[f"device_{judged}_percent"],
                "trained_judged_by": judged,
                "trained_std": model[f"test_{judged}_percent_std"],
                "trained_seeds": model["seeds"],
                "measured_latency_ms": model["latency_ms"],
                **{key: value for key, value in model.items() if key.startswith("otherwise")},
            }
        if each.others is not None and not found and not np.isnan(point["latency_ms"]):
            other = at_latency(point["latency_ms"], measured(each.others, device))
            found = {
                "otherwise": other["arch"],
                "trained_judged_by": judged,
                "otherwise_accuracy_percent": other[f"device_{judged}_percent"],
                "otherwise_latency_ms": other["latency_ms"],
            }
    return found
