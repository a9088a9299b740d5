#!/usr/bin/env python3
"""Convert an ONNX model for a Rockchip NPU and time it there by rknn_benchmark, over adb.

    rk3588.py model.onnx --python .venv-rknn/bin/python

``--python`` has rknn-toolkit2 (``make rknn`` of hanas makes it), which converts the model to INT8
on this machine; its ranges are of made-up images, which changes what the model says and not how
long it takes. rknn_benchmark is Rockchip's (rknpu2/examples/rknn_benchmark of
airockchip/rknn-toolkit2), put onto the board once with its folder ``lib``. It prints each pass. A
device of kind ``rknn`` needs no such tool: the toolkit then times by itself, with its profiler.

Formats: https://github.com/airockchip/rknn-toolkit2/tree/master/rknpu2/examples/rknn_benchmark
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import posixpath
import re
import shlex
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

#: Runs in the Python that has the toolkit: arguments model, result, chip.
CONVERT = """
import sys
def stop(word, reason):
    print(f"hanas {word}: {reason}", flush=True)
    sys.exit(1)
try:
    import numpy, onnx
    from rknn.api import RKNN
except ImportError as error:
    stop("lacks", error)
file, result, chip = sys.argv[1:]
(taken,) = onnx.load(file).graph.input
shape = [axis.dim_value or 1 for axis in taken.type.tensor_type.shape.dim]
numpy.save("image.npy", numpy.random.default_rng(0).standard_normal(shape).astype("float32"))
open("images.txt", "w").write("image.npy\\n")
toolkit = RKNN(verbose=False)
for step in (
    lambda: toolkit.config(target_platform=chip),
    lambda: toolkit.load_onnx(model=file),
    lambda: toolkit.build(do_quantization=True, dataset="images.txt"),
    lambda: toolkit.export_rknn(result),
):
    try:
        if step() != 0:
            stop("refused", "a step of the conversion failed")
    except Exception as error:
        last = str(error).strip().split("\\n")[-1]
        stop("refused", f"{type(error).__name__}: {last}")
"""


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("model", help="ONNX file, float32, of batch 1")
    parser.add_argument("--python", default=".venv-rknn/bin/python", help="with rknn-toolkit2")
    parser.add_argument("--chip", default="rk3588", help="as the toolkit names it")
    parser.add_argument("--serial", help="the board, as `adb devices` names it")
    parser.add_argument("--passes", type=int, default=100, help="at least")
    tool = "/userdata/rknn_benchmark_Linux/rknn_benchmark"
    parser.add_argument("--tool", default=tool, help="rknn_benchmark on the board")
    parser.add_argument("--timeout", type=float, default=600, help="seconds")
    return parser.parse_args()


def measure(options: argparse.Namespace) -> dict:
    """Return the answer for a model: latency_ms and runtime."""
    read_model(options.model)
    folder_there = posixpath.dirname(options.tool)
    there = posixpath.join(folder_there, f"hanas-{uuid.uuid4().hex}.rknn")
    with tempfile.TemporaryDirectory(prefix="hanas-rk3588-") as folder:
        made = converted(options, Path(folder))
        status, text = adb(options, ["push", str(made), there])
    words = ["timeout", f"{options.timeout:g}", options.tool, there]
    libraries = shlex.quote(posixpath.join(folder_there, "lib"))
    program = f"LD_LIBRARY_PATH={libraries} {' '.join(shlex.quote(word) for word in words)} 2>&1"
    passes: list[float] = []
    runtime = ""
    try:
        if status != 0:
            raise adb_failed(options, status, text)
        while len(passes) < options.passes:  # it makes ten at a time
            status, text = adb(options, ["shell", program])
            if status != 0:
                raise adb_failed(options, status, text)
            passes += pass_times(text)
            found = re.search(r"rknnrt version: (\S+)", text)
            runtime = f" {found[1]}" if found else ""
    finally:
        with contextlib.suppress(Failed):  # what went wrong before says more
            adb(options, ["shell", f"rm -f {shlex.quote(there)}"])
    return {"latency_ms": passes, "runtime": f"rknnrt{runtime}, {options.chip}, INT8"}


def converted(options: argparse.Namespace, folder: Path) -> Path:
    """Return the file of the converted model."""
    # Not resolved: a link of a virtual environment leads out of it.
    python = str(Path(options.python).absolute()) if "/" in options.python else options.python
    made, model = folder / "model.rknn", str(Path(options.model).absolute())
    inside = f"cd {shlex.quote(str(folder))} && exec"
    words = [python, "-c", CONVERT, model, str(made), options.chip]
    command = ["sh", "-c", f"{inside} {' '.join(shlex.quote(word) for word in words)}"]
    status, text = run(command, options.timeout)
    if status in (126, 127) or re.search(r"^hanas lacks: ", text, re.MULTILINE):
        raise Failed(
            f"{options.python} is no Python with rknn-toolkit2; it printed {said(text)}: `make "
            "rknn` makes one, name it by --python"
        )
    if re.search(r"^hanas refused: ", text, re.MULTILINE):
        # The toolkit's own line, without its colours, says more than what it raises.
        own = re.findall(
            r"^E (?!RKNN:)\w+: (?!Traceback).+", re.sub(r"\x1b\[[\d;]*m", "", text), re.M
        )
        raise Refused(f"rknn-toolkit2 cannot convert the model: {said(own[0] if own else text)}")
    if status != 0 or not made.is_file():
        raise Failed(
            f"rknn-toolkit2 ended with exit status {status} and made no model; it printed "
            f"{said(text)}: run it by hand to see more"
        )
    return made


def pass_times(text: str) -> list[float]:
    """Return the passes that rknn_benchmark printed, ms, without those before ``Begin perf``.

    ``   0: Elapse Time = 2.85ms, FPS = 351.12``
    """
    _, _, below = text.partition("Begin perf")
    times = re.findall(r"\d+: Elapse Time = ([^\s,]+?) ?ms", below)
    if not times:
        raise Failed(
            f"rknn_benchmark printed no times that this recipe understands; it printed "
            f"{said(text)}: it knows those of rknn-toolkit2 1.5 to 2.3; send what yours prints to "
            "its authors"
        )
    return [milliseconds(each, "ms", "rknn_benchmark") for each in times]


class Failed(Exception):  # noqa: N818 - says what happened
    """Nothing was measured: a sentence that says why, and what to do."""


class Refused(Failed):
    """The board cannot run this model, however often one tries."""


def said(text: str) -> str:
    """Return what a program printed: its errors, or else its end, escaped and shortened."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    wrong = r"(?i)\berr|fail|cannot|can't|unable|denied|invalid|not found|no such|missing"
    told = dict.fromkeys([line for line in lines if re.search(wrong, line)] or lines)
    end = " / ".join(list(told)[-3:])
    end = end if len(end) <= 300 else f"...{end[-300:]}"
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in end)
    return f'"{escaped}"' if end else "nothing"


