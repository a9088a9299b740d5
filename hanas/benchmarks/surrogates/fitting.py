"""Fit the models of :mod:`hanas.benchmarks.surrogates.models` to tables, and judge them.

What is not exactly linear goes to perceptrons: one network predicts the logarithms of all metrics
of all devices, as the same cells are slow on most of them, and one the logits of all accuracies. No
model sees the held-out cells, and nothing is refitted after it was judged on them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import kendalltau
from torch import Tensor, nn

from hanas.benchmarks.surrogates import models as surrogates
from hanas.benchmarks.surrogates.cell_features import counts
from hanas.benchmarks.surrogates.models import Bundle, SurrogateFit, exact_maximum, learn
from hanas.core.errors import InputError
from hanas.data.tables.metric_tables import METRICS, NB201

WIDTH = 96
DEPTH = 3  # hidden layers
MEMBERS = 4  # perceptrons whose outputs are averaged
EPOCHS = 100
BATCH_SIZE = 256
LEARNING_RATE = 1e-2
WEIGHT_DECAY = 1e-4

#: Network of perceptrons -> the features that it sees and the transform of what it predicts.
NETWORKS = {"accuracy": ("live_edges", "logit"), "metrics": ("all_edges", "log")}


@dataclass(frozen=True)
class Target:
    """One column to predict, for all cells of nb201 in index order, and where it comes from.

    Numbers are float64 (N,), NaN where infeasible; ``DATASET/DEVICE/feasible`` is bool (N,).
    """

    name: str
    values: np.ndarray
    source: str


def targets_of(
    accuracies: Mapping[str, pd.DataFrame], devices: Mapping[tuple[str, str], pd.DataFrame]
) -> list[Target]:
    """Return the columns of accuracy tables (by data set) and device tables (by device, data set).

    Raises InputError if a table does not hold every cell of nb201 in the official order.
    """
    tables = [(f"accuracies on {data}", data, table) for data, table in accuracies.items()]
    for (device, data), table in devices.items():
        tables.append((f"{device} on {data}", f"{data}/{device}", table))
    targets = []
    for what, place, table in tables:
        if tuple(table["arch"]) != NB201.all_texts():
            raise InputError(f"{what}: surrogates need all cells of nb201, in their order")
        source = "; ".join(sorted(set(table["source"])))
        columns = [name for name in ("accuracy_percent", *METRICS) if name in table]
        if "feasible" in table and not np.all(table["feasible"]):
            columns.append("feasible")
        targets += [Target(f"{place}/{name}", table[name].to_numpy(), source) for name in columns]
    return targets


def fit(
    targets: list[Target], settings: SurrogateFit, *, epochs: int = EPOCHS
) -> tuple[Bundle, pd.DataFrame]:
    """Fit a model to every target; perceptrons see the cells ``epochs`` times.

    Equal settings give equal bits on one computer if torch runs in one thread. The table has a row
    a model: what it is, and how well it predicts the held-out cells; for numbers also
    ``cells_without_twin`` and ``kendall_tau_without_twin``, of those isomorphic to no fitted cell.
    """
    genes, seed = NB201.all_genes(), settings.seed
    judged, fitted = surrogates.split(len(genes), seed=seed, held_out=settings.held_out)
    header: dict[str, Any] = {
        "format": surrogates.FORMAT,
        "space": "nb201",
        "revision": settings.revision,
        "seed": seed,
        "held_out": settings.held_out,
        "networks": {},
        "models": {},
    }
    arrays: dict[str, np.ndarray] = {}
    for_perceptrons: dict[str, list[Target]] = {}
    for target in targets:
        kind = "partial_cells" if target.name.endswith("/feasible") else "linear"
        if kind == "partial_cells":
            array = learn(genes[fitted], ~target.values[fitted])
        else:
            known, rng = fitted[~np.isnan(target.values[fitted])], np.random.default_rng(seed)
            array = exact_maximum(counts(NB201, genes[known]), target.values[known], rng)
        if array is None:
            network = "accuracy" if target.name.endswith("/accuracy_percent") else "metrics"
            for_perceptrons.setdefault(network, []).append(target)
            continue
        arrays[f"{kind}/{target.name}"] = array
        header["models"][target.name] = {"kind": kind, "source": target.source}
        print(f"{target.name}: {kind} ({len(array)})")
    for network, of_network in for_perceptrons.items():
        print(f"{network}: {MEMBERS} perceptrons for {len(of_network)} columns")
        found, weights = _perceptrons(network, of_network, fitted, seed, epochs)
        header["models"].update(found)
        header["networks"][network] = {"features": NETWORKS[network][0], "layers": DEPTH + 1}
        arrays.update({f"{network}/{key}": value for key, value in weights.items()})
    bundle = Bundle(header, arrays)
    quality = pd.DataFrame(list(_judge(bundle, targets, genes, judged, fitted)))
    return bundle, quality[[name for name in quality if name != "source"] + ["source"]]


def _judge(
    bundle: Bundle, targets: list[Target], genes: np.ndarray, judged: np.ndarray, fitted: np.ndarray
) -> Iterator[dict[str, Any]]:
    """Write the quality of each model into the header; yield it as a row."""
    seen = {NB201.canonical(cell) for cell in genes[fitted]}
    has_twin = np.array([NB201.canonical(cell) in seen for cell in genes[judged]])
    for target in targets:
        model = bundle.header["models"][target.name]
        dataset, *device, metric = target.name.split("/")
        true = target.values[judged]
        if metric == "feasible":
            quality = quality_of_failures(
                ~true, ~bundle.feasible(dataset, device[0], genes[judged])
            )
        else:
            known = np.isfinite(true)
            true, alone = true[known], ~has_twin[known]
            predicted = bundle.predict(target.name, genes[judged][known])
            quality = quality_of_numbers(true, predicted)
            quality["cells_without_twin"] = int(alone.sum())
            if alone.sum() > 1:
                quality["kendall_tau_without_twin"] = tau(true[alone], predicted[alone])
            if metric == "accuracy_percent":
                quality |= quality_of_the_best(true, predicted, best=float(target.values.max()))
        model["quality"] = quality
        yield {
            "dataset": dataset,
            "device": next(iter(device), None),
            "metric": metric,
            "kind": model["kind"],
            "cells_fitted": int(np.isfinite(target.values[fitted]).sum()),
            **quality,
            "source": target.source,
        }


def quality_of_numbers(true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return errors (fractions) and agreement of predicted numbers, float64 (N,), above 0."""
    error = np.abs(predicted / true - 1)
    residual, spread = np.square(predicted - true).sum(), np.square(true - true.mean()).sum()
    return {
        "cells_held_out": len(true),
        "median_relative_error": float(np.median(error)),
        "worst_relative_error": float(error.max()),
        "r2": float(1 - residual / spread),
        "kendall_tau": tau(true, predicted),
    }


