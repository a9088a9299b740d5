"""Rockchip's NPUs: rknn-toolkit2 converts models to 8-bit integers and times them on a board.

The toolkit needs a Python of its own (``envs/rknn`` makes it). On its own it says which layers do
not run on the NPU and simulates the converted model: :func:`report`. Timing needs a board at the
other end of adb: without one, measuring stops and says so.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from hanas.core.errors import InputError
from hanas.core.settings import Count, NoRerun, Positive
from hanas.devices import _rknn_convert
from hanas.devices._device import TimedDevice
from hanas.devices._processes import run
from hanas.devices._rknn_output import RknnReport, errors, layers, pass_times
from hanas.devices.measuring.timings import BoardLost, ModelRefused, Timings

#: Of made-up images that models are converted with where only their time matters.
_CALIBRATION_IMAGES = 4


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
        """Convert a model and simulate it; no board is needed.

        Parameters
        ----------
        model
            ONNX file, float32, whose batch is open or 1.
        calibration
            Images that the ranges are taken from, float32 (M, 3, H, W), normalised as in training.
        images, labels
            What the accuracy is counted on, float32 (N, 3, H, W) and int64 (N,).

        Raises
        ------
        InputError
            If the toolkit is not there or cannot convert the model.
        """
        with tempfile.TemporaryDirectory(prefix="hanas-rknn-") as folder:
            np.save(Path(folder, "images.npy"), images.astype(np.float32))
            answer, output = self._converted(Path(folder), model, calibration, {"simulate": True})
            if "error" in answer:
                raise InputError(
                    f"{model}: rknn-toolkit2 cannot {answer['step']} it: {answer['error']}"
                )
            logits = np.load(Path(folder, "outputs.npy"))
        return RknnReport(
            toolkit=answer["version"],
            target=self.target,
            layers=layers(output),
            accuracy_percent=100 * float(np.mean(logits.argmax(axis=1) == labels)),
            images=len(labels),
        )

    def board_names(self) -> tuple[str, ...]:
        """Return the board that is attached; InputError where none is, or it is not clear which."""
        with tempfile.TemporaryDirectory(prefix="hanas-rknn-") as folder:
            answer, _ = self._answered(Path(folder), {"list_boards": True})
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

    def conditions(self, board: str) -> dict[str, str | int]:
        """Return what a measurement depends on, apart from the model."""
        return {
            "runtime": f"rknn-toolkit2 {_version(self.python)} on {self.target}",
            "threads": self.threads,
            "precision": self.precision,
            "batch": self.batch,
            "passes": self.passes,
            "warmup": self.warmup,
            "fix_frequency": int(self.fix_frequency),
        }

    def measure(self, model: Path, board: str) -> Timings:
        """Convert a model and time it on the board.

        Ranges are taken from made-up images: they change what a model says, not how long it takes.
        """
        numbers = {name: getattr(self, name) for name in ("passes", "warmup", "fix_frequency")}
        with tempfile.TemporaryDirectory(prefix="hanas-rknn-") as folder:
            steps = {"device_id": board, **numbers}
            answer, output = self._converted(Path(folder), model, None, steps)
        if "error" in answer and answer["step"] == "convert":
            raise ModelRefused(f"rknn-toolkit2 cannot convert it: {answer['error']}")
        if "error" in answer:
            raise BoardLost(f"rknn-toolkit2: {answer['error']}")
        return pass_times(output, passes=self.passes, warmup=self.warmup)

    def _converted(
        self, folder: Path, model: Path, calibration: np.ndarray | None, steps: Mapping[str, Any]
    ) -> tuple[dict[str, Any], str]:
        from hanas.deploy.onnx_models import with_batch

        fixed = folder / "model.onnx"
        with_batch(model, fixed, 1)
        if calibration is None:
            shape = (_CALIBRATION_IMAGES, *_input_shape(fixed))
            calibration = np.random.default_rng(0).standard_normal(shape)
        np.save(folder / "calibration.npy", calibration.astype(np.float32))
        return self._answered(folder, {"model": str(fixed), "target": self.target, **steps})

    def _answered(self, folder: Path, request: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        """Return what the other Python answers, and what it prints."""
        python = Path(self.python).absolute()  # not resolved: a link leads out of its environment
        if not python.is_file():
            raise InputError(
                f"meter.python is {self.python!r}: there is no such file; envs/rknn makes a Python "
                "with rknn-toolkit2 in .venv-rknn"
            )
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
            said = " ".join(finished.errors.split())[-300:]
            if request.get("passes"):  # the board may be at fault
                raise BoardLost(f"rknn-toolkit2 gave no answer ({how}): {said}")
            raise InputError(
                f"meter.python is {self.python!r}: it gave no answer ({how}): {said}; envs/rknn "
                "makes a Python with rknn-toolkit2 in .venv-rknn"
            )
        answer = json.loads(file.read_text(encoding="utf-8"))
        said = errors(f"{finished.output}\n{finished.errors}")
        if "error" in answer and said:  # which says more than what the toolkit raises
            answer["error"] = said[0]
        return answer, finished.output


def _input_shape(model: Path) -> tuple[int, ...]:
    import onnx

    (taken,) = onnx.load(model, load_external_data=False).graph.input
    return tuple(axis.dim_value for axis in taken.type.tensor_type.shape.dim)[1:]


@cache
def _version(python: str) -> str:
    with tempfile.TemporaryDirectory(prefix="hanas-rknn-") as folder:
        answer, _ = RknnDevice.read({"kind": "rknn", "python": python})._answered(Path(folder), {})
    return answer["version"]
