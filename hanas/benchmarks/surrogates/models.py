"""Small models that stand in for benchmark tables, so that a study needs no download.

A bundle is one ``.npz`` file without pickles: a header in JSON, which says what each model
predicts, what it was fitted to and how well it predicts cells that were not, and the models'
arrays. A model is of a kind: ``linear``, the largest of one or more linear functions of the numbers
of operations, for metrics that are exactly so; ``perceptrons``, the mean of some, on the logarithm
of a metric or the logit of an accuracy; ``partial_cells``, what a device cannot run, see
:mod:`.exact_models`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from hanas.benchmarks.surrogates import cell_features
from hanas.benchmarks.surrogates.exact_models import matches
from hanas.core import files
from hanas.core.errors import InputError
from hanas.core.settings import Fraction, Seed, Settings

#: The bundle that is shipped with the project.
SHIPPED = Path(__file__).parents[3] / "resources" / "surrogates" / "nb201.npz"
FORMAT = 1
_ENOUGH_DIGITS = {"linear": 12, "perceptrons": 6}
FEATURES = {"live_edges": cell_features.live_edges, "all_edges": cell_features.all_edges}


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

    ``header`` has ``format``, ``space``, ``revision`` (of the fit), ``seed`` and ``held_out`` (see
    :func:`split`); in ``networks`` the features that each network of perceptrons sees; in
    ``models`` for each model its ``kind``, ``source``, ``quality`` on held-out cells, and what the
    kind needs.
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
            # (N, 5) @ (5, functions)
            values = (cell_features.counts(genes) @ self.arrays[f"linear/{name}"].T).max(axis=1)
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
