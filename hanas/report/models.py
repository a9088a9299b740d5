"""The page of trained models: how well each does, class by class, and what to know before use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from hanas.core import escape
from hanas.deploy.formats import FILES
from hanas.fronts.trust import Trust, sentence
from hanas.report.tables import markdown_table

#: Classes that a page shows of each model, those that it knows least first.
MOST_CLASSES = 20


def models_page(
    exports: pd.DataFrame,
    table: pd.DataFrame,
    *,
    retraining: str,
    test_images: Mapping[str, int],
    trust: Mapping[int, Trust],
) -> str:
    """Return the page of a retraining as Markdown.

    ``exports`` is the table of :func:`hanas.deploy.exporting.export_retrained`, ``table`` that of
    :func:`hanas.deploy.model_cards.models_table`; ``test_images`` are those of each class, and
    ``trust`` says by a model's number how well its numbers are known.
    """
    lines = [f"# Trained models: {retraining}", ""]
    lines += [_red(text) for text in _of_each(trust, "doubts")]
    lines += markdown_table(
        _overview(exports, table), text_columns=["model", "what", "latency (ms an image)"]
    )
    test = int(exports["test_images"].iloc[0])
    alone = float(exports["largest_class_percent"].iloc[0])
    lines += [
        "",
        f"Accuracies are percent of {test} test images in ONNX Runtime; *balanced* is the mean of "
        f"the accuracies of the classes. Always answering the largest class scores {alone:.2f} %. "
        + _of_validation(exports)
        + _of_starts(exports),
        "",
        "## Files",
        "",
        *markdown_table(
            _files(exports, table),
            text_columns=[
                "model",
                "file",
                "format",
                "precision",
                "latency (ms an image), measured on",
            ],
        ),
        "",
        "A file's accuracy is of the test images in its own runtime; latencies are of the file's "
        "format and precision.",
        "",
        "## How well things are known",
        "",
        *(f"- {escape.markdown(text)}" for text in _of_each(trust, "known")),
        "",
        "## Each class",
        "",
    ]
    return "\n".join([*lines, *_classes(exports, test_images), ""])


def _red(text: str) -> str:
    """Return a line that a browser shows in red, and everything else as it is."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    return f'<p style="color: #b00000"><strong>Warning.</strong> {escaped}</p>\n'


def _of_each(trust: Mapping[int, Trust], which: str) -> list[str]:
    """Return sentences of models, each once; those that are not of all begin with their numbers."""
    models: dict[str, list[int]] = {}
    for number, of_model in trust.items():
        for said in getattr(of_model, which):
            models.setdefault(said, []).append(number)
    found = []
    for said, numbers in models.items():
        name = f"model{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}: "
        found.append(sentence(said if len(numbers) == len(trust) > 1 else name + said))
    return found


