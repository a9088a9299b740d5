"""Small models that stand in for benchmark tables, so that a study needs no download.

A bundle is one ``.npz`` file without pickles: a header in JSON, which says what each model
predicts, what it was fitted to and how well it predicts other cells, and the models' arrays. A
model is of a kind. ``perceptrons``: the mean of some, on the logarithm of a metric or the logit of
an accuracy. ``linear``: the largest of a few linear functions of the numbers of operations. Metrics
of analytic cost models are exactly that: sums over layers, and where arithmetic or memory bounds
the time, the larger of two. ``partial_cells``: what a compiler fails on, an absent edge here with a
convolution there. A *partial cell*, int (6,), fixes some edges, or only that one is
:data:`ANY_CONVOLUTION`, and leaves others open (:data:`ANY`). Genes are int (N, 6).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from hanas.benchmarks.surrogates import cell_features
from hanas.core import files
from hanas.core.errors import InputError
from hanas.core.settings import Fraction, Seed, Settings
from hanas.data.tables.metric_tables import NB201

#: The bundle that is shipped with the project.
SHIPPED = files.RESOURCES / "surrogates" / "nb201.npz"
FORMAT = 1
EXACT = 1e-9  # largest relative error of a model that is called exact
ANY, ANY_CONVOLUTION = 5, 6
#: Whether an entry of a partial cell (row) admits an operation (column).
_CONVOLVES = [one.convolves for one in NB201.distinct]
_ADMITS = np.vstack([np.eye(5), np.ones(5), _CONVOLVES]).astype(bool)
_LARGEST = 3  # linear functions
_RESTARTS = 50
_ITERATIONS = 100
_ENOUGH_DIGITS = {"linear": 12, "perceptrons": 6}
FEATURES = {
    "live_edges": partial(cell_features.live_edges, NB201),
    "all_edges": partial(cell_features.all_edges, NB201),
}


def _logit(percent: np.ndarray) -> np.ndarray:
    percent = np.clip(percent, 0.01, 99.99)  # 0 and 100 stay finite
    return np.log(percent / (100 - percent))


def _percent(logit: np.ndarray) -> np.ndarray:
    return 100 / (1 + np.exp(-logit))


#: What perceptrons predict of a number, and the number of it.
TRANSFORMS = {"log": (np.log, np.exp), "logit": (_logit, _percent)}


class SurrogateFit(Settings):
    """How surrogates of a space are fitted."""

    seed: Seed = Field(0, description="Of the held-out cells and of the fit.")
    held_out: Fraction = Field(
        0.1, description="Part of the cells that is kept out of the fit to judge it."
    )


@dataclass(frozen=True)
class Bundle:
    """Models by name: ``DATASET/accuracy_percent``, ``DATASET/DEVICE/METRIC``, .../feasible.

    ``header`` says how the models were fitted, in ``networks`` the features that each network of
    perceptrons sees, and in ``models`` for each model its ``kind``, ``source``, ``quality`` on
    held-out cells, and what the kind needs.
    """

    header: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]

    def names(self) -> tuple[str, ...]:
        """Return the names of the models, sorted."""
        return tuple(sorted(self.header["models"]))

    def predict(self, name: str, genes: np.ndarray) -> np.ndarray:
        """Return predictions of a metric or accuracy of genes (N, 6), float64 (N,), in its unit.

        Rounded to the digits that mean something, so that no computer's arithmetic shows.
        """
        model = self.header["models"][name]
        if model["kind"] == "linear":
            counted = cell_features.counts(NB201, genes)
            values = (counted @ self.arrays[f"linear/{name}"].T).max(axis=1)
        else:
            outputs = self._outputs(model["network"], genes)[:, model["output"]]
            _, inverse = TRANSFORMS[model["transform"]]
            values = inverse(model["mean"] + model["deviation"] * outputs)
            values = np.clip(values, *model["range"])  # no prediction beyond what was ever seen
        digits = _ENOUGH_DIGITS[model["kind"]]
        return np.array([float(f"{value:.{digits}g}") for value in values])

    def feasible(self, dataset: str, device: str, genes: np.ndarray) -> np.ndarray:
        """Return which cells, genes (N, 6), a device can run, bool (N,); all if none is known."""
        name = f"{dataset}/{device}/feasible"
        if name not in self.header["models"]:
            return np.ones(len(genes), dtype=bool)
        return np.logical_not(matches(self.arrays[f"partial_cells/{name}"], genes).any(axis=0))

    def _outputs(self, network: str, genes: np.ndarray) -> np.ndarray:
        """Return the mean outputs of a network's perceptrons, float64 (N, K)."""
        facts = self.header["networks"][network]

        def array(name: str) -> np.ndarray:
            return self.arrays[f"{network}/{name}"].astype(np.float64)

        x = ((FEATURES[facts["features"]](genes) - array("mean")) / array("deviation"))[None]
        for layer in range(facts["layers"]):
            if layer > 0:
                x = x / (1 + np.exp(-np.clip(x, -60, 60)))  # SiLU
            # (members, N, in) @ (members, in, out) + (members, 1, out)
            x = x @ array(f"weights_{layer}") + array(f"biases_{layer}")
        return x.mean(axis=0)