def run(command: list[str], seconds: float, data: bytes = b"") -> tuple[int, str]:
    """Return the exit status of a program that is fed with ``data``, and all that it prints."""
    try:
        done = subprocess.run(
            command, input=data, timeout=seconds, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except OSError as error:
        raise Failed(
            f"{command[0]} cannot be run here ({error.strerror}): install it and put it into PATH"
        ) from error
    except subprocess.TimeoutExpired as late:
        told = said((late.stdout or b"").decode("utf-8", "replace"))
        raise Failed(
            f"{command[0]} did not end within {seconds:g} s; it printed {told}: look whether the "
            "board hangs, or raise --timeout"
        ) from late
    return done.returncode, done.stdout.decode("utf-8", "replace")


def adb(options: argparse.Namespace, words: list[str]) -> tuple[int, str]:
    """Return the exit status of adb, which is that of the program on the board, and the output."""
    board = ["-s", options.serial] if options.serial else []
    return run(["adb", *board, *words], options.timeout + 60)


def adb_failed(options: argparse.Namespace, status: int, text: str) -> Failed:
    """Return what it means that adb, or the tool that it has run on the board, has failed."""
    told = said(text)
    if status in (126, 127):
        return Failed(
            f"{options.tool} is not on the board or cannot be run there; printed was {told}: adb "
            "push it, chmod +x it, or say where it is by --tool"
        )
    if status in (124, 137, 143):
        return Failed(
            f"{options.tool} was ended, most likely because it took longer than --timeout; it "
            f"printed {told}: raise it, or look whether the board hangs"
        )
    return Failed(
        f"adb or {options.tool} ended with exit status {status}; printed was {told}: `adb devices` "
        "has to show the board as 'device'; where it shows several, name one by --serial"
    )


def read_model(file: str) -> bytes:
    """Return the bytes of a model."""
    try:
        model = Path(file).read_bytes()
    except OSError as error:
        raise Failed(f"{file} cannot be read ({error.strerror}): name a model file") from error
    if not model:
        raise Failed(f"{file} is empty: name a model file")
    return model


def milliseconds(number: str, unit: str, tool: str) -> float:
    """Return a time that a tool printed, in ms; Failed where it cannot be one."""
    try:
        found = float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]
    except ValueError:
        found = math.nan
    if not (math.isfinite(found) and found > 0):
        raise Failed(f"{tool} printed {number[:40]!r} {unit} where a time above 0 is expected")
    return found


def main() -> int:
    """Print the answer; return the exit status."""
    try:
        print(json.dumps(measure(arguments())))
    except Failed as failure:
        if isinstance(failure, Refused):
            print(json.dumps({"infeasible": str(failure)}))
        print(f"{Path(__file__).name}: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
