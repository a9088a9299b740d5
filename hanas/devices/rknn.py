"""Rockchip's NPUs: rknn-toolkit2 converts models to 8-bit integers and times them on a board.

The toolkit needs a Python of its own (``envs/rknn`` makes it). On its own it says which layers do
not run on the NPU and simulates the converted model: :meth:`RknnDevice.report`. Timing needs a
board at the other end of adb: without one, measuring stops and says so.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field

from hanas.core.errors import InputError
from hanas.core.processes import run
from hanas.core.progress import Log
from hanas.core.settings import Count, NoRerun, Positive
from hanas.devices import _rknn_convert
from hanas.devices._device import BoardLost, ModelRefused, TimedDevice, Timings

if TYPE_CHECKING:
    import pandas as pd

    from hanas.data.batches import Split

#: Of made-up images that models are converted with where only their time matters.
_CALIBRATION_IMAGES = 4
# Of the toolkit's table of layers: number, operation, type, unit, shapes, cycles, traffic, name.
_LAYER = re.compile(
    r"\]\s+\d+\s+(\w+)\s+\w+\s+(CPU|NPU|GPU)\s+\S+\s+\S+\s+\d+/\d+/\d+\s+\S+\s+(\S.*)"
)
_TABLE = "Network Layer Information Table"
# Colours, and the line of an error, which begins with the name of the step.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ERROR = re.compile(r"^E (?!RKNN:)(\w+: (?!Traceback).+)$", re.MULTILINE)
_TIME = re.compile(r"Total Time\(us\):\s*([0-9.]+)")
_HINT = "envs/rknn makes a Python with rknn-toolkit2 in .venv-rknn"
_OTHER_VERSION = "that hanas understands; take the version that envs/rknn.txt names"


class Layer(NamedTuple):
    """A layer of a converted model: operation, ``NPU``, ``CPU`` or ``GPU``, name."""

    operation: str
    unit: str
    name: str


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
    statistic: Literal["low_quantile", "mean", "median"] = Field(
        "mean",
        description="What the latency is; in rounds (low_quantile) every round converts the model "
        "anew.",
    )
    target: str = Field("rk3588", description="Name of the chip in the toolkit.")
    device_id: str | None = Field(None, description="The attached board, where there are several.")
    simulated_images: Annotated[Count, NoRerun()] = Field(
        500, description="Test images of results/exports/{retraining}/rknn/{device}.csv."
    )
    fix_frequency: bool = Field(True, description="Clocks are held while timing.")
    timeout_seconds: Positive = Field(3600, description="Longest that a model may take.")
    python: str = Field(
        ".venv-rknn/bin/python", description="Python with rknn-toolkit2; see envs/."
    )

    def report(
        self, models: pd.DataFrame, folder: Path, calibration: Split, test: Split, log: Log
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Convert exported models for the NPU, which needs no board, and simulate them.

        ``models`` has ``number``, ``arch`` and ``float32_accuracy_percent`` of each, see
        :func:`hanas.deploy.exporting.export_retrained`, ``folder`` a folder a number with its ONNX
        files. Training images give the ranges, test images the accuracy.

        Returns a row a model: ``number``, ``arch``, ``layers``, ``fallbacks`` (those that do not
        run on the NPU), ``simulated_accuracy_percent``, ``simulated_images``,
        ``float32_accuracy_percent`` and ``source``; and a row a fallback: ``number``, ``arch``,
        ``layer``, ``operation`` and ``unit``. InputError as of :meth:`simulated`.
        """
        import pandas as pd

        from hanas.deploy.exporting import normalised
        from hanas.deploy.formats import FLOAT32_FILE

        arrays, labels = (normalised(calibration), normalised(test)), test.labels.numpy()
        rows, fallbacks = [], []
        for model in models.to_dict("records"):
            number, arch = model["number"], model["arch"]
            file = folder / str(number) / FLOAT32_FILE
            logits, found, version = self.simulated(file, *arrays)
            of_model = [layer for layer in found if layer.unit != "NPU"]
            simulated = 100 * float(np.mean(logits.argmax(axis=1) == labels))
            kinds = Counter(f"{layer.operation} on the {layer.unit}" for layer in of_model)
            which = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
            log(
                f"{file}: rknn-toolkit2 {version} for {self.target}: {len(of_model)} of "
                f"{len(found)} layers do not run on the NPU{f' ({which})' if which else ''}; "
                f"{simulated:.2f} % right in int8 on {len(labels)} images (simulated)"
            )
            rows.append(
                {
                    "number": number,
                    "arch": arch,
                    "layers": len(found),
                    "fallbacks": len(of_model),
                    "simulated_accuracy_percent": simulated,
                    "simulated_images": len(labels),
                    "float32_accuracy_percent": model["float32_accuracy_percent"],
                    "source": f"measured: simulator of rknn-toolkit2 {version} for {self.target}, "
                    f"INT8, ranges of {len(calibration)} training images",
                }
            )
            fallbacks += [(number, arch, each.name, each.operation, each.unit) for each in of_model]
        columns = ["number", "arch", "layer", "operation", "unit"]
        return pd.DataFrame(rows), pd.DataFrame(fallbacks, columns=columns)

    def simulated(
        self, model: Path, calibration: np.ndarray, images: np.ndarray
    ) -> tuple[np.ndarray, list[Layer], str]:
        """Convert a float32 ONNX model, whose batch is open or 1, and simulate it without a board.

        Ranges are taken from ``calibration``, float32 (M, 3, H, W), normalised as in training.
        Returns the logits of ``images``, float32 (N, 3, H, W), the layers and the toolkit's
        version. InputError if the toolkit is not there or cannot convert the model.
        """
        arrays = {"calibration": calibration, "images": images}
        answer = self._asked({"target": self.target, "simulate": True}, model, **arrays)
        if "error" in answer:
            step = answer["step"]
            raise InputError(f"{model}: rknn-toolkit2 cannot {step} it: {answer['error']}")
        return answer["outputs"], layers(answer["printed"]), answer["version"]

    def board_names(self) -> tuple[str, ...]:
        """Return the board that is attached; InputError where none is, or it is not clear which."""
        answer = self._asked({"list_boards": True})
        if "error" in answer:
            raise InputError(f"rknn-toolkit2 cannot look for boards: {answer['error']}")
        attached = answer["boards"]
        chosen = [board for board in attached if self.device_id in (None, board)]
        if len(chosen) == 1:
            return tuple(chosen)
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
        return f"rknn-toolkit2 {self._asked({})['version']} on {self.target}"

    def conditions(self, board: str) -> dict[str, str | int]:
        """Return what a measurement depends on, apart from the model."""
        return super().conditions(board) | {"fix_frequency": int(self.fix_frequency)}

    def measure(self, model: Path, board: str) -> Timings:
        """Convert a model and time it on the board.

        Ranges are taken from made-up images: they change what a model says, not how long it takes.
        """
        import onnx

        steps = {name: getattr(self, name) for name in ("passes", "warmup", "fix_frequency")}
        (taken,) = onnx.load(model, load_external_data=False).graph.input
        _, *shape = (axis.dim_value for axis in taken.type.tensor_type.shape.dim)
        made_up = np.random.default_rng(0).standard_normal((_CALIBRATION_IMAGES, *shape))
        request = {"target": self.target, "device_id": board, **steps}
        answer = self._asked(request, model, calibration=made_up)
        if "error" in answer and answer["step"] == "convert":
            raise ModelRefused(f"rknn-toolkit2 cannot convert it: {answer['error']}")
        if "error" in answer:
            raise BoardLost(f"rknn-toolkit2: {answer['error']}")
        return pass_times(answer["printed"], passes=self.passes, warmup=self.warmup)

    def _asked(
        self, request: dict[str, Any], model: Path | None = None, **arrays: np.ndarray
    ) -> dict[str, Any]:
        """Return what the other Python answers, what it has ``printed``, and its ``outputs``."""
        python = Path(self.python).absolute()  # not resolved: a link leads out of its environment
        if not python.is_file():
            raise InputError(f"meter.python is {self.python!r}: there is no such file; {_HINT}")
        with tempfile.TemporaryDirectory(prefix="hanas-rknn-") as name:
            folder = Path(name)
            if model is not None:
                from hanas.deploy.onnx_models import with_batch

                with_batch(model, folder / "model.onnx", 1)
            for array, values in arrays.items():
                np.save(folder / f"{array}.npy", values.astype(np.float32))
            (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
            # Isolated: this module, which lies beside the script, has the name of the toolkit.
            command = [str(python), "-I", _rknn_convert.__file__]
            finished = run(command, timeout_seconds=self.timeout_seconds, folder=folder)
            file, outputs = folder / "answer.json", folder / "outputs.npy"
            answer = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
            logits = np.load(outputs) if outputs.is_file() else None
        if answer is None:
            status = finished.returncode
            how = "did not end in time" if status is None else f"status {status}"
            none = f"gave no answer ({how}): {' '.join(finished.stderr.split())[-300:]}"
            if request.get("passes"):  # the board may be at fault
                raise BoardLost(f"rknn-toolkit2 {none}")
            raise InputError(f"meter.python is {self.python!r}: it {none}; {_HINT}")
        said = _ERROR.search(_COLOUR.sub("", f"{finished.stdout}\n{finished.stderr}"))
        if "error" in answer and said:  # which says more than what the toolkit raises
            answer["error"] = said[1].strip()
        return answer | {"printed": finished.stdout, "outputs": logits}


def layers(output: str) -> list[Layer]:
    """Return all but inputs and outputs in the table that the toolkit prints, or InputError."""
    _, found, table = output.rpartition(_TABLE)
    rows = [row for line in table.splitlines() if (row := _LAYER.search(line))]
    if not found or not rows:
        raise InputError(f"rknn-toolkit2 printed no table of layers {_OTHER_VERSION}")
    made = [Layer(row[1], row[2], row[3].strip()) for row in rows]
    return [layer for layer in made if layer.operation not in ("InputOperator", "OutputOperator")]


def pass_times(output: str, *, passes: int, warmup: int) -> Timings:
    """Return the times of the passes that the toolkit has printed; InputError without them."""
    parts = re.split(r"^hanas pass \d+$", output, flags=re.MULTILINE)[1 + warmup :]
    times = [_TIME.findall(part) for part in parts]
    if len(times) != passes or not all(len(found) == 1 for found in times):
        raise InputError(f"rknn-toolkit2 printed no times {_OTHER_VERSION}")
    return Timings(np.array([float(found[0]) for found in times]) / 1e3)
