"""README.md of an exported network, with the front matter that Hugging Face reads.

Made of its card (:mod:`hanas.deploy.model_cards`) alone. Front matter: Hugging Face, "Model Cards",
https://huggingface.co/docs/hub/model-cards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from hanas.core import escape
from hanas.core.memory import in_words

#: Names on Hugging Face of the data sets that hanas loads by their kind.
HUB_DATASETS = {"cifar10": "uoft-cs/cifar10", "cifar100": "uoft-cs/cifar100"}


def readme(card: Mapping[str, Any], *, dataset: str, kind: str, licence: str) -> str:
    """Return the README.md of a network; ``dataset`` is its name in the study, of that ``kind``."""
    hub, accuracy = HUB_DATASETS.get(kind, dataset), card["accuracy"]
    models = {name: of for name, of in card["files"].items() if "accuracy_percent" in of}
    arch = card["architecture"]
    formats = {of["format"] for of in models.values()}
    front = {
        "license": licence,
        "library_name": "onnx",
        "pipeline_tag": "image-classification",
        "tags": ["hanas", "neural-architecture-search", "onnx", *sorted(formats & {"litert"})],
        "datasets": [hub],
        "metrics": ["accuracy"],
        "model-index": [
            {
                "name": arch["text"],
                "results": [
                    {
                        "task": {"type": "image-classification"},
                        "dataset": {"name": dataset, "type": hub, "split": "test"},
                        "metrics": [
                            {
                                "type": "accuracy",
                                "name": f"accuracy of {name}",
                                "value": round(of["accuracy_percent"] / 100, 6),
                            }
                            for name, of in models.items()
                        ],
                    }
                ],
            }
        ],
    }
    warned = [f"**Warning.** {escape.markdown(text)}\n" for text in card["warnings"]]
    lines = [
        *("---", yaml.safe_dump(front, sort_keys=False, allow_unicode=True).rstrip(), "---", ""),
        f"# {escape.markdown(arch['text'])}",
        "",
        f"Says which of {len(card['classes'])} classes a picture shows (`labels.txt`). Found by "
        f"hanas in the search space {escape.markdown(arch['space'])}: {arch['parameters']:,} "
        f"parameters, {arch['multiply_accumulates']:,} multiply-accumulates a picture. Trained on "
        f"{card['training']['images']} pictures of {escape.markdown(dataset)}{_start(card)}.",
        "",
        *warned,
        "## Files",
        "",
        *_table(
            {
                "file": name,
                "precision": of["precision"],
                "accuracy (%)": f"{of['accuracy_percent']:.2f}",
                "size": in_words(of["bytes"]),
                "largest difference of a logit to PyTorch": (
                    f"{of['largest_logit_difference']:.1e}"
                    if "largest_logit_difference" in of
                    else ""
                ),
            }
            for name, of in models.items()
        ),
        "",
        f"Accuracy on {accuracy['test_images']} test pictures. `model.safetensors` has the weights "
        "alone, by the names of PyTorch's layers; `model.json` has all that is known.",
        "",
        "## Use",
        "",
        "```",
        "pip install numpy pillow onnxruntime",
        "python predict.py picture.png --model model.onnx",
        *(
            ["pip install ai-edge-litert", "python predict.py picture.png --model model.tflite"]
            if "litert" in formats
            else []
        ),
        "```",
        "",
        "How a picture becomes the input:",
        "",
        *(f"{n}. {step}" for n, step in enumerate(card["input"]["steps"], 1)),
        "",
        *_devices(card),
    ]
    return "\n".join(lines)


def _start(card: Mapping[str, Any]) -> str:
    start = card["training"].get("started_from")
    return f", started from {escape.markdown(start['weights'])}" if start else ""


def _devices(card: Mapping[str, Any]) -> list[str]:
    rows = [
        {
            "device": of["device"],
            "latency (ms)": f"{of['latency']['value']:.3g}",
            "precision": str(of["conditions"].get("precision", "")),
            "how it is known": of["source"],
        }
        for of in card["devices"]
        if "latency" in of
    ]
    return ["## Latency", "", *_table(rows), ""] if rows else []


def _table(rows: Iterable[Mapping[str, str]]) -> list[str]:
    body = list(rows)
    lines = [list(body[0]), ["---"] * len(body[0]), *(list(row.values()) for row in body)]
    return [f"| {' | '.join(map(escape.markdown, line))} |" for line in lines]
