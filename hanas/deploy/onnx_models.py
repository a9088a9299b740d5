"""Networks as ONNX files: written, checked against PyTorch, and run."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hanas.core.errors import InputError, one_line
from hanas.core.files import replacing

if TYPE_CHECKING:  # devices run files without PyTorch
    from torch import nn

INPUT, OUTPUT = "images", "logits"
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


def session(path: str | Path, *, threads: int = 1, exact_sums: bool = False):
    """Return an ONNX Runtime session on the CPU that uses so many threads.

    ``exact_sums`` sets :data:`EXACT_SUMS`: for accuracies, not for times. Raises InputError if the
    file is no model that ONNX Runtime reads.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    if exact_sums:
        options.add_session_config_entry(*EXACT_SUMS)
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has an exception class for each kind of failure
        raise InputError(f"{path}: ONNX Runtime cannot load it: {one_line(error)}") from error


def logits(path: str | Path, images: np.ndarray, *, threads: int = 1, batch: int = 256):
    """Return the logits, float32 (N, classes), of normalised images, float32 (N, 3, H, W).

    The file's batch is open; those of 8-bit models are the same on every processor.
    """
    model = session(path, threads=threads, exact_sums=True)
    name = model.get_inputs()[0].name
    parts = [
        model.run(None, {name: images[start : start + batch]})[0]
        for start in range(0, len(images), batch)
    ]
    return np.concatenate(parts)


def with_batch(source: str | Path, path: str | Path, batch: int) -> None:
    """Write a model whose batch is open as one that takes ``batch`` images, as boards want it."""
    import onnx

    model = onnx.load(str(source))
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_value = batch
    # Shapes in between were inferred with the batch open.
    del model.graph.value_info[:]
    with replacing(path) as temporary:
        onnx.save(model, str(temporary))
