"""Retrain the layers of a predicted front until another one adds little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from hanas.core.errors import InputError
from hanas.core.progress import Log, print_at_once
from hanas.fronts.peeling import peel
from hanas.fronts.picks import SEED, feasible_evaluations, objectives_in, require_feasible
from hanas.fronts.settings import Peeling
from hanas.training.retraining import prepare, train_one
from hanas.training.settings import FromScratch


def retrain_layers(
    history: pd.DataFrame,
    settings: FromScratch,
    images: str | Path,
    *,
    peeling: Peeling,
    accuracy_floor_percent: float,
    checkpoints: str | Path,
    log: Log = print_at_once,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, dict[str, torch.Tensor]]]:
    """Train the front that a search found, then the layers behind it, see :mod:`~.peeling`.

    Architectures are judged by the validation images; test images only tell how good the chosen
    ones are.

    Parameters
    ----------
    history
        A search history.
    settings, images, checkpoints, log
        See :func:`hanas.training.retraining.retrain`; ``images`` of the settings has to leave the
        validation images out.
    peeling
        When to stop.
    accuracy_floor_percent
        Architectures below it, on validation images, are not on the trained front.

    Returns
    -------
    metrics
        As of :func:`~hanas.training.retraining.retrain`, with ``validation_accuracy_percent``,
        ``layer`` (1 is the predicted front) and ``on_trained_front``.
    history
        As there.
    weights
        Of those on the trained front.

    Raises
    ------
    InputError
        As there; if the search found nothing feasible, or nothing trained reaches the floor.
    """
    evaluated = require_feasible(feasible_evaluations(history, seed=SEED))
    setup = prepare(settings, images, checkpoints=checkpoints, log=log, validate=True)
    archs = evaluated["arch"].tolist()
    rows: list[dict[str, Any]] = []
    epoch_rows: list[dict[str, Any]] = []
    weights: dict[str, dict[str, torch.Tensor]] = {}

    def train(layer: np.ndarray) -> np.ndarray:
        percents = []
        for number, position in enumerate(layer, start=1):
            arch = archs[position]
            log(f"architecture {number} of {len(layer)} of this layer: {arch}")
            row, of_epochs, weights[arch] = train_one(arch, setup)
            rows.append(row)
            epoch_rows.extend(of_epochs)
            percents.append(row["validation_accuracy_percent"])
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
