"""What a network costs, counted in its ONNX file: multiplications, and which are of integers."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hanas.core.errors import InputError, one_line
from hanas.deploy import onnx_models


def multiply_accumulates(model: str | Path) -> int:
    """Return the multiply-accumulates of a float32 network for one image.

    Of convolutions and fully connected layers only, as is usual.

    Raises
    ------
    InputError
        If the file is no ONNX model, or one that ONNX Runtime cannot run.
    """
    import onnx

    proto = _load(model)
    weights = {tensor.name: tuple(tensor.dims) for tensor in proto.graph.initializer}
    nodes = [node for node in proto.graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    # Run once to learn the shapes: those that depend on an open batch cannot all be inferred.
    wanted = dict.fromkeys(name for node in nodes for name in (node.output[0], node.input[1]))
    computed = [name for name in wanted if name not in weights]
    if not computed:
        return 0
    del proto.graph.output[:]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in computed)
    with tempfile.TemporaryDirectory(prefix="hanas-onnx-") as folder:
        path = Path(folder) / "shown.onnx"
        onnx.save(proto, path)
        session = onnx_models.session(path)
        images = session.get_inputs()[0]
        shape = [size if isinstance(size, int) else 1 for size in images.shape]
        values = session.run(computed, {images.name: np.zeros(shape, dtype=np.float32)})
    shapes: dict[str, tuple[int, ...]] = {
        **weights,
        **{name: value.shape for name, value in zip(computed, values, strict=True)},
    }
    return sum(_of_node(node, shapes) for node in nodes) // shape[0]


def _of_node(node, shapes: Mapping[str, tuple[int, ...]]) -> int:
    outputs, weight = math.prod(shapes[node.output[0]]), shapes[node.input[1]]
    if node.op_type == "Conv":
        return outputs * math.prod(weight[1:])  # weight (out, in of the group, height, width)
    transposed = any(each.name == "transB" and each.i for each in node.attribute)
    return outputs * weight[-1 if transposed else -2]


def integer_convolutions(model: str | Path) -> tuple[int, int]:
    """Return how many convolutions of a quantised file run in 8-bit integers, and how many it has.

    Counted in the graph that ONNX Runtime really runs, after its fusions: where a convolution
    stays float32, its input is converted back and forth.

    Raises
    ------
    InputError
        If the file is no ONNX model, or one that ONNX Runtime cannot run.
    """
    import onnx
    import onnxruntime

    total = sum(node.op_type == "Conv" for node in _load(model).graph.node)
    with tempfile.TemporaryDirectory(prefix="hanas-onnx-") as folder:
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(Path(folder) / "run.onnx")
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has an exception class for each kind of failure
            raise InputError(f"{model}: ONNX Runtime cannot load it: {one_line(error)}") from error
        run = onnx.load(options.optimized_model_filepath)
    return sum(node.op_type == "QLinearConv" for node in run.graph.node), total


def _load(model: str | Path):
    import onnx

    try:
        return onnx.load(model)
    except Exception as error:  # a damaged file makes protobuf raise almost anything
        raise InputError(f"{model}: not readable as ONNX: {one_line(error)}") from error
