"""Networks as ONNX files: written, checked against PyTorch, and run."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hanas.core.errors import InputError, one_line
from hanas.core.files import reading, replacing

if TYPE_CHECKING:  # devices run files without PyTorch
    import onnx
    from torch import nn

INPUT, OUTPUT = "images", "logits"
_IMAGES_AT_A_TIME = 256
#: Of ONNX's operators: old enough for the tools of boards.
OPSET = 17
#: Name and value of the option of a session with which sums of 8-bit products are exact on every
#: processor; where they are not without it, it costs time. See :mod:`hanas.deploy.quantisation`.
EXACT_SUMS = ("session.x64quantprecision", "1")


def export(network: nn.Module, path: str | Path, *, resolution: int, batch: int | None = 1) -> None:
    """Write a stand-alone network, put into evaluation mode; equal networks give equal bytes.

    Its input ``images`` is float32 (N, 3, H, W), normalised as in training, H and W the
    ``resolution`` and N the ``batch``, open if None; its output ``logits`` float32 (N, classes).
    """
    import torch

    network = network.cpu().eval()
    example = torch.zeros(batch or 1, 3, resolution, resolution)
    open_axes = {} if batch else {INPUT: {0: "batch"}, OUTPUT: {0: "batch"}}
    with replacing(path) as temporary, warnings.catch_warnings(), torch.inference_mode(False):
        # The newer exporter takes seconds a model, this one a tenth; measuring a device exports
        # many. It warns that it is the older one, and of shapes in Python, which are fixed here.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            str(temporary),
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes=open_axes,
        )


def session(
    path: str | Path,
    *,
    threads: int = 1,
    exact_sums: bool = False,
    level: str = "ORT_ENABLE_ALL",
    optimised: Path | None = None,
):
    """Return an ONNX Runtime session on the CPU that uses so many threads.

    ``exact_sums`` sets :data:`EXACT_SUMS`: for accuracies, not for times. The model is written as
    ``optimised`` up to a level of its GraphOptimizationLevel. Raises InputError if the file is no
    model that ONNX Runtime reads.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    if optimised is not None:
        options.optimized_model_filepath = str(optimised)
    if exact_sums:
        options.add_session_config_entry(*EXACT_SUMS)
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has an exception class for each kind of failure
        raise InputError(f"{path}: ONNX Runtime cannot load it: {one_line(error)}") from error


def logits(path: str | Path, images: np.ndarray) -> np.ndarray:
    """Return the logits, float32 (N, classes), of normalised images, float32 (N, 3, H, W).

    The file's batch is open; those of 8-bit models are the same on every processor.
    """
    model = session(path, exact_sums=True)
    starts = range(0, len(images), _IMAGES_AT_A_TIME)
    batches = [images[start : start + _IMAGES_AT_A_TIME] for start in starts]
    return np.concatenate([model.run(None, {INPUT: batch})[0] for batch in batches])


def load(path: str | Path) -> onnx.ModelProto:
    """Read a model; InputError if the file is none."""
    import onnx

    with reading(path, "ONNX"):
        return onnx.load(str(path))


def as_run(path: str | Path, level: str) -> onnx.ModelProto:
    """Return a model as ONNX Runtime runs it after its optimisations up to a level.

    The basic ones keep to ONNX's operators, compute what is constant and fold batch normalisations
    into convolutions.
    """
    with tempfile.TemporaryDirectory(prefix="hanas-onnx-") as folder:
        optimised = Path(folder) / "run.onnx"
        session(path, level=level, optimised=optimised)
        return load(optimised)


def with_batch(source: str | Path, path: str | Path, batch: int) -> None:
    """Write a model whose batch is open as one that takes ``batch`` images, as boards want it."""
    import onnx

    model = load(source)
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_value = batch
    # Shapes in between were inferred with the batch open.
    del model.graph.value_info[:]
    with replacing(path) as temporary:
        onnx.save(model, str(temporary))