def quality_of_the_best(true: np.ndarray, predicted: np.ndarray, best: float) -> dict[str, float]:
    """Return tau among cells above 85 % of the best accuracy, in whole percent (80 on CIFAR-10)."""
    upper_from = math.floor(0.85 * best)
    found = tau(true[true > upper_from], predicted[true > upper_from])
    return {"upper_from_percent": upper_from, "kendall_tau_upper": found}


def quality_of_failures(fails: np.ndarray, said_to_fail: np.ndarray) -> dict[str, float]:
    """Return the quality of predictions of which cells fail, bool (N,) both."""
    found = int((fails & said_to_fail).sum())
    return {
        "cells_held_out": len(fails),
        "predicted_right": float((fails == said_to_fail).mean()),
        "precision": found / max(1, int(said_to_fail.sum())),
        "recall": found / max(1, int(fails.sum())),
    }


def tau(true: np.ndarray, predicted: np.ndarray) -> float:
    """Return Kendall's tau-b of two orders; values within a relative 1e-9 are ties.

    Exact models give ties that differ in the last bit, which are no disagreement.

    >>> round(tau(np.array([1.0, 1.0, 2.0]), np.array([1.0, 1.0 + 1e-12, 2.0])), 9)
    1.0
    """
    result = kendalltau(_ranks(predicted), _ranks(true))
    return float(result.statistic)  # type: ignore[attr-defined]


