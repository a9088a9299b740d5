"""Rockchip's NPUs: rknn-toolkit2 converts models to 8-bit integers and times them on a board.

The toolkit needs a Python of its own (``envs/rknn`` makes it). On its own it says which layers do
not run on the NPU and simulates the converted model: :func:`report`. Timing needs a board at the
other end of adb: without one, measuring stops and says so.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from hanas.core.errors import InputError
from hanas.core.settings import check_choice, check_number, selected
from hanas.deploy.onnx_models import with_batch
from hanas.devices import _rknn_convert
from hanas.devices._processes import run
from hanas.devices._rknn_output import RknnReport, errors, layers, pass_times
from hanas.devices._settings import PassSettings
from hanas.devices.measuring.timings import BoardLost, ModelRefused, Timings

#: Models are given in float32: the toolkit quantises them.
QUANTISES = True
#: Of made-up images that models are converted with where only their time matters.
_CALIBRATION_IMAGES = 4


@dataclass(frozen=True)
class RknnSettings(PassSettings):
    """How models are converted and timed.

    Parameters
    ----------
    precision
        ``int8``, always.
    python
        A Python that has rknn-toolkit2; paths are taken from the working folder.
    target
        The chip, by its name in the toolkit.
    device_id
        The board in ``adb devices``, where several are attached.
    fix_frequency
        Whether the toolkit fixes the frequencies of the board while it times.
    timeout_seconds
        When a conversion or a measurement that has not ended is killed.
    """

    precision: str = "int8"
    python: str = ".venv-rknn/bin/python"
    target: str = "rk3588"
    device_id: str | None = None
    fix_frequency: bool = True
    timeout_seconds: float = 3600

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("precision", self.precision, ("int8",))
        check_choice("batch", self.batch, (1,))
        check_choice("fix_frequency", self.fix_frequency, (True, False))
        check_number("timeout_seconds", self.timeout_seconds, above=0)


def report(
    model: Path,
    calibration: np.ndarray,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    settings: Mapping[str, Any],
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
    settings
        See :class:`RknnSettings`.

    Raises
    ------
    InputError
        If the toolkit is not there or cannot convert the model.
    """
    chosen = _checked(settings)
    with tempfile.TemporaryDirectory(prefix="hanas-rknn-") as folder:
        np.save(Path(folder, "images.npy"), images.astype(np.float32))
        answer, output = _converted(chosen, Path(folder), model, calibration, {"simulate": True})
        if "error" in answer:
            raise InputError(
                f"{model}: rknn-toolkit2 cannot {answer['step']} it: {answer['error']}"
            )
        logits = np.load(Path(folder, "outputs.npy"))
    right = float(np.mean(logits.argmax(axis=1) == labels))
    return RknnReport(
        toolkit=answer["version"],
        target=chosen.target,
        layers=layers(output),
        accuracy_percent=100 * right,
        images=len(labels),
    )


