"""Peel a predicted front: train its layers, the next after the last, until a layer adds little.

A proxy puts good architectures close behind its front as often as onto it. So the front is taken
off and trained for real, then the front of what is left, and so on. What is non-dominated in truth
among all that was trained is the *trained front*, which takes the predicted one's place. Whether
another layer pays is judged by the share of the trained front's hypervolume that is new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hanas.core import live, plugins
from hanas.core.errors import InputError
from hanas.core.pareto import crowding_distance, non_dominated
from hanas.core.progress import Log, print_at_once
from hanas.fronts.picks import feasible_evaluations, objectives_in, require_feasible
from hanas.fronts.settings import Peeling
from hanas.fronts.truth import normalised_hypervolume, reaches
from hanas.training.settings import FromScratch

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Layer:
    """A layer that was trained; architectures are rows, int64, of what was given."""

    rows: np.ndarray
    trained: np.ndarray  # all that are trained now, in the order in which they were
    front: np.ndarray  # those that reach the floor and that no other one dominates in truth
    #: Share of the hypervolume of the trained front, in its own box, that this layer brought: 1 for
    #: the first front, and as long as there is no volume; 0 as long as nothing reaches the floor.
    gain: float
    pays: bool  # whether to go on after this layer


def peel(
    predicted: np.ndarray,
    train: Callable[[np.ndarray], np.ndarray],
    settings: Peeling,
    *,
    accuracy_floor: float = 0.0,
    past_the_end: bool = False,
) -> Iterator[Layer]:
    """Train one layer after the other and yield each.

    ``predicted`` are float64 (N, M), minimised: the proxy, then what is known without training. Of
    points that look the same the first is taken, the next in the layer after. ``train`` returns the
    true errors, fractions, of the rows of one layer. What is below the accuracy floor, a fraction,
    counts for nothing. A layer that does not fit into the limit is thinned: those in the emptiest
    regions stay. ``past_the_end`` goes on to the limit though the layers do not pay.
    """
    objectives, left = predicted.copy(), np.arange(len(predicted))
    trained = front = left[:0]
    little, pays = 0, True
    while len(left) and len(trained) < settings.limit and (pays or past_the_end):
        on_front = non_dominated(predicted[left], copies=False)
        rows, left = left[on_front], left[~on_front]
        emptiest = np.argsort(-crowding_distance(predicted[rows]), kind="stable")
        rows = np.sort(rows[emptiest[: settings.limit - len(trained)]])
        objectives[rows, 0] = train(rows)
        trained = np.concatenate([trained, rows])
        worthy = trained[reaches(objectives[trained, 0], accuracy_floor)]
        before, front = front, worthy[non_dominated(objectives[worthy], copies=False)]
        gain = _gain(objectives[before], objectives[front])
        little = little + 1 if gain < settings.epsilon else 0
        pays = pays and little < settings.patience and len(trained) < settings.limit
        yield Layer(rows, trained, front, gain, pays)


def _gain(before: np.ndarray, after: np.ndarray) -> float:
    if np.array_equal(before, after):
        return 0.0
    try:
        return max(0.0, 1 - normalised_hypervolume(before, after))
    except InputError:  # too few points for a volume
        return 1.0


def retrain_layers(
    history: pd.DataFrame,
    settings: FromScratch,
    images: str | Path,
    *,
    peeling: Peeling,
    accuracy_floor_percent: float,
    checkpoints: str | Path,
    supernet: str | Path | None = None,
    log: Log = print_at_once,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, dict[str, torch.Tensor]]]:
    """Peel the front that a search found and train its layers, each network for itself.

    Architectures are judged by the validation images, also against the floor, so ``images`` of the
    settings has to leave them out; test images only tell how good the chosen ones are. With a
    ``supernet``, networks begin from its weights. Returns what
    :func:`hanas.training.retraining.retrain` does: its metrics with
    ``validation_accuracy_percent``, ``layer`` (1 is the predicted front) and ``on_trained_front``;
    its weights of those on the trained front. Raises InputError as that one, and if the search
    found nothing feasible or nothing trained reaches the floor.
    """
    from hanas.training.retraining import FromScratchTraining, over_seeds

    space = plugins.space(settings.space)
    evaluated = require_feasible(feasible_evaluations(history, space))
    training = FromScratchTraining(
        settings, images, checkpoints=checkpoints, log=log, validate=True, supernet=supernet
    )
    archs, judged_by = evaluated["arch"].tolist(), settings.training.judged_by
    rows: list[dict[str, Any]] = []
    epoch_rows: list[dict[str, Any]] = []
    weights: dict[str, dict[str, torch.Tensor]] = {}

    def train(layer: np.ndarray) -> np.ndarray:
        for number, position in enumerate(layer, start=1):
            arch = archs[position]
            which = f"architecture {number} of {len(layer)} of this layer"
            log(f"{which}: {arch}")
            live.among(which, more=len(layer) - number)
            row, of_epochs, weights[arch] = training.train(arch)
            row |= over_seeds([row], judged_by)
            rows.append(row)
            epoch_rows.extend(of_epochs)
        percents = [row[f"validation_{judged_by}_percent"] for row in rows[-len(layer) :]]
        return 1 - np.array(percents) / 100

    layer_numbers: list[int] = []
    on_front: list[str] = []
    predicted = evaluated[objectives_in(evaluated)].to_numpy(dtype=np.float64)
    floor = accuracy_floor_percent / 100
    for number, layer in enumerate(peel(predicted, train, peeling, accuracy_floor=floor), start=1):
        layer_numbers += [number] * len(layer.rows)
        on_front = [archs[position] for position in layer.front]
        weights = {arch: weights[arch] for arch in weights if arch in on_front}
        log(
            f"layer {number}: {len(layer.rows)} architectures, {100 * layer.gain:.2f} % of the "
            f"trained front's hypervolume is new; {len(layer.trained)} trained, "
            f"{len(on_front)} of them on the front"
        )
    if not on_front:
        raise InputError(
            f"none of {len(rows)} trained architectures reaches the accuracy floor of "
            f"{accuracy_floor_percent:g} % on validation images: lower the task's "
            "accuracy_floor_percent, which keeps what is trained, or train longer"
        )
    metrics = pd.DataFrame(rows).assign(layer=layer_numbers)
    metrics["on_trained_front"] = metrics["arch"].isin(on_front)
    return metrics, pd.DataFrame(epoch_rows), weights
