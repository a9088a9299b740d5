"""Fit the models of :mod:`hanas.benchmarks.surrogates.models` to tables, and judge them.

Whether a metric is exactly linear in the numbers of operations is found from the data. All others
go to perceptrons: one network predicts the logarithms of all metrics of all devices together, as
the same cells are slow on most of them, and one the logits of all accuracies. No model sees the
held-out cells, and what is written is what was judged on them: nothing is refitted afterwards.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from hanas.benchmarks.surrogates import partial_cells
from hanas.benchmarks.surrogates import quality as surrogate_quality
from hanas.benchmarks.surrogates.cell_features import counts
from hanas.benchmarks.surrogates.linear_models import exact_maximum
from hanas.benchmarks.surrogates.models import FEATURES, FORMAT, TRANSFORMS, Bundle, split
from hanas.benchmarks.surrogates.settings import SurrogateFit
from hanas.core.errors import InputError
from hanas.data.tables.metric_tables import METRICS
from hanas.spaces import nb201

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
    """One column to predict.

    Attributes
    ----------
    name
        ``DATASET/accuracy_percent``, ``DATASET/DEVICE/METRIC`` or ``DATASET/DEVICE/feasible``.
    values
        (N,) in index order: float64, NaN where infeasible; bool for ``feasible``.
    source
        Where they come from.
    """

    name: str
    values: np.ndarray
    source: str


def targets_of(
    accuracies: Mapping[str, pd.DataFrame], devices: Mapping[tuple[str, str], pd.DataFrame]
) -> list[Target]:
    """Return the columns of accuracy tables (by data set) and device tables (by device, data set).

    Raises
    ------
    InputError
        If a table does not hold every cell of nb201 in the official order.
    """
    targets = []
    for dataset, table in accuracies.items():
        source = _source(table, f"accuracies on {dataset}")
        name = f"{dataset}/accuracy_percent"
        targets.append(Target(name, table["accuracy_percent"].to_numpy(), source))
    for (device, dataset), table in devices.items():
        source, place = _source(table, f"{device} on {dataset}"), f"{dataset}/{device}"
        columns = [metric for metric in METRICS if metric in table]
        columns += [] if np.all(table["feasible"]) else ["feasible"]
        targets += [Target(f"{place}/{name}", table[name].to_numpy(), source) for name in columns]
    return targets


def fit(
    targets: list[Target],
    settings: SurrogateFit,
    *,
    epochs: int = EPOCHS,
    log: Callable[[str], None] = print,
) -> tuple[Bundle, pd.DataFrame]:
    """Fit a model to every target.

    On one computer, equal settings give equal bits if torch runs in one thread.

    Parameters
    ----------
    targets
        What to predict, for all cells of nb201 in index order.
    epochs
        Passes over the cells for each perceptron.
    log
        Is told the progress.

    Returns
    -------
    bundle
        The models.
    quality
        A row a model: ``dataset``, ``device``, ``metric``, ``kind``, ``cells_fitted``, the
        columns of :mod:`.quality`; for numbers also ``cells_without_twin`` and
        ``kendall_tau_without_twin``, of the held-out cells that are isomorphic to no fitted cell;
        and ``source``.
    """
    genes, seed = nb201.all_genes(), settings.seed
    judged, fitted = split(len(genes), seed=seed, held_out=settings.held_out)
    models: dict[str, dict[str, Any]] = {}
    networks: dict[str, dict[str, Any]] = {}
    arrays: dict[str, np.ndarray] = {}
    for_perceptrons: dict[str, list[Target]] = {}
    for target in targets:
        kind = "partial_cells" if target.name.endswith("/feasible") else "linear"
        if kind == "partial_cells":
            array = partial_cells.learn(genes[fitted], ~target.values[fitted])
        else:
            known, rng = fitted[~np.isnan(target.values[fitted])], np.random.default_rng(seed)
            array = exact_maximum(counts(genes[known]), target.values[known], rng)
        if array is None:
            network = "accuracy" if target.name.endswith("/accuracy_percent") else "metrics"
            for_perceptrons.setdefault(network, []).append(target)
            continue
        arrays[f"{kind}/{target.name}"] = array
        models[target.name] = {"kind": kind, "source": target.source}
        log(f"{target.name}: {kind} ({len(array)})")
    for network, of_network in for_perceptrons.items():
        log(f"{network}: {MEMBERS} perceptrons for {len(of_network)} columns")
        found, weights = _perceptrons(network, of_network, genes[fitted], fitted, seed, epochs)
        models.update(found)
        networks[network] = {"features": NETWORKS[network][0], "layers": DEPTH + 1}
        arrays.update({f"{network}/{key}": value for key, value in weights.items()})
    header = {
        "format": FORMAT,
        "space": "nb201",
        "revision": settings.revision,
        "seed": seed,
        "held_out": settings.held_out,
        "networks": networks,
        "models": models,
    }
    bundle = Bundle(header, arrays)
    quality = pd.DataFrame(list(_judge(bundle, targets, genes, judged, fitted)))
    return bundle, quality[[name for name in quality if name != "source"] + ["source"]]


def _source(table: pd.DataFrame, what: str) -> str:
    if tuple(table["arch"]) != nb201.all_texts():
        raise InputError(f"{what}: surrogates need a table of all cells of nb201, in their order")
    return "; ".join(sorted(set(table["source"])))


def _judge(
    bundle: Bundle, targets: list[Target], genes: np.ndarray, judged: np.ndarray, fitted: np.ndarray
) -> Iterator[dict[str, Any]]:
    """Write the quality of each model into the header; yield it as a row."""
    seen = {nb201.canonical(cell) for cell in genes[fitted]}
    has_twin = np.array([nb201.canonical(cell) in seen for cell in genes[judged]])
    for target in targets:
        model = bundle.header["models"][target.name]
        dataset, *device, metric = target.name.split("/")
        true = target.values[judged]
        if metric == "feasible":
            runs = bundle.feasible(dataset, device[0], genes[judged])
            quality = surrogate_quality.of_failures(~true, ~runs)
        else:
            known = np.isfinite(true)
            true, alone = true[known], ~has_twin[known]
            predicted = bundle.predict(target.name, genes[judged][known])
            quality = surrogate_quality.of_numbers(true, predicted)
            quality["cells_without_twin"] = int(alone.sum())
            if alone.sum() > 1:
                alone_tau = surrogate_quality.tau(true[alone], predicted[alone])
                quality["kendall_tau_without_twin"] = alone_tau
            if metric == "accuracy_percent":
                best = float(target.values.max())
                quality |= surrogate_quality.of_the_best(true, predicted, best=best)
        model["quality"] = quality
        yield {
            "dataset": dataset,
            "device": device[0] if device else None,
            "metric": metric,
            "kind": model["kind"],
            "cells_fitted": int(np.isfinite(target.values[fitted]).sum()),
            **quality,
            "source": target.source,
        }


def _perceptrons(
    network: str,
    targets: list[Target],
    genes: np.ndarray,
    fitted: np.ndarray,
    seed: int,
    epochs: int,
) -> tuple[dict[str, dict[str, Any]], dict[str, np.ndarray]]:
    """Return what the header says of each target, and the arrays of the network."""
    features, transform = NETWORKS[network]
    inputs = FEATURES[features](genes)  # (n, F)
    mean, deviation = inputs.mean(axis=0), inputs.std(axis=0) + 1e-3
    wanted = np.stack([TRANSFORMS[transform](t.values[fitted]) for t in targets], axis=1)
    middle, spread = np.nanmean(wanted, axis=0), np.nanstd(wanted, axis=0)
    x = torch.tensor((inputs - mean) / deviation, dtype=torch.float32)
    y = torch.tensor((wanted - middle) / spread, dtype=torch.float32)  # (n, K)
    members = [_train(x, y, seed * MEMBERS + number, epochs) for number in range(MEMBERS)]
    weights = {"mean": mean.astype(np.float32), "deviation": deviation.astype(np.float32)}
    for layer, parts in enumerate(zip(*members, strict=True)):
        # Half precision: its rounding is far below the error of the fit.
        of_layer = np.stack([part[0] for part in parts])  # (members, in, out)
        biases = np.stack([part[1] for part in parts])[:, None]  # (members, 1, out)
        weights[f"weights_{layer}"] = of_layer.astype(np.float16)
        weights[f"biases_{layer}"] = biases.astype(np.float16)
    models = {}
    for output, target in enumerate(targets):
        values = target.values[fitted]
        models[target.name] = {
            "kind": "perceptrons",
            "network": network,
            "output": output,
            "transform": transform,
            "mean": float(middle[output]),
            "deviation": float(spread[output]),
            "range": [float(np.nanmin(values)), float(np.nanmax(values))],
            "source": target.source,
        }
    return models, weights


def _train(x: Tensor, y: Tensor, seed: int, epochs: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the layers, (weights (in, out), biases (out,)), of one perceptron.

    Trained on the absolute error, which a few odd measurements do not pull away, with AdamW and
    one cycle of the learning rate (L. N. Smith and N. Topin, "Super-Convergence", 2019).
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sizes = [x.shape[1], *[WIDTH] * DEPTH, y.shape[1]]
        linear = [nn.Linear(*pair) for pair in itertools.pairwise(sizes)]
    layers = [module for layer in linear for module in (layer, nn.SiLU())]
    network = nn.Sequential(*layers[:-1])
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
    return [
        (layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy().copy())
        for layer in linear
    ]
