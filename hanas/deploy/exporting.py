"""Write retrained networks as ONNX files, float32 and 8-bit, and say how well each of them does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from hanas.core.compute import threads as torch_threads
from hanas.core.errors import InputError, one_line
from hanas.core.files import read_tensors, replacing
from hanas.core.memory import enough_memory, in_halves
from hanas.core.progress import Log, print_at_once
from hanas.data.batches import Split, images_at_a_time, load_split, ordered_batches
from hanas.data.class_accuracy import ClassAccuracy, counts_of
from hanas.data.images import ImageData, load_images
from hanas.deploy import litert, onnx_models
from hanas.deploy.formats import FLOAT32_FILE, INT8_FILE, LABELS_FILE, WEIGHTS_FILE
from hanas.deploy.further_formats import faithful, write_further
from hanas.deploy.quantisation import MEMORY_REMEDY, Quantisation, quantise
from hanas.spaces._space import Network
from hanas.spaces.networks import published
from hanas.training.epochs import EVALUATION_BATCH

#: What a table of retrained networks says that a table of exported ones repeats.
OF_TRAININGS = (
    "test_accuracy_percent",
    "seeds",
    "test_accuracy_percent_mean",
    "test_accuracy_percent_std",
)
#: The same of balanced accuracies, where networks are compared by these.
OF_BALANCED = tuple(
    name.replace("accuracy", "balanced") for name in OF_TRAININGS if name != "seeds"
)
#: Test images on which the two are compared.
COMPARED = 256
#: What it says where trainings began from a supernet.
OF_STARTS = ("started_from", "started_from_sha256")
#: What a table of results may say of validation images, which were not trained on then.
OF_VALIDATION = (
    "validation_accuracy_percent",
    "validation_balanced_percent",
    "validation_class_percent",
    "validation_images",
    "validation_warning",
)


def export_retrained(
    weights: str | Path,
    metrics: pd.DataFrame,
    images: str | Path,
    *,
    space: str,
    network: Network,
    resolution: int | None,
    quantisation: Quantisation,
    folder: str | Path,
    formats: Sequence[str] = ("onnx",),
    litert_python: str = litert.PYTHON,
    threads: int = 1,
    log: Log = print_at_once,
) -> pd.DataFrame:
    """Write the files of every retrained network: ONNX, and of ``formats`` what there is beside it.

    In a folder ``{number}`` each: :data:`hanas.deploy.formats.FILES`, weights and labels.

    ``weights`` is the file of state dicts by architecture that
    :func:`hanas.training.retraining.retrain` wrote, ``metrics`` its table of results, a row an
    architecture; numbers 1, 2, ... follow its order. ``images`` is the file of the data set;
    ``space``, ``network`` and ``resolution``, the side that images are average-pooled to (None
    keeps theirs), are those of the retraining.

    An architecture a row, with the columns :data:`OF_TRAININGS`, so that of several trainings the
    first is exported. ``test_accuracy_percent`` is PyTorch's, after training, the other two
    are ONNX Runtime's, on all test images, and ``int8_loss_percent`` is in points; for both there
    are ``float32_balanced_percent`` and ``float32_class_percent``, JSON of the accuracies of the
    classes; what ``metrics`` has of the validation images stands beside them; ``warning`` says
    where the largest class alone would score about as much;
    ``largest_difference`` is of a logit, between PyTorch and ONNX Runtime; ``agreement_percent``
    says to how many test images both networks give the same class; ``multiply_accumulates`` are for
    one image; ``int8_convolutions`` run in integers. Of further formats, also the columns of
    :func:`hanas.deploy.further_formats.write_further`.

    Raises InputError if weights and settings do not fit together, if a network's result depends on
    the other images of its batch, or if ONNX Runtime computes something else than PyTorch.
    """
    data = load_images(images)
    test = load_split(data, "test", resolution=resolution)
    calibration = load_split(data, "train", resolution=resolution)
    calibration_images = Normalised(calibration.take(quantisation.calibration_images))
    side, width = test.size
    if side != width:
        raise InputError(f"{images}: images of {side}x{width} pixels; only squares are exported")
    states = read_tensors(weights, "weights", dict)
    source = _source(quantisation, len(calibration_images))
    test_images = Normalised(test)
    labels = "".join(f"{' '.join(str(name).split())}\n" for name in data.classes)
    rows = []
    for number, row in enumerate(metrics.to_dict("records"), start=1):
        arch, place = str(row["arch"]), Path(folder) / str(number)
        float_file, int8_file = place / FLOAT32_FILE, place / INT8_FILE
        if arch not in states:
            raise InputError(
                f"{weights}: has no weights of {arch}; they and the table of results must be of "
                "the same retraining"
            )
        with enough_memory(f"{place}: exporting", MEMORY_REMEDY):
            of_arch = published.space_of(arch, space)
            fitted = of_arch.for_images(network, data.images.shape[1:3], resolution, images)
            made = of_arch.build(of_arch.from_text(arch), len(data.classes), fitted)
            _fill(made, states[arch], arch)
            onnx_models.export(made, float_file, resolution=side, batch=None)
            with torch_threads(threads):
                difference = _checked_difference(made, float_file, test.take(COMPARED))
            quantise(float_file, int8_file, calibration_images, quantisation, threads=threads)
            _write_weights(states[arch], place / WEIGHTS_FILE)
            (place / LABELS_FILE).write_text(labels, encoding="utf-8")
            further = write_further(
                formats,
                made,
                place,
                test,
                test_images,
                calibration_images,
                python=litert_python,
                threads=threads,
            )
            accuracies = _accuracies(float_file, int8_file, test, data, threads)
        integer, convolutions = onnx_models.integer_convolutions(int8_file)
        results = {
            "number": number,
            "arch": arch,
            **{name: row[name] for name in OF_TRAININGS},
            **{name: row[name] for name in OF_BALANCED if f"{OF_BALANCED[0]}_mean" in row},
            **accuracies,
            **{name: row[name] for name in (*OF_VALIDATION, *OF_STARTS) if name in row},
            "largest_difference": difference,
            "params": sum(weight.numel() for weight in made.parameters()),
            "multiply_accumulates": onnx_models.multiply_accumulates(float_file),
            "convolutions": convolutions,
            "int8_convolutions": integer,
            "float32_bytes": float_file.stat().st_size,
            "int8_bytes": int8_file.stat().st_size,
            "train_images": row["train_images"],
            "sources": source,
            **further,
        }
        log(
            f"{number} of {len(metrics)}: {arch}: {results['float32_accuracy_percent']:.2f} % in "
            f"float32, {results['int8_accuracy_percent']:.2f} % in int8 ({integer} of "
            f"{convolutions} convolutions), on {len(test)} test images"
        )
        if results["warning"]:
            log(f"Warning: {results['warning']}")
        rows.append(results)
    return pd.DataFrame(rows)


def normalised(split: Split) -> np.ndarray:
    """Return all images of a split as a network sees them, float32 (N, 3, H, W)."""
    # Channels first in memory too.
    batches = ordered_batches(split, EVALUATION_BATCH)
    return np.concatenate([batch.images.contiguous().numpy() for batch in batches])


class Normalised:
    """The images of a split as a network sees them, float32 (N, 3, H, W), made when asked for."""

    dtype = np.dtype(np.float32)

    def __init__(self, split: Split) -> None:
        self._split, self.shape = split, (len(split), 3, *split.size)

    def __len__(self) -> int:
        return len(self._split)

    def __getitem__(self, part: slice) -> np.ndarray:
        indices = torch.arange(len(self), device=self._split.labels.device)[part]
        return self._split.batch(indices).images.contiguous().cpu().numpy()


def _write_weights(state: dict[str, torch.Tensor], path: Path) -> None:
    """Write the weights alone, in the form that Hugging Face's libraries read."""
    from safetensors.torch import save_file

    with replacing(path) as temporary:
        save_file({name: weight.contiguous() for name, weight in state.items()}, temporary)


