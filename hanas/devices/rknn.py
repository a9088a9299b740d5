"""Rockchip's NPUs: rknn-toolkit2 converts models to 8-bit integers and times them on a board.

The toolkit needs a Python of its own (``envs/rknn`` makes it). On its own it says which layers do
not run on the NPU and simulates the converted model: :func:`report`. Timing needs a board at the
other end of adb: without one, measuring stops and says so.
"""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field

from hanas.core.errors import InputError
from hanas.core.settings import Count, NoRerun, Positive
from hanas.devices import _rknn_convert
from hanas.devices._device import BoardLost, ModelRefused, TimedDevice, Timings
from hanas.devices._processes import run

#: Of made-up images that models are converted with where only their time matters.
_CALIBRATION_IMAGES = 4
# A line of the toolkit's table of layers: number, operation, type, unit, shapes, cycles, traffic,
# name.
_LAYER = re.compile(
    r"\]\s+\d+\s+(?P<operation>\w+)\s+(?P<type>\w+)\s+(?P<unit>CPU|NPU|GPU)\s+\S+\s+"
    r"(?P<output>\S+)\s+\d+/\d+/\d+\s+\S+\s+(?P<name>\S.*)"
)
_TABLE = "Network Layer Information Table"
# Colours, and the line of an error, which begins with the name of the step.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ERROR = re.compile(r"^E (?!RKNN:)(\w+: (?!Traceback).+)$", re.MULTILINE)
_TIME = re.compile(r"Total Time\(us\):\s*([0-9.]+)")
_HINT = "envs/rknn makes a Python with rknn-toolkit2 in .venv-rknn"
_OTHER_VERSION = "that hanas understands; take the version that envs/rknn.txt names"


class Layer(NamedTuple):
    """A layer of a converted model: operation, ``NPU``, ``CPU`` or ``GPU``, shape, name."""

    operation: str
    unit: str
    output: str
    name: str


@dataclass(frozen=True)
class RknnReport:
    """What a version of the toolkit says of a model for a chip without a board.

    ``layers`` are all but inputs and outputs; the accuracy is that of the 8-bit model in the
    simulator, on so many images.
    """

    toolkit: str
    target: str
    layers: tuple[Layer, ...]
    accuracy_percent: float
    images: int

    @property
    def fallbacks(self) -> tuple[Layer, ...]:
        """The layers that do not run on the NPU."""
        return tuple(layer for layer in self.layers if layer.unit != "NPU")

    def described(self) -> str:
        """Return the report in one line."""
        kinds = Counter(f"{layer.operation} on the {layer.unit}" for layer in self.fallbacks)
        which = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        return (
            f"rknn-toolkit2 {self.toolkit} for {self.target}: {len(self.fallbacks)} of "
            f"{len(self.layers)} layers do not run on the NPU{f' ({which})' if which else ''}; "
            f"{self.accuracy_percent:.2f} % right in int8 on {self.images} images (simulated)"
        )