def boards(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the board that is attached.

    Raises
    ------
    InputError
        If the toolkit is not there, if no board is attached, or if it is not clear which.
    """
    chosen = _checked(settings)
    with tempfile.TemporaryDirectory(prefix="hanas-rknn-") as folder:
        answer, _ = _answered(chosen, Path(folder), {"list_boards": True})
    if "error" in answer:
        raise InputError(f"rknn-toolkit2 cannot look for boards: {answer['error']}")
    attached = answer["boards"]
    if chosen.device_id is None and len(attached) == 1:
        return (attached[0],)
    if chosen.device_id in attached:
        return (str(chosen.device_id),)
    if attached:
        raise InputError(
            f"meter.device_id is {chosen.device_id!r}, but these boards are attached: "
            f"{', '.join(attached)}; set it to one of them"
        )
    raise InputError(
        f"no {chosen.target} is attached, so that nothing can be timed: connect the board by USB "
        "until `adb devices` shows it and run it again, or use a device of kind command that "
        "reaches the board by ssh. What needs no board is results/exports/RETRAINING/rknn/"
        "DEVICE.csv: which layers do not run on the NPU, and the accuracy in int8"
    )


def conditions(settings: Mapping[str, Any], board: str) -> dict[str, str | int]:
    """Return what a measurement depends on, apart from the model."""
    chosen = _checked(settings)
    return {
        "runtime": f"rknn-toolkit2 {_version(chosen.python)} on {chosen.target}",
        "threads": chosen.threads,
        "precision": chosen.precision,
        "batch": chosen.batch,
        "passes": chosen.passes,
        "warmup": chosen.warmup,
        "fix_frequency": int(chosen.fix_frequency),
    }


def measure(model: Path, *, settings: Mapping[str, Any], board: str) -> Timings:
    """Convert a model and time it on the board.

    Ranges are taken from made-up images: they change what a model says, not how long it takes.

    Raises
    ------
    ModelRefused
        If the toolkit cannot convert the model.
    BoardLost
        If the board does not answer.
    """
    chosen = _checked(settings)
    steps = {
        "passes": chosen.passes,
        "warmup": chosen.warmup,
        "fix_frequency": chosen.fix_frequency,
        "device_id": board,
    }
    with tempfile.TemporaryDirectory(prefix="hanas-rknn-") as folder:
        answer, output = _converted(chosen, Path(folder), model, None, steps)
    if "error" in answer and answer["step"] == "convert":
        raise ModelRefused(f"rknn-toolkit2 cannot convert it: {answer['error']}")
    if "error" in answer:
        raise BoardLost(f"rknn-toolkit2: {answer['error']}")
    return pass_times(output, passes=chosen.passes, warmup=chosen.warmup)


def _checked(settings: Mapping[str, Any]) -> RknnSettings:
    return selected(RknnSettings, settings, "meter")


def _converted(
    chosen: RknnSettings,
    folder: Path,
    model: Path,
    calibration: np.ndarray | None,
    steps: Mapping[str, Any],
) -> tuple[dict[str, Any], str]:
    fixed = folder / "model.onnx"
    with_batch(model, fixed, 1)
    if calibration is None:
        calibration = np.random.default_rng(0).standard_normal(
            (_CALIBRATION_IMAGES, *_input_shape(fixed))
        )
    np.save(folder / "calibration.npy", calibration.astype(np.float32))
    request = {"model": str(fixed), "target": chosen.target, **steps}
    return _answered(chosen, folder, request)


def _input_shape(model: Path) -> tuple[int, ...]:
    import onnx

    (taken,) = onnx.load(model, load_external_data=False).graph.input
    return tuple(axis.dim_value for axis in taken.type.tensor_type.shape.dim)[1:]


def _answered(
    chosen: RknnSettings, folder: Path, request: Mapping[str, Any]
) -> tuple[dict[str, Any], str]:
    """Return what the other Python answers, and what it prints."""
    python = Path(chosen.python).absolute()  # not resolved: a link leads out of its environment
    if not python.is_file():
        raise InputError(
            f"meter.python is {chosen.python!r}: there is no such file; envs/rknn makes a Python "
            "with rknn-toolkit2 in .venv-rknn"
        )
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    # Isolated: this module, which lies beside the script, has the name of the toolkit.
    finished = run(
        [str(python), "-I", _rknn_convert.__file__],
        timeout_seconds=chosen.timeout_seconds,
        folder=folder,
    )
    file = folder / "answer.json"
    if not file.is_file():
        how = "did not end in time" if finished.status is None else f"status {finished.status}"
        said = " ".join(finished.errors.split())[-300:]
        if request.get("passes"):  # the board may be at fault
            raise BoardLost(f"rknn-toolkit2 gave no answer ({how}): {said}")
        raise InputError(
            f"meter.python is {chosen.python!r}: it gave no answer ({how}): {said}; envs/rknn "
            "makes a Python with rknn-toolkit2 in .venv-rknn"
        )
    answer = json.loads(file.read_text(encoding="utf-8"))
    said = errors(f"{finished.output}\n{finished.errors}")
    if "error" in answer and said:  # which says more than what the toolkit raises
        answer["error"] = said[0]
    return answer, finished.output


@cache
def _version(python: str) -> str:
    with tempfile.TemporaryDirectory(prefix="hanas-rknn-") as folder:
        answer, _ = _answered(RknnSettings(python=python), Path(folder), {})
    return answer["version"]
