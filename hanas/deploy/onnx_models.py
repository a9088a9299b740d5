"""Networks as ONNX files: written, run, and their layers counted by shape and cost."""

from __future__ import annotations

import math
import tempfile
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
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
#: Operators of layers that are counted.
COUNTED = (
    *("Conv", "Gemm", "MatMul", "Add"),
    *("AveragePool", "MaxPool", "GlobalAveragePool", "ReduceMean"),
)
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

    ``exact_sums`` sets :data:`EXACT_SUMS`: for accuracies, not for times. The model as it is run is
    written to ``optimised``. InputError if the file is no model that ONNX Runtime reads.
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


def runtime() -> str:
    """Return the name and version of what runs the files."""
    import onnxruntime

    return f"ONNX Runtime {onnxruntime.__version__}"


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

    The basic ones keep to ONNX's operators and fold batch normalisations into convolutions.
    """
    with tempfile.TemporaryDirectory(prefix="hanas-onnx-") as folder:
        optimised = Path(folder) / "run.onnx"
        session(path, level=level, optimised=optimised)
        return load(optimised)


def with_batch(source: str | Path, path: str | Path, batch: int) -> None:
    """Write a model whose batch is open as one that takes ``batch`` images, as boards want it."""
    import onnx

    model = load(source)
    _fix_batch(model, batch)
    with replacing(path) as temporary:
        onnx.save(model, str(temporary))


def _fix_batch(model: onnx.ModelProto, batch: int) -> None:
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_value = batch
    del model.graph.value_info[:]  # shapes in between were inferred with the batch open


@dataclass(frozen=True, order=True)
class Layer:
    """A layer by its shape; layers that are equal cost the same.

    The kind is ``convolution`` (also depthwise and fully connected), ``pooling`` or ``addition``
    (of two maps). ``inputs`` and ``outputs`` are channels of a group. Pairs are height and width,
    ``side`` that of the output; the padding is before and after, of the height, then of the width.
    """

    kind: str
    batch: int
    groups: int
    inputs: int
    outputs: int
    side: tuple[int, ...] = (1, 1)
    side_before: tuple[int, ...] = (1, 1)
    kernel: tuple[int, ...] = (1, 1)
    stride: tuple[int, ...] = (1, 1)
    dilation: tuple[int, ...] = (1, 1)
    padding: tuple[int, ...] = (0, 0, 0, 0)

    def __str__(self) -> str:
        channels = f"{self.groups}x" if self.groups > 1 else ""
        return (
            f"{self.kind} {self.kernel[0]}x{self.kernel[1]} of {channels}{self.inputs} to "
            f"{channels}{self.outputs} channels, {self.side[0]}x{self.side[1]}"
        )

    @property
    def multiply_accumulates(self) -> int:
        """Multiplications, or additions of those that multiply nothing."""
        per_output = self.inputs * math.prod(self.kernel)
        return self.batch * self.groups * self.outputs * math.prod(self.side) * per_output


def multiply_accumulates(model: str | Path) -> int:
    """Return the multiply-accumulates of a float32 network for one image; its batch may be open.

    Of convolutions and fully connected layers only, as is usual. InputError as of :func:`layers`.
    """
    return sum(
        count * layer.multiply_accumulates // layer.batch
        for layer, count in layers(model, open_batch=1).items()
        if layer.kind == "convolution"
    )


def layers(model: str | Path, *, open_batch: int | None = None) -> Counter[Layer]:
    """Return how often each layer occurs in a float32 ONNX file.

    ``open_batch`` is what an open batch is taken for; None: it is refused. InputError if the file
    is no ONNX model, or the shape of a layer cannot be found.
    """
    from onnx import shape_inference

    proto = load(model)
    if any(node.op_type == "Expand" for node in proto.graph.node):  # weights may be computed
        proto = as_run(model, "ORT_ENABLE_BASIC")
    if open_batch and not all(t.type.tensor_type.shape.dim[0].dim_value for t in proto.graph.input):
        _fix_batch(proto, open_batch)
    with reading(model, "ONNX"):
        graph = shape_inference.infer_shapes(proto, data_prop=True).graph
    if not graph.node:
        raise InputError(f"{model}: not readable as ONNX: it holds no network")
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
    found = (_layer(node, shapes, model) for node in graph.node if node.op_type in COUNTED)
    return Counter(layer for layer in found if layer is not None)


def integer_convolutions(model: str | Path) -> tuple[int, int]:
    """Return how many convolutions of a quantised file run in 8-bit integers, and how many it has.

    Counted in the graph that ONNX Runtime really runs, after its fusions: where a convolution
    stays float32, its input is converted back and forth. InputError if ONNX Runtime cannot run it.
    """
    total = sum(node.op_type == "Conv" for node in load(model).graph.node)
    run = as_run(model, "ORT_ENABLE_EXTENDED")
    return sum(node.op_type == "QLinearConv" for node in run.graph.node), total


def _layer(node, shapes: Mapping[str, tuple[int, ...]], model: str | Path) -> Layer | None:
    """Return the layer of a node; None where it is no layer after all."""
    import onnx

    def shape(name: str) -> tuple[int, ...]:
        found = shapes.get(name, ())
        if not found or min(found) < 1:
            raise InputError(
                f"{model}: {node.op_type} {node.name}: the shape of {name} is not known; expected "
                "a model of fixed batch and size"
            )
        return found

    output, first = shape(node.output[0]), shape(node.input[0])
    if node.op_type == "Add":
        if first != shape(node.input[1]) or len(output) != 4:
            return None  # a bias or another number for a whole map
        return Layer("addition", *output[:2], 1, 1, output[2:], output[2:])
    if node.op_type in ("Gemm", "MatMul"):
        if len(first) != 2 or len(shape(node.input[1])) != 2:
            return None
        return Layer("convolution", output[0], 1, first[1], output[1])
    if node.op_type == "ReduceMean" and (len(first) != 4 or math.prod(output[2:]) != 1):
        return None
    if len(first) != 4:
        raise InputError(f"{model}: {node.name}: maps of shape {first}; expected images")
    batch, channels, before = *first[:2], first[2:]
    if node.op_type in ("GlobalAveragePool", "ReduceMean"):
        return Layer("pooling", batch, channels, 1, 1, (1, 1), before, before)
    given = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    top, left, bottom, right = given.get("pads", (0, 0, 0, 0))
    if node.op_type == "Conv":
        weight, groups = shape(node.input[1]), given.get("group", 1)
        of_layer = ("convolution", batch, groups, channels // groups, output[1] // groups)
        kernel = weight[2:]
    else:
        of_layer, kernel = ("pooling", batch, channels, 1, 1), given["kernel_shape"]
    return Layer(
        *of_layer,
        side=output[2:],
        side_before=before,
        kernel=tuple(kernel),
        stride=tuple(given.get("strides", (1, 1))),
        dilation=tuple(given.get("dilations", (1, 1))),
        padding=(top, bottom, left, right),
    )