class RknnDevice(TimedDevice):
    """A board with a Rockchip NPU."""

    kind: Literal["rknn"] = Field(description="A board with a Rockchip NPU, by rknn-toolkit2.")
    quantises: ClassVar[bool] = True
    precision: Literal["int8"] = Field(  # pyright: ignore[reportIncompatibleVariableOverride]
        "int8", description="The toolkit quantises."
    )
    batch: Literal[1] = Field(  # pyright: ignore[reportIncompatibleVariableOverride]
        1, description="Images a pass."
    )
    target: str = Field("rk3588", description="Name of the chip in the toolkit.")
    device_id: str | None = Field(None, description="The attached board, where there are several.")
    simulated_images: Annotated[Count, NoRerun()] = Field(
        500,
        description="Test images that the toolkit simulates for "
        "results/exports/{retraining}/rknn/{device}.csv, which needs no board.",
    )
    fix_frequency: bool = Field(True, description="Clocks are held while timing.")
    timeout_seconds: Positive = Field(
        3600, description="Longest that converting and timing a model may take."
    )
    python: str = Field(
        ".venv-rknn/bin/python", description="The Python that has rknn-toolkit2; see envs/rknn.txt."
    )

    def report(
        self, model: Path, calibration: np.ndarray, images: np.ndarray, labels: np.ndarray
    ) -> RknnReport:
        """Convert a float32 ONNX model, whose batch is open or 1, and simulate it without a board.

        Ranges are taken from ``calibration``, float32 (M, 3, H, W), normalised as in training; the
        accuracy is counted on ``images``, float32 (N, 3, H, W), and ``labels``, int64 (N,).
        InputError if the toolkit is not there or cannot convert the model.
        """
        with _folder() as folder:
            np.save(folder / "images.npy", images.astype(np.float32))
            answer, output = self._converted(folder, model, calibration, {"simulate": True})
            if "error" in answer:
                step = answer["step"]
                raise InputError(f"{model}: rknn-toolkit2 cannot {step} it: {answer['error']}")
            logits = np.load(folder / "outputs.npy")
        return RknnReport(
            toolkit=answer["version"],
            target=self.target,
            layers=layers(output),
            accuracy_percent=100 * float(np.mean(logits.argmax(axis=1) == labels)),
            images=len(labels),
        )

    def board_names(self) -> tuple[str, ...]:
        """Return the board that is attached; InputError where none is, or it is not clear which."""
        with _folder() as folder:
            answer, _ = self._answered(folder, {"list_boards": True})
        if "error" in answer:
            raise InputError(f"rknn-toolkit2 cannot look for boards: {answer['error']}")
        attached = answer["boards"]
        if self.device_id is None and len(attached) == 1:
            return (attached[0],)
        if self.device_id in attached:
            return (str(self.device_id),)
        if attached:
            raise InputError(
                f"meter.device_id is {self.device_id!r}, but these boards are attached: "
                f"{', '.join(attached)}; set it to one of them"
            )
        raise InputError(
            f"no {self.target} is attached, so that nothing can be timed: connect the board by USB "
            "until `adb devices` shows it and run it again, or use a device of kind command that "
            "reaches the board by ssh. What needs no board is results/exports/RETRAINING/rknn/"
            "DEVICE.csv: which layers do not run on the NPU, and the accuracy in int8"
        )

    def runtime(self) -> str:
        """Return the version of the toolkit, and the chip."""
        return f"rknn-toolkit2 {_version(self.python)} on {self.target}"

    def conditions(self, board: str) -> dict[str, str | int]:
        """Return what a measurement depends on, apart from the model."""
        return super().conditions(board) | {"fix_frequency": int(self.fix_frequency)}

    def measure(self, model: Path, board: str) -> Timings:
        """Convert a model and time it on the board.

        Ranges are taken from made-up images: they change what a model says, not how long it takes.
        """
        steps = {name: getattr(self, name) for name in ("passes", "warmup", "fix_frequency")}
        with _folder() as folder:
            answer, output = self._converted(folder, model, None, {"device_id": board, **steps})
        if "error" in answer and answer["step"] == "convert":
            raise ModelRefused(f"rknn-toolkit2 cannot convert it: {answer['error']}")
        if "error" in answer:
            raise BoardLost(f"rknn-toolkit2: {answer['error']}")
        return pass_times(output, passes=self.passes, warmup=self.warmup)

    def _converted(
        self, folder: Path, model: Path, calibration: np.ndarray | None, steps: Mapping[str, Any]
    ) -> tuple[dict[str, Any], str]:
        import onnx

        from hanas.deploy.onnx_models import with_batch

        fixed = folder / "model.onnx"
        with_batch(model, fixed, 1)
        if calibration is None:
            (taken,) = onnx.load(fixed, load_external_data=False).graph.input
            _, *shape = (axis.dim_value for axis in taken.type.tensor_type.shape.dim)
            shape = (_CALIBRATION_IMAGES, *shape)
            calibration = np.random.default_rng(0).standard_normal(shape)
        np.save(folder / "calibration.npy", calibration.astype(np.float32))
        return self._answered(folder, {"model": str(fixed), "target": self.target, **steps})

    def _answered(self, folder: Path, request: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        """Return what the other Python answers, and what it prints."""
        python = Path(self.python).absolute()  # not resolved: a link leads out of its environment
        if not python.is_file():
            raise InputError(f"meter.python is {self.python!r}: there is no such file; {_HINT}")
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        # Isolated: this module, which lies beside the script, has the name of the toolkit.
        finished = run(
            [str(python), "-I", _rknn_convert.__file__],
            timeout_seconds=self.timeout_seconds,
            folder=folder,
        )
        file = folder / "answer.json"
        if not file.is_file():
            how = "did not end in time" if finished.status is None else f"status {finished.status}"
            none = f"gave no answer ({how}): {' '.join(finished.errors.split())[-300:]}"
            if request.get("passes"):  # the board may be at fault
                raise BoardLost(f"rknn-toolkit2 {none}")
            raise InputError(f"meter.python is {self.python!r}: it {none}; {_HINT}")
        answer = json.loads(file.read_text(encoding="utf-8"))
        said = _ERROR.search(_COLOUR.sub("", f"{finished.output}\n{finished.errors}"))
        if "error" in answer and said:  # which says more than what the toolkit raises
            answer["error"] = said[1].strip()
        return answer, finished.output


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hanas-rknn-") as folder:
        yield Path(folder)


@cache
def _version(python: str) -> str:
    with _folder() as folder:
        answer, _ = RknnDevice.read({"kind": "rknn", "python": python})._answered(folder, {})
    return answer["version"]


def layers(output: str) -> tuple[Layer, ...]:
    """Return the layers in the table that the toolkit prints; InputError where there is none."""
    _, found, table = output.rpartition(_TABLE)
    rows = [row for line in table.splitlines() if (row := _LAYER.search(line))]
    if not found or not rows:
        raise InputError(f"rknn-toolkit2 printed no table of layers {_OTHER_VERSION}")
    return tuple(
        Layer(row["operation"], row["unit"], row["output"], row["name"].strip())
        for row in rows
        if row["operation"] not in ("InputOperator", "OutputOperator")
    )


def pass_times(output: str, *, passes: int, warmup: int) -> Timings:
    """Return the times of the passes that the toolkit has printed; InputError without them."""
    parts = re.split(r"^hanas pass \d+$", output, flags=re.MULTILINE)[1 + warmup :]
    times = [_TIME.findall(part) for part in parts]
    if len(times) != passes or not all(len(found) == 1 for found in times):
        raise InputError(f"rknn-toolkit2 printed no times {_OTHER_VERSION}")
    return Timings(np.array([float(found[0]) for found in times]) / 1e3)
