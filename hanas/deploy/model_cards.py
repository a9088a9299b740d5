"""Cards beside exported networks, all that one needs to use and to judge one; and their table.

A card is JSON in the layout of ``hanas/resources/model_card.schema.json``. Its ``schema_version``
is raised when a key changes its meaning or goes away, and not when one is added.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import hanas
from hanas.core.compute import NO_VNNI, commit
from hanas.core.errors import InputError
from hanas.core.files import RESOURCES, checksum, name_of, write_json
from hanas.core.settings import Settings
from hanas.data.class_accuracy import counts_of
from hanas.data.images import ImageData, load_images, training_statistics
from hanas.deploy import hub_cards, onnx_models
from hanas.deploy.formats import FILES, WEIGHTS_FILE
from hanas.deploy.quantisation import Quantisation
from hanas.spaces.networks import published
from hanas.training.settings import RetrainingTraining

SCHEMA_VERSION = 1
CARD_FILE, README_FILE = "model.json", "README.md"
#: Classifies pictures with the files that lie beside it, without hanas.
PREDICT = RESOURCES / "models" / "predict.py"
#: What a source begins with, before a colon; any other text is that of a user's table.
KINDS = ("measured", "predicted", "benchmark", "surrogate", "estimate", "table")
#: How pictures of more than 8 bits are prepared, instead of what 8 bits say.
DEEP_STEP = (
    "of more than 8 bits a channel: keep the values as they are, and after resizing (in floats) "
    "make `value_range` 0 and 255, what is beyond too, rounded to 8 bits; grey in all channels"
)
_WHOLE = ("threads", "batch", "passes", "repeats")
#: Columns of a device's table that say how it was measured, and what is said of each metric.
CONDITIONS = ("format", "precision", *_WHOLE, "stable", "runtime", "board")
DETAILS = {
    "latency": {
        "value": "latency_ms",
        "deviation": "latency_ms_deviation",
        "mean": "latency_mean_ms",
        "median": "latency_median_ms",
        "lower_quartile": "latency_q25_ms",
        "upper_quartile": "latency_q75_ms",
    },
    "energy": {"value": "energy_mj", "deviation": "energy_mj_deviation"},
}
#: Columns of a device's table that the table of models shows, in that order.
_SHOWN = ("feasible", "reason", *DETAILS["latency"].values(), *DETAILS["energy"].values())


@dataclass(frozen=True)
class Made:
    """How the networks of a retraining were made, as their cards say it."""

    space: str
    network: Settings
    training: RetrainingTraining
    seed: int | None  # of the training, as the precision
    precision: str | None
    quantisation: Quantisation
    dataset: str = "images"  # its name in the study, and what kind that is
    dataset_kind: str = ""
    licence: str = "unknown"


def write_cards(
    exports: pd.DataFrame,
    latencies: Sequence[tuple[str, pd.DataFrame]],
    images: str | Path,
    *,
    made: Made,
    folder: str | Path,
    trust: Mapping[int, Mapping[str, list[str]]] | None = None,
) -> None:
    """Write cards beside every exported network; equal input gives equal bytes.

    ``{number}/model.json``, the same as README.md for people and Hugging Face, and ``predict.py``.

    ``exports`` is the table of :func:`hanas.deploy.exporting.export_retrained`, ``folder`` where
    they were exported to, and ``images`` the file of the data set. ``latencies`` are names of
    devices, in the order in which they are shown, with tables of ``arch``, ``feasible``, ``source``
    and what there is of :data:`DETAILS` and :data:`CONDITIONS`; a device may come twice, predicted
    and measured. ``trust`` says by a model's number how far to trust it, see
    :attr:`hanas.fronts.trust.Trust.about`. InputError if a table has no row of an architecture, or
    a file is not there.
    """
    data = load_images(images)
    made_from = {"file": name_of(images), "sha256": checksum(images), "sources": data.sources}
    for export in exports.to_dict("records"):
        place = Path(folder) / str(export["number"])
        content = {
            "schema_version": SCHEMA_VERSION,
            "task": "image classification",
            **({"about": trust[int(export["number"])]} if trust else {}),
            **_of_network(export, data, made, _not_worth_it(latencies, str(export["arch"]))),
            "devices": [_of_device(name, table, str(export["arch"])) for name, table in latencies],
            "files": _files(export, place, data, made),
            "provenance": {
                "hanas": {"version": hanas.__version__, "commit": commit()},
                "images": made_from,
            },
        }
        write_json(place / CARD_FILE, content)
        said = hub_cards.readme(
            content, dataset=made.dataset, kind=made.dataset_kind, licence=made.licence
        )
        (place / README_FILE).write_text(said, encoding="utf-8")
        shutil.copyfile(PREDICT, place / PREDICT.name)


def _not_worth_it(latencies: Sequence[tuple[str, pd.DataFrame]], arch: str) -> list[str]:
    """Return where INT8 was measured on a processor that gains nothing by it."""
    found = []
    for name, table in latencies:
        of_arch = table[table["arch"] == arch]
        sources = of_arch["runtime"].astype(str) if "runtime" in of_arch else pd.Series(dtype=str)
        if sources.str.contains(NO_VNNI, regex=False).any():
            found.append(
                f"INT8 does not pay on {name}: its processor has no VNNI, so that sums of 8-bit "
                "products are exact only by a slower way (the session options of the file, with "
                "which accuracy and latency were measured); use float32 there"
            )
    return found


def _of_network(
    export: Mapping[str, Any], data: ImageData, made: Made, of_devices: Sequence[str] = ()
) -> dict[str, Any]:
    """Return what a card says of a network, of its accuracy and of its training."""
    arch, quantisation = str(export["arch"]), made.quantisation
    told = [export["warning"], export.get("validation_warning"), *data.warnings, *of_devices]
    return {
        "architecture": {
            "space": made.space,
            "text": arch,
            **readable(arch, made.space),
            "network": published.network_of(arch, made.network).params(),
            "parameters": int(export["params"]),
            "multiply_accumulates": int(export["multiply_accumulates"]),
        },
        "classes": list(data.classes),
        "input": _input(data, made.training.resolution),
        "output": {
            "name": onnx_models.OUTPUT,
            "type": "float32",
            "shape": ["batch", len(data.classes)],
            "meaning": "a number for each of `classes`, in their order; the largest is the answer, "
            "softmax makes probabilities of them",
        },
        "accuracy": {
            "test_images": int(export["test_images"]),
            "float32_percent": float(export["float32_accuracy_percent"]),
            "int8_percent": float(export["int8_accuracy_percent"]),
            "int8_loss_points": float(export["int8_loss_percent"]),
            "agreement_percent": float(export["agreement_percent"]),
            "pytorch_percent": float(export["test_accuracy_percent"]),
            "largest_logit_difference": float(export["largest_difference"]),
            **_over_seeds(export),
            "source": export["sources"],
            **_of_classes(export, data),
        },
        "warnings": [text for text in told if isinstance(text, str) and text],
        "training": {
            "images": int(export["train_images"]),
            "seed": made.seed,
            "seeds": int(export["seeds"]),
            "precision": made.precision,
            "settings": made.training.params(),
            **_start(export),
        },
        "quantisation": {
            "weights": "symmetric int8",
            "activations": "asymmetric uint8",
            **quantisation.params(),
            "calibration_images": min(quantisation.calibration_images, len(data.splits["train"])),
            "convolutions": int(export["convolutions"]),
            "int8_convolutions": int(export["int8_convolutions"]),
        },
    }


def _start(export: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a card says of the weights that training began from, if they were no new ones."""
    if "started_from" not in export:
        return {}
    return {
        "started_from": {
            "weights": str(export["started_from"]),
            "sha256": str(export["started_from_sha256"]),
        }
    }