def _fill(network: nn.Module, state: dict[str, torch.Tensor], arch: str) -> None:
    try:
        network.load_state_dict(state)
    except (RuntimeError, AttributeError) as error:
        raise InputError(
            f"the weights of {arch} do not fit its network ({one_line(error)[:300]}); space, "
            "network and data set must be those of the retraining"
        ) from error
    if any(isinstance(m, nn.BatchNorm2d) and m.running_mean is None for m in network.modules()):
        raise InputError(
            "network.batch_norm: what such a network says of an image depends on the other images "
            "of its batch; retrain with batch_norm: running to export"
        )


def _checked_difference(network: nn.Module, file: Path, split: Split) -> float:
    """Return the largest difference of a logit between PyTorch and ONNX Runtime, if it is small."""
    model = onnx_models.session(file, exact_sums=True)
    found = [
        _run(model, batch.images.contiguous().numpy())
        for batch in ordered_batches(split, images_at_a_time(split, EVALUATION_BATCH))
    ]
    return faithful(network, np.concatenate(found), split, file)


def _run(model: Any, images: np.ndarray) -> np.ndarray:
    """Return the logits of a session whose batch is open, of fewer images where memory is short."""
    answers = in_halves(lambda part: model.run(None, {onnx_models.INPUT: part})[0], images)
    return np.concatenate(answers)


def _accuracies(
    float_file: Path, int8_file: Path, test: Split, data: ImageData, threads: int
) -> dict[str, Any]:
    """Return what ONNX Runtime makes of all test images."""
    files = (float_file, int8_file)
    models = [onnx_models.session(file, threads=threads, exact_sums=True) for file in files]
    counts = np.zeros(3, dtype=np.int64)  # right in float32, right in int8, the same in both
    right = np.zeros((2, len(data.classes)), dtype=np.int64)
    for batch in ordered_batches(test, images_at_a_time(test, EVALUATION_BATCH)):
        images = batch.images.contiguous().numpy()
        with enough_memory(f"{float_file}: testing", MEMORY_REMEDY):
            exact, rough = (_run(model, images).argmax(axis=1) for model in models)
        labels = batch.labels.numpy()
        counts += [(exact == labels).sum(), (rough == labels).sum(), (exact == rough).sum()]
        for of_file, answers in zip(right, (exact, rough), strict=True):
            of_file += np.bincount(labels[answers == labels], minlength=len(of_file))
    of_classes = counts_of(data, "test")
    exact, rough = (ClassAccuracy(data.classes, of_classes, of_file) for of_file in right)
    float_percent, int8_percent, agreement = (100 * int(count) / len(test) for count in counts)
    return {
        "float32_accuracy_percent": float_percent,
        "int8_accuracy_percent": int8_percent,
        "int8_loss_percent": float_percent - int8_percent,
        "agreement_percent": agreement,
        "test_images": len(test),
        **exact.columns("float32_"),
        **rough.columns("int8_"),
        "largest_class_percent": exact.largest[1],
        "warning": exact.warning("float32 test") or rough.warning("INT8 test") or "",
    }


def _source(settings: Quantisation, images: int) -> str:
    scales = "a channel" if settings.per_channel else "a tensor"
    return (
        f"measured: {onnx_models.runtime()} on all test images; int8: weights of "
        f"{7 if settings.reduce_range else 8} bits with a scale {scales}, ranges of activations by "
        f"{settings.method} on {images} training images, exact sums"
    )