def _ranks(values: np.ndarray) -> np.ndarray:
    order = np.argsort(values, kind="stable")
    steps = np.diff(values[order], prepend=values[order[:1]]) > 1e-9 * np.abs(values[order])
    return np.cumsum(steps)[np.argsort(order)]


def _perceptrons(
    network: str, targets: list[Target], fitted: np.ndarray, seed: int, epochs: int
) -> tuple[dict[str, dict[str, Any]], dict[str, np.ndarray]]:
    """Return what the header says of each target, and the arrays of the network."""
    features, transform = NETWORKS[network]
    inputs = surrogates.FEATURES[features](NB201.all_genes()[fitted])  # (n, F)
    mean, deviation = inputs.mean(axis=0), inputs.std(axis=0) + 1e-3
    transformed, _ = surrogates.TRANSFORMS[transform]
    wanted = np.stack([transformed(target.values[fitted]) for target in targets], axis=1)
    middle, spread = np.nanmean(wanted, axis=0), np.nanstd(wanted, axis=0)
    x = torch.tensor((inputs - mean) / deviation, dtype=torch.float32)
    y = torch.tensor((wanted - middle) / spread, dtype=torch.float32)  # (n, K)
    members = [_train(x, y, seed * MEMBERS + number, epochs) for number in range(MEMBERS)]
    weights = {"mean": mean.astype(np.float32), "deviation": deviation.astype(np.float32)}
    for layer, parts in enumerate(zip(*members, strict=True)):
        # Half precision: its rounding is far below the error of the fit.
        of_layer = torch.stack([linear.weight.T for linear in parts])  # (members, in, out)
        biases = torch.stack([linear.bias for linear in parts])[:, None]  # (members, 1, out)
        weights[f"weights_{layer}"] = of_layer.detach().numpy().astype(np.float16)
        weights[f"biases_{layer}"] = biases.detach().numpy().astype(np.float16)
    models = {
        target.name: {
            "kind": "perceptrons",
            "network": network,
            "output": output,
            "transform": transform,
            "mean": float(middle[output]),
            "deviation": float(spread[output]),
            "range": [float(extreme(target.values[fitted])) for extreme in (np.nanmin, np.nanmax)],
            "source": target.source,
        }
        for output, target in enumerate(targets)
    }
    return models, weights


def _train(x: Tensor, y: Tensor, seed: int, epochs: int) -> list[nn.Linear]:
    """Return the layers of one perceptron.

    Trained on the absolute error, which a few odd measurements do not pull away, with one cycle of
    the learning rate (L. N. Smith and N. Topin, "Super-Convergence", 2019).
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sizes = [x.shape[1], *[WIDTH] * DEPTH, y.shape[1]]
        linear = [nn.Linear(*pair) for pair in itertools.pairwise(sizes)]
    network = nn.Sequential(linear[0], *(part for one in linear[1:] for part in (nn.SiLU(), one)))
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = len(x) // BATCH_SIZE
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=epochs * steps, pct_start=0.1
    )
    known, y = ~torch.isnan(y), torch.nan_to_num(y)
    for _ in range(epochs):
        order = torch.randperm(len(x), generator=generator)
        for rows in order[: steps * BATCH_SIZE].split(BATCH_SIZE):
            loss = ((network(x[rows]) - y[rows]) * known[rows]).abs().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return linear