def split(cells: int, *, seed: int, held_out: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the cells that are judged, and of those that are fitted, sorted int64.

    >>> split(5, seed=0, held_out=0.4)
    (array([2, 4]), array([0, 1, 3]))
    """
    order, judged = np.random.default_rng(seed).permutation(cells), round(held_out * cells)
    return np.sort(order[:judged]), np.sort(order[judged:])


def load(path: Path = SHIPPED) -> Bundle:
    """Read a bundle; InputError if it is no whole one."""
    hint = "; take it from the project again" if path == SHIPPED else ""
    header, arrays = files.read_npz(path, what="surrogates", hint=hint)
    if not isinstance(header, dict) or not {"format", "models", "networks"} <= header.keys():
        raise InputError(f"{path}: not readable as surrogates: its header is another one{hint}")
    if header["format"] != FORMAT:
        raise InputError(f"{path}: format {header['format']}; this version of hanas reads {FORMAT}")
    return Bundle(header, arrays)


def described(bundle: Bundle, names: Sequence[str]) -> str:
    """Return the ``source`` of a table from the models of an accuracy, or of all metrics."""
    errors = []
    for name in names:
        error = bundle.header["models"][name]["quality"]["median_relative_error"]
        text = "exact" if error < 1e-6 else f"{100 * error:.2g} %"
        errors.append(f"{name.rpartition('/')[2]} {text}" if len(names) > 1 else text)
    # A device's source names the benchmark, not the device.
    _, *device, _ = names[0].split("/")
    origin = re.sub(r"^\w+: | \(sha256 \w+\)", "", bundle.header["models"][names[0]]["source"])
    place = " ".join([origin, *device])
    return f"surrogate: {place} (median error on held-out cells: {', '.join(errors)})"


def exact_maximum(
    counts: np.ndarray, values: np.ndarray, rng: np.random.Generator
) -> np.ndarray | None:
    """Return the fewest linear functions whose largest value is the metric; None if none are.

    The least-squares partition algorithm of A. Magnani and S. Boyd, "Convex piecewise-linear
    fitting", Optimization and Engineering, 2009: fit a linear function to each part of the points
    (at first a random one), let each point go to the function that is largest there, repeat.

    ``counts``, float64 (N, F), and ``values``, float64 (N,), not 0, give float64 (functions, F),
    with a relative error below :data:`EXACT` for each value.

    >>> x = np.column_stack([np.ones(20), np.arange(20.0)])
    >>> larger = np.maximum(9 + x[:, 1], 1 + 2 * x[:, 1])
    >>> exact_maximum(x, larger, np.random.default_rng(0)).round(6)
    array([[9., 1.],
           [1., 2.]])
    """
    points, first, inverse = np.unique(counts, axis=0, return_index=True, return_inverse=True)
    at_points = values[first]
    if np.abs(at_points[inverse.ravel()] / values - 1).max() > EXACT:
        return None  # not even a function of the counts
    for functions in range(1, _LARGEST + 1):
        for _ in range(_RESTARTS if functions > 1 else 1):
            coefficients = _partition_fit(points, at_points, functions, rng)
            if coefficients is not None:
                error = np.abs((points @ coefficients.T).max(axis=1) / at_points - 1)
                if error.max() <= EXACT:
                    return coefficients
    return None


def _partition_fit(
    points: np.ndarray, values: np.ndarray, functions: int, rng: np.random.Generator
) -> np.ndarray | None:
    """Return coefficients that the algorithm ends at; None if a part has too few points."""
    deviation = points.std(axis=0)
    scaled = (points - points.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    part = (scaled @ rng.normal(size=(points.shape[1], functions))).argmax(axis=1)
    coefficients = np.zeros((functions, points.shape[1]))
    for _ in range(_ITERATIONS):
        for function in range(functions):
            chosen = part == function
            if chosen.sum() < points.shape[1]:
                return None
            coefficients[function] = np.linalg.lstsq(points[chosen], values[chosen], rcond=None)[0]
        now = (points @ coefficients.T).argmax(axis=1)
        if (now == part).all():
            break
        part = now
    return coefficients


def matches(partial_cells: np.ndarray, genes: np.ndarray) -> np.ndarray:
    """Return which cells match which partial cells (K, 6), bool (K, N).

    >>> cells = np.array([[0, 1, 1, 1, 2, 1], [0, 1, 1, 1, 4, 1], [1, 1, 1, 1, 2, 1]])
    >>> matches(np.array([[0, ANY, ANY, ANY, ANY_CONVOLUTION, ANY]]), cells)
    array([[ True, False, False]])
    """
    matched = np.ones((len(partial_cells), len(genes)), dtype=bool)
    for edge in range(genes.shape[1]):
        matched &= _ADMITS[partial_cells[:, edge]][:, genes[:, edge]]
    return matched


def learn(genes: np.ndarray, fails: np.ndarray, *, support: int = 4) -> np.ndarray:
    """Return a short list of partial cells that only failing cells match, uint8 (K, 6).

    Every partial cell that at least ``support`` of the given cells (each once) match, all of which
    fail (bool (N,)), is a candidate; chosen is each time the one that explains most failures not
    yet explained, until none explains ``support`` more. What is left over are single failures amid
    cells alike that run: a compiler's mishap, not a rule.
    """
    failing, running = _matching(genes[fails]), _matching(genes[~fails])
    candidates = np.argwhere((running == 0) & (failing >= support))  # (C, 6)
    explained = failing[tuple(candidates.T)]
    candidates = candidates[np.argsort(-explained, kind="stable")]
    covers = matches(candidates, genes[fails])  # (C, failing cells)
    left = np.ones(covers.shape[1], dtype=bool)
    chosen = []
    while len(candidates):
        gains = covers[:, left].sum(axis=1)
        best = int(gains.argmax())
        if gains[best] < support:
            break
        chosen.append(candidates[best])
        left &= ~covers[best]
    return np.array(chosen, dtype=np.uint8).reshape(-1, genes.shape[1])


def _matching(genes: np.ndarray) -> np.ndarray:
    """Return how many cells match each possible partial cell, float64 (7, 7, 7, 7, 7, 7)."""
    numbers = np.zeros((ANY,) * genes.shape[1])
    np.add.at(numbers, tuple(genes.T), 1)
    for edge in range(genes.shape[1]):
        numbers = np.moveaxis(np.tensordot(_ADMITS, numbers, axes=(1, edge)), 0, edge)
    return numbers
