"""Networks as LiteRT files (once TensorFlow Lite), float32 and 8-bit, written, run and timed.

What does it lives in a Python of its own (``envs/litert`` makes it), which is started for each
conversion: litert-torch converts, ai-edge-quantizer makes 8-bit integers from input to output, the
form that an Edge TPU's compiler takes, and ai-edge-litert runs the files.
"""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hanas.core.errors import InputError
from hanas.core.files import replacing
from hanas.core.memory import short_of_memory
from hanas.core.processes import Service, run
from hanas.deploy import _litert_work
from hanas.deploy.quantisation import MEMORY_REMEDY, Calibration

if TYPE_CHECKING:  # devices run files without PyTorch
    from torch import nn

#: Where ``envs/litert`` puts it, relative to the study.
PYTHON = ".venv-litert/bin/python"
HINT = "`make litert` (or envs/litert of a clone of hanas) makes one in .venv-litert"
#: Longest that one conversion, or the test of a part of the images, may take.
TIMEOUT_SECONDS = 3600
#: Bytes of images that are prepared, or run, at a time.
_BYTES_AT_A_TIME = 2**27
#: Pythons that answer requests without files, by their program.
_SERVICES: dict[Path, Service] = {}


class LiteRTError(Exception):
    """What LiteRT's tools said of a network that they cannot convert, run or quantise."""


def convert(
    network: nn.Module,
    calibration: Calibration,
    float_file: Path,
    int8_file: Path | None,
    *,
    python: str,
    threads: int = 1,
) -> str:
    """Write a network, in evaluation mode, as LiteRT; return the versions of what wrote it.

    The files take one picture, channels last: float32 (1, H, W, 3), normalised as in training. In
    ``int8_file``, input and output are int8 too, with the scale and zero point that the file names.
    ``calibration`` is float32 (M, 3, H, W). InputError without the other Python, or where memory is
    short; LiteRTError for a network that cannot be converted.
    """
    import torch

    _program(python)  # before what takes long
    _, channels, height, width = calibration.shape
    with tempfile.TemporaryDirectory(prefix="hanas-litert-") as name:
        folder = Path(name)
        with warnings.catch_warnings(), torch.inference_mode(False):
            warnings.simplefilter("ignore")
            example = (torch.zeros(1, channels, height, width),)
            torch.export.save(
                torch.export.export(_with_fixed_weights(network), example), folder / "network.pt2"
            )
        if int8_file is not None:
            _save_channels_last(calibration, folder / "calibration.npy")
        how = {"input": [1, height, width, channels], "quantise": int8_file is not None}
        answer = asked(python, {"convert": {**how, "threads": threads}}, folder, str(float_file))
        for made, file in (("model.tflite", float_file), ("model.int8.tflite", int8_file)):
            if file is not None:
                with replacing(file) as temporary:
                    shutil.copyfile(folder / made, temporary)
    return ", ".join(f"{package} {version}" for package, version in answer["versions"].items())


def logits(
    files: Sequence[Path], images: Calibration, *, python: str, threads: int = 1
) -> Iterator[list[np.ndarray]]:
    """Yield the logits, float32 (n, classes), of each file of images (N, 3, H, W), by parts.

    One image at a time is run, and few are in memory. Errors as of :func:`convert`.
    """
    paths = [str(file.absolute()) for file in files]
    for start, stop in _parts(images):
        with tempfile.TemporaryDirectory(prefix="hanas-litert-") as name:
            folder = Path(name)
            np.save(folder / "images.npy", images[start:stop].transpose(0, 2, 3, 1))
            asked(python, {"run": paths, "threads": threads}, folder, paths[0])
            yield [np.load(folder / f"{number}.npy") for number in range(len(paths))]


def asked(python: str, request: dict[str, Any], folder: Path, place: str) -> dict[str, Any]:
    """Return what the other Python answers to a request, whose files lie in ``folder``.

    ``place`` names the model. Errors as of :func:`convert`.
    """
    program = _program(python)
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    # Isolated: neither the study's folder nor this one is searched for modules.
    command = [str(program), "-I", _litert_work.__file__]
    finished = run(command, timeout_seconds=TIMEOUT_SECONDS, folder=folder)
    file = folder / "answer.json"
    answer = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"error": None}
    return _accepted(answer, finished.returncode, finished.stderr, python, place)


def answered(python: str, request: dict[str, Any], place: str) -> dict[str, Any]:
    """Return what the other Python answers to a request without files, and keep it running.

    It ends with this process. Errors as of :func:`asked`.
    """
    program = _program(python)
    if (service := _SERVICES.get(program)) is None:
        command = [str(program), "-I", _litert_work.__file__, "serve"]
        service = _SERVICES[program] = Service(command)
    line = service.ask(json.dumps(request), timeout_seconds=TIMEOUT_SECONDS)
    answer = {"error": None} if line is None else json.loads(line)
    if line is None:  # it has ended, and another one starts for the next request
        del _SERVICES[program]
    return _accepted(answer, service.status, service.errors, python, place)


def _accepted(
    answer: dict[str, Any], status: int | None, stderr: str, python: str, place: str
) -> dict[str, Any]:
    """Return an answer of the other Python. Raises what :func:`asked` does."""
    errors = " ".join(stderr.split())[-300:]
    if "error" in answer and (status == -9 or short_of_memory(answer["error"] or stderr)):
        said = answer["error"] or errors
        raise InputError(f"{place}: LiteRT's tools: out of memory ({said}); {MEMORY_REMEDY}")
    if answer.get("error"):
        raise LiteRTError(f"{place}: {answer['error']}")
    if "versions" not in answer:
        how = "did not end in time" if status is None else f"status {status}"
        raise InputError(
            f"the Python for LiteRT, {python!r}, gave no answer for {place} ({how}): {errors}; "
            f"{HINT}"
        )
    return answer


def _with_fixed_weights(network: nn.Module) -> nn.Module:
    """Return a copy none of whose weights is computed while it runs: INT8 refuses those."""
    from hanas.spaces.networks.cell import PooledConvolution

    found = copy.deepcopy(network).cpu().eval()
    for parent in list(found.modules()):
        for name, child in parent.named_children():
            if isinstance(child, PooledConvolution):
                setattr(parent, name, child.plain())
    return found


def _program(python: str) -> Path:
    program = Path(python).absolute()  # not resolved: a link leads out of its environment
    if not program.is_file():
        raise InputError(f"the Python for LiteRT is {python!r}: there is no such file; {HINT}")
    return program


def _save_channels_last(images: Calibration, path: Path) -> None:
    count, channels, height, width = images.shape
    shape = (count, height, width, channels)
    written = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    for start, stop in _parts(images):
        written[start:stop] = images[start:stop].transpose(0, 2, 3, 1)
    written.flush()


def _parts(images: Calibration) -> Iterator[tuple[int, int]]:
    each = max(1, _BYTES_AT_A_TIME // (4 * int(np.prod(images.shape[1:]))))
    for start in range(0, len(images), each):
        yield start, min(start + each, len(images))
