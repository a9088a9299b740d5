"""Networks with 8-bit integers: post-training static quantisation of ONNX files.

Weights become symmetric int8, activations asymmetric uint8 whose ranges are those seen on
calibration images; the file keeps pairs of QuantizeLinear and DequantizeLinear (QDQ), which ONNX
Runtime fuses into integer kernels. Procedure: ONNX Runtime, "Quantize ONNX Models",
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html; its reasons:
B. Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018.

On x86 processors without VNNI (Intel before Cascade Lake, AMD before Zen 4), ONNX Runtime adds
pairs of products in 16 bits: above 32,767 they are cut off and accuracy is lost, without a warning.
There are two ways out: the session option :data:`hanas.deploy.onnx_models.EXACT_SUMS`, slower there
and exact, with which accuracies are computed, or a file quantised with ``reduce_range``: of weights
with 7 bits no two products pass the limit (2 * 255 * 64 = 32,640).
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import tempfile
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Literal, Protocol

import numpy as np
from pydantic import Field

from hanas.core.errors import InputError
from hanas.core.files import reading, replacing
from hanas.core.memory import enough_memory, free_bytes
from hanas.core.settings import Count, Settings
from hanas.deploy import onnx_models

#: Operators for which ONNX Runtime has an integer kernel, or which only move numbers. Others stay
#: float32: a batch normalisation that follows no convolution, a mean over the whole map.
_OPERATORS = (
    "Add", "AveragePool", "Clip", "Concat", "Conv", "Flatten", "Gather", "Gemm",
    "GlobalAveragePool", "MatMul", "MaxPool", "Mul", "Pad", "Relu", "Reshape", "Sigmoid", "Slice",
    "Split", "Squeeze", "Transpose", "Unsqueeze",
)  # fmt: skip
#: Images that calibrate together, as far as what a network computes of them fits into so much.
_IMAGES_AT_A_TIME, _BYTES_AT_A_TIME = 32, 2**30
#: What to do where memory is short although images are looked at one by one.
MEMORY_REMEDY = "set training.resolution lower, or give the job more memory"
#: What keeps ONNX Runtime's tools quiet is of the whole process.
_ONE_AT_A_TIME = threading.Lock()


class Calibration(Protocol):
    """Images, float32 (M, 3, H, W): an array, or what makes a part of one when it is asked for."""

    @property
    def dtype(self) -> np.dtype: ...  # noqa: D102
    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> np.ndarray: ...


class Quantisation(Settings):
    """How the INT8 model of a network is made."""

    per_channel: bool = Field(default=True, description="Weights are quantised by output channel.")
    calibration_images: Count = Field(
        default=512, description="Training images that the ranges of activations are taken from."
    )
    # Not ONNX Runtime's entropy: with its 128 bins it finds the range of minmax, and with more it
    # takes minutes.
    method: Literal["minmax", "percentile"] = Field(
        default="minmax",
        description="Range of an activation: all that was seen, or without the outermost 0.0005 % "
        "on either side.",
    )
    reduce_range: bool = Field(
        default=False,
        description="Weights of 7 bits, for processors whose 8-bit products overflow: x86 without "
        "VNNI.",
    )


def quantise(
    float_model: str | Path,
    int8_model: str | Path,
    images: Calibration,
    settings: Quantisation | None = None,
    *,
    threads: int = 1,
) -> None:
    """Write the 8-bit version of a model; equal models and images give equal bytes.

    Of large images, few are looked at together, so that memory does not grow with them.

    ``float_model`` is an ONNX file with one input, float32 (N, 3, H, W), N open or fixed.
    ``images`` calibrate: float32 (M, 3, H, W), normalised as in training; of a fixed N, only whole
    batches are used. InputError if the model cannot be read, run or quantised, has no convolution,
    the images do not fit, or memory is short.
    """
    import onnx

    settings = settings or Quantisation()
    with _ONE_AT_A_TIME, tempfile.TemporaryDirectory(prefix="hanas-int8-") as folder, _quiet():
        prepared = Path(folder) / "prepared.onnx"
        with reading(float_model, "a float32 ONNX model of convolutions"):
            folded = onnx_models.as_run(float_model, "ORT_ENABLE_BASIC")
            if not any(node.op_type == "Conv" for node in folded.graph.node):
                raise InputError(f"{float_model}: has no convolution, so nothing to quantise")
            onnx.save(onnx.shape_inference.infer_shapes(folded), prepared)
            calibrating = f"{float_model}: calibration of its 8-bit version"
            with enough_memory(calibrating, MEMORY_REMEDY):
                ranges = _ranges(prepared, images, settings.method, threads, str(float_model))
            content = _quantised(prepared, ranges, settings)
        with replacing(int8_model) as temporary:
            temporary.write_bytes(content)
            onnx_models.session(temporary, threads=threads)  # refuses what it cannot run


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep ONNX Runtime's tools from printing and logging."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _ranges(prepared: Path, images: Calibration, method: str, threads: int, place: str):
    """Return the range of each activation, by ONNX Runtime's calibrator."""
    from onnxruntime.quantization import CalibrationMethod, create_calibrator

    methods = {"minmax": CalibrationMethod.MinMax, "percentile": CalibrationMethod.Percentile}
    augmented = prepared.with_name("augmented.onnx")
    calibrator = create_calibrator(
        prepared,
        augmented_model_path=str(augmented),
        calibrate_method=methods[method],
        extra_options={"symmetric": False, "percentile": 99.999},
    )
    # Its own would take all cores of the machine and leave the graph as it is.
    model = onnx_models.session(augmented, threads=threads)
    calibrator.infer_session = model
    room = _BYTES_AT_A_TIME
    if method == "minmax":  # the same ranges whatever the batches; histograms are not
        room = min(room, free_bytes() // 4)  # others than the activations need some, too
    most = _images_at_a_time(prepared, room)
    for batch in _batches(images, model.get_inputs()[0], most, place):
        # One at a time: histograms are collected from whole activations, kept until then.
        calibrator.collect_data(SimpleNamespace(get_next=iter([batch, None]).__next__))
    ranges = calibrator.compute_data()
    for name, of_tensor in ranges.items():
        if not np.isfinite(of_tensor.range_value).all():
            raise InputError(
                f"{place}: its values at {name} are not finite on the calibration images"
            )
    return ranges


def _images_at_a_time(prepared: Path, most_bytes: int) -> int:
    """Return how many images to look at together, by what all layers of a model yield of one."""
    import onnx

    graph = onnx.load(prepared).graph
    shapes = [[d.dim_value for d in v.type.tensor_type.shape.dim] for v in graph.value_info]
    # The first axis is the batch, open or fixed.
    numbers = sum(math.prod(shape[1:]) for shape in shapes if len(shape) > 1)
    return max(1, min(_IMAGES_AT_A_TIME, most_bytes // (4 * max(numbers, 1))))


def _batches(
    images: Calibration, expected, most: int, place: str
) -> Iterator[dict[str, np.ndarray]]:
    fixed, *shape = expected.shape
    if images.dtype != np.float32 or list(images.shape[1:]) != shape:
        raise InputError(
            f"{place}: calibration images are {images.dtype} of shape {images.shape}; expected "
            f"float32 (N, {', '.join(map(str, shape))})"
        )
    size = fixed if isinstance(fixed, int) else min(most, max(len(images), 1))
    whole = len(images) - len(images) % size if isinstance(fixed, int) else len(images)
    if not whole:
        raise InputError(f"{place}: {len(images)} calibration images; expected at least {size}")
    for start in range(0, whole, size):
        yield {expected.name: np.ascontiguousarray(images[start : start + size])}


def _quantised(prepared: Path, ranges, settings: Quantisation) -> bytes:
    import onnx
    from onnxruntime.quantization import QDQQuantizer, QuantType

    model, types = onnx.load(prepared), (QuantType.QInt8, QuantType.QUInt8)  # weights, activations
    options = (settings.per_channel, settings.reduce_range)
    quantiser = QDQQuantizer(model, *options, *types, ranges, [], [], list(_OPERATORS), {})
    quantiser.quantize_model()
    return quantiser.model.model.SerializeToString(deterministic=True)
