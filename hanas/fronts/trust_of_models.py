"""How far to trust trained models: accuracy on images and between seeds, classes, latency."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from hanas.fronts.trust import Trust, all_of, read

NOTHING = Trust()


def of_models(
    exports: pd.DataFrame,
    latencies: Iterable[tuple[str, pd.DataFrame]],
    predictions: Mapping[str, Trust],
    of_images: Trust = NOTHING,
) -> dict[int, Trust]:
    """Return how well accuracy and latency of each trained model are known, by its number.

    ``exports`` and ``latencies`` are those of :func:`hanas.deploy.model_cards.write_cards`;
    ``predictions`` says of devices whose latencies are predicted how well that is, ``of_images``
    what has to be known of the images.
    """
    tables, found = list(latencies), {}
    for export in exports.to_dict("records"):
        share, images = export["test_accuracy_percent"] / 100, int(export["test_images"])
        error = 100 * math.sqrt(share * (1 - share) / images)
        said = (
            f"its accuracy is measured on {images} test images: {100 * share:.2f} %, ± {error:.2f} "
            "points of standard error"
        )
        warned = [export.get(f"{split}warning") for split in ("", "validation_")]
        doubts = tuple(text for text in warned if isinstance(text, str) and text)
        parts = [Trust((said, _of_seeds(export)), doubts)]
        for device, table in tables:
            rows = table[table["arch"] == export["arch"]]
            parts += [_of_latency(device, row, predictions) for row in rows.to_dict("records")]
        found[int(export["number"])] = all_of([*parts, of_images])
    return found


def _of_seeds(export: Mapping[Any, Any]) -> str:
    """Return how far another seed moves an accuracy."""
    if not export.get("seeds", 1) > 1:
        return "it was trained once, so how much another seed changes it is **not known**"
    return (
        f"it was trained {int(export['seeds'])} times with different seeds: "
        f"{export['test_accuracy_percent_mean']:.2f} % in the mean, "
        f"± {export['test_accuracy_percent_std']:.2f} points between seeds"
    )


def of_compared(models: pd.DataFrame, device: str, *, said: Trust = NOTHING) -> Trust:
    """Return why trained picks should not be trusted on a device, each reason once.

    ``models`` are those of :func:`hanas.fronts.otherwise.models_compared`; what is ``said`` already
    is left out.
    """
    picks = models[((models["device"] == device) & (models["role"] != "random")).to_numpy()]
    found: dict[str, list[str]] = {}
    for row in picks.to_dict("records"):
        for doubt in read(row).doubts:
            if doubt not in said.doubts:
                found.setdefault(doubt, []).append(f"{row['retraining']}/{row['number']}")
    return Trust((), tuple(f"trained {', '.join(of)}: {doubt}" for doubt, of in found.items()))


def of_archs(models: pd.DataFrame, device: str) -> dict[str, Trust]:
    """Return how far each trained architecture is to be trusted on a device, by its text.

    ``models`` are those of :func:`hanas.fronts.otherwise.models_compared`.
    """
    here = models[(models["device"] == device).to_numpy()]
    return {str(row["arch"]): read(row) for row in here.to_dict("records")}


def _of_latency(device: str, row: Mapping[Any, Any], predictions: Mapping[str, Trust]) -> Trust:
    if not row["feasible"]:
        return Trust((f"it does not run on {device}",))
    said, doubts = f"its latency on {device} is {row['source']}", ()
    if row.get("stable") is not None and not pd.isna(row["stable"]):
        said += ", stable" if row["stable"] else ", **unstable**"
        if not row["stable"]:
            doubts = (f"its latency on {device} is unstable: the passes differ too much",)
    return Trust((said,), doubts) + predictions.get(device, Trust())
