"""The formats that a trained network is written in, and the names of its files."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

Format = Annotated[
    Literal["onnx", "onnx_batch_1", "litert"],
    Field(
        description="onnx: any number of pictures at once; onnx_batch_1: one, for devices that "
        "refuse an open batch; litert: one, LiteRT (TensorFlow Lite), whose INT8 has integers "
        "from input to output."
    ),
]
#: The file of each format and precision.
FILES: dict[str, dict[str, str]] = {
    "onnx": {"float32": "model.onnx", "int8": "model.int8.onnx"},
    "onnx_batch_1": {"float32": "model.batch1.onnx", "int8": "model.batch1.int8.onnx"},
    "litert": {"float32": "model.tflite", "int8": "model.int8.tflite"},
}
FLOAT32_FILE, INT8_FILE = FILES["onnx"].values()
#: The weights alone, and the names of the classes, a line each.
WEIGHTS_FILE, LABELS_FILE = "model.safetensors", "labels.txt"