def _overview(exports: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    latencies = {number: _latency(of_model) for number, of_model in table.groupby("number")}
    columns = {
        "float32 (%)": "float32_accuracy_percent",
        "balanced (%)": "float32_balanced_percent",
        "int8 (%)": "int8_accuracy_percent",
        "int8 balanced (%)": "int8_balanced_percent",
        "validation (%)": "validation_accuracy_percent",
        "validation balanced (%)": "validation_balanced_percent",
    }
    shown = pd.DataFrame({"model": exports["number"].astype(str)})
    published = exports["role"] == "published"
    shown["what"] = exports["role"].where(~published, exports["arch"])
    if (exports["seeds"] > 1).any():
        shown["seeds"] = exports["seeds"].astype(str)
        shown["over seeds (%)"] = [_over_seeds(row) for row in exports.to_dict("records")]
    for title, column in columns.items():
        if column in exports:
            shown[title] = [f"{value:.2f}" for value in exports[column]]
    if any(latencies.values()):
        shown["latency (ms an image)"] = exports["number"].map(latencies).to_numpy()
    shown["parameters"] = [f"{count:,}" for count in exports["params"]]
    return shown


def _files(exports: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each file of each model, all formats side by side."""
    rows = []
    for export in exports.to_dict("records"):
        of_model = table[table["number"] == export["number"]]
        for name, files in FILES.items():
            before = "" if name == "onnx" else f"{name}_"
            if f"{before}float32_bytes" not in export:
                continue
            for precision, file in files.items():
                difference = export[f"{before}largest_difference"]
                percent = export[f"{before}{precision}_accuracy_percent"]
                rows.append(
                    {
                        "model": str(export["number"]),
                        "file": file,
                        "format": name,
                        "precision": precision,
                        "accuracy (%)": f"{percent:.2f}",
                        "largest difference": f"{difference:.1e}" if precision != "int8" else "",
                        "size (MB)": f"{export[f'{before}{precision}_bytes'] / 1e6:.3f}",
                        "latency (ms an image), measured on": _latency_of(
                            of_model, name, precision
                        ),
                    }
                )
    return pd.DataFrame(rows)


def _latency_of(of_model: pd.DataFrame, name: str, precision: str) -> str:
    """Return the latencies that were measured of files of one format and precision."""
    if name == "onnx_batch_1" or not {"latency_ms", "precision"} <= set(of_model):
        return ""  # devices are given ONNX with a batch of their own, which stands at onnx
    format_of = of_model["format"] if "format" in of_model else pd.Series("onnx", of_model.index)
    same = (format_of.fillna("onnx") == name) & (of_model["precision"] == precision)
    return _latency(of_model[same])


def _over_seeds(export: Mapping[Any, Any]) -> str:
    mean, deviation = (export[f"test_accuracy_percent_{name}"] for name in ("mean", "std"))
    return f"{mean:.2f}" + ("" if pd.isna(deviation) else f" ± {deviation:.2f}")


def _latency(of_model: pd.DataFrame) -> str:
    if "latency_ms" not in of_model:
        return ""
    known = of_model[of_model["latency_ms"].notna()]
    return ", ".join(
        f"{row['device']} {row['latency_ms']:.3g}{_batch(row)}" for row in known.to_dict("records")
    )


def _of_validation(exports: pd.DataFrame) -> str:
    if "validation_images" not in exports:
        return "The validation images were trained on."
    count = int(exports["validation_images"].iloc[0])
    return f"Validation accuracies are PyTorch's, of {count} images."


def _of_starts(exports: pd.DataFrame) -> str:
    """Return what trainings began from, if from no random weights."""
    if "started_from" not in exports:
        return ""
    start, digest = exports[["started_from", "started_from_sha256"]].iloc[0]
    return (
        f" Trainings started from {escape.markdown(start)}: each network from its part of those "
        f"weights (SHA-256 {digest[:12]})."
    )


def _batch(row: Mapping[Any, Any]) -> str:
    return f" (batch {row['batch']:.0f})" if row.get("batch", 1) > 1 else ""


def _classes(exports: pd.DataFrame, test_images: Mapping[str, int]) -> list[str]:
    """Return a table of the accuracy of each class, a model a column."""
    of_model = {
        f"model {number}, {precision}": json.loads(text)
        for precision in ("float32", "int8")
        for number, text in zip(
            exports["number"], exports[f"{precision}_class_percent"], strict=True
        )
    }
    table = pd.DataFrame(of_model)
    table = table.loc[table.mean(axis=1).sort_values(kind="stable").index]
    shown = table.head(MOST_CLASSES).map(lambda value: "" if pd.isna(value) else f"{value:.2f}")
    shown.insert(0, "test images", [str(test_images[name]) for name in shown.index])
    lines = markdown_table(shown.reset_index(names="class"), text_columns=["class"])
    if len(table) > MOST_CLASSES:
        lines += ["", f"The {MOST_CLASSES} of {len(table)} classes that are known least."]
    return lines