def _over_seeds(export: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a card says of further trainings of a network; nothing where there is one."""
    if int(export["seeds"]) == 1:
        return {}
    return {
        "over_seeds": {
            "seeds": int(export["seeds"]),
            "mean_percent": float(export["test_accuracy_percent_mean"]),
            "deviation_points": float(export["test_accuracy_percent_std"]),
        }
    }


def _of_classes(export: Mapping[str, Any], data: ImageData) -> dict[str, Any]:
    """Return what a card says of each class, and of the validation images where it is known."""
    exact, rough = (json.loads(export[f"{p}_class_percent"]) for p in ("float32", "int8"))
    each = zip(data.classes, counts_of(data, "test").tolist(), strict=True)
    found: dict[str, Any] = {
        "float32_balanced_percent": float(export["float32_balanced_percent"]),
        "int8_balanced_percent": float(export["int8_balanced_percent"]),
        "largest_class_percent": float(export["largest_class_percent"]),
        "classes": [
            {
                "class": name,
                "test_images": count,
                **({"float32_percent": exact[name], "int8_percent": rough[name]} if count else {}),
            }
            for name, count in each
        ],
    }
    if not pd.isna(export.get("validation_accuracy_percent", np.nan)):
        classes = json.loads(export["validation_class_percent"]).items()
        found["validation"] = {
            "images": int(export["validation_images"]),
            "pytorch_percent": float(export["validation_accuracy_percent"]),
            "balanced_percent": float(export["validation_balanced_percent"]),
            "classes": {name: percent for name, percent in classes if percent is not None},
        }
    return found


def readable(arch: str, space: str) -> dict[str, Any]:
    """Return the operations of an architecture: the edges of a cell, or the layers of a chain.

    Where channels or numbers of layers are searched, also those of the stages, at width 1.

    >>> readable("shufflenet_v2", "shuffle")["layers"][:2]
    ['shuffle_3x3', 'shuffle_3x3']
    """
    found = published.space_of(arch, space)
    genes = found.from_text(arch)
    if found.edges:
        names = [found.options(number)[gene] for number, gene in enumerate(genes)]
        edges = zip(found.edges, names, strict=True)
        return {"cell": [{"from": a, "to": b, "operation": name} for (b, a), name in edges]}
    layers = [operation.name for operation in found.operations_of(genes)]
    if found.one_size:
        return {"layers": layers}
    stages = found.skeleton_of(genes).stages
    sizes = [{"channels": stage.channels, "layers": stage.layers} for stage in stages]
    return {"layers": layers, "stages": sizes}


def _input(data: ImageData, resolution: int | None) -> dict[str, Any]:
    """Return how a picture becomes the input, as the reader of pictures and the training did it."""
    height, width = data.images.shape[1:3]
    rows, columns = resolution or height, resolution or width
    mean, deviation = training_statistics(data)
    deep = [] if data.value_range is None else [DEEP_STEP]
    return {
        "name": onnx_models.INPUT,
        "type": "float32",
        "shape": ["batch", 3, rows, columns],
        "steps": [
            "decode; turn as EXIF says; lay transparent pixels on black; 8-bit RGB",
            *deep,
            "cut the largest square out of the middle and resize it to `resize` (width, height), "
            "bilinear with antialiasing (Pillow's Image.resize with a box), rounded to 8 bits",
            "average-pool: reshape (height, width, 3) to `blocks`, mean over axes 1 and 3",
            "divide by 255, subtract `mean`, divide by `deviation` (red, green, blue)",
            "channels first: (batch, 3, height, width)",
        ],
        **({} if data.value_range is None else {"value_range": list(data.value_range)}),
        "resize": [width, height],
        "blocks": [rows, height // rows, columns, width // columns, 3],
        "mean": mean.tolist(),
        "deviation": deviation.tolist(),
    }


def _of_device(name: str, table: pd.DataFrame, arch: str) -> dict[str, Any]:
    """Return what a device's table says of an architecture, as the card says it."""
    rows = table[table["arch"] == arch]
    if len(rows) != 1:
        raise InputError(f"device {name}: {len(rows)} rows of {arch} in its table; expected one")
    row = rows.dropna(axis="columns").to_dict("records")[0]
    # A column in which other rows have no number holds fractions.
    row |= {key: int(row[key]) for key in _WHOLE if key in row}
    kind = str(row["source"]).split(":")[0]
    entry: dict[str, Any] = {
        "device": name,
        "kind": kind if kind in KINDS else "table",
        "source": row["source"],
        "feasible": row["feasible"],
    }
    if not row["feasible"]:
        return entry | ({"reason": row["reason"]} if row.get("reason") else {})
    for metric, unit in (("latency", "ms"), ("energy", "mJ")):
        if found := _given(row, DETAILS[metric]):
            entry[metric] = {**found, "unit": unit}
    return entry | {"conditions": _given(row, {key: key for key in CONDITIONS})}


def _given(row: Mapping[Any, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    return {key: row[column] for key, column in columns.items() if column in row}


def _files(
    export: Mapping[str, Any], place: Path, data: ImageData, made: Made
) -> dict[str, dict[str, Any]]:
    """Return what a card says of each file: those of :mod:`hanas.deploy.formats` that there are."""
    side = made.training.resolution or data.images.shape[1]
    found: dict[str, dict[str, Any]] = {}
    for name, files in FILES.items():
        of_onnx = name == "onnx"
        if not of_onnx and f"{name}_float32_accuracy_percent" not in export:
            continue
        of, source = ("", "sources") if of_onnx else (f"{name}_", f"{name}_source")
        for precision, file in files.items():
            quantised, layout = precision == "int8", ["batch" if of_onnx else 1, 3, side, side]
            found[file] = {
                **_file(place / file, precision),
                "format": name,
                "input": {
                    "type": "int8" if name == "litert" and quantised else "float32",
                    "shape": [1, side, side, 3] if name == "litert" else layout,
                },
                "accuracy_percent": float(export[f"{of}{precision}_accuracy_percent"]),
                "source": export[source],
            }
            if not quantised:
                difference = float(export[f"{of}largest_difference"])
                found[file]["largest_logit_difference"] = difference
            elif name != "litert":
                # Without it, x86 processors that lack VNNI cut off sums and lose accuracy.
                found[file]["session_options"] = dict([onnx_models.EXACT_SUMS])
    return found | {WEIGHTS_FILE: _file(place / WEIGHTS_FILE, "float32")}


def _file(path: Path, precision: str) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; export the network again")
    return {"precision": precision, "bytes": path.stat().st_size, "sha256": checksum(path)}


def models_table(
    exports: pd.DataFrame,
    latencies: Sequence[tuple[str, pd.DataFrame]],
    *,
    retraining: str,
    trust: Mapping[int, Mapping[str, str]] | None = None,
) -> pd.DataFrame:
    """Return a row for each model and device; for each model alone where there is no device.

    ``exports`` and ``latencies`` are those of :func:`write_cards`, whose ``sources`` become
    ``accuracy_source`` and ``latency_source``. Columns of ``trust``, by a model's number, join them
    (:attr:`hanas.fronts.trust.Trust.cells`).
    """
    models = exports.rename(columns={"sources": "accuracy_source"})
    parts = []
    for device, of_device in latencies:
        kept = [column for column in (*_SHOWN, *CONDITIONS) if column in of_device]
        known = of_device[["arch", *kept, "source"]].rename(columns={"source": "latency_source"})
        joined = models.merge(known, on="arch", how="left", validate="1:1")
        parts.append(joined.assign(device=device))
    whole = (pd.concat(parts) if parts else models.assign(device="")).assign(retraining=retraining)
    first = ["retraining", "number", "arch", "device"]
    if trust:
        cells = pd.DataFrame.from_dict(dict(trust), orient="index")
        whole = whole.join(cells, on="number")
        first += list(cells)
    columns = [*first, *whole.columns.difference(first, sort=False)]
    return whole[columns].sort_values("number", kind="stable", ignore_index=True)
