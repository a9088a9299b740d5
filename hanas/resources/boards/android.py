#!/usr/bin/env python3
"""Time a LiteRT model on an Android phone or board, over adb, with LiteRT's benchmark_model.

It runs on the CPU, on the GPU or through NNAPI, and says the mean of the passes:

    android.py model.tflite --on gpu

What the GPU or NNAPI refuses as a whole is infeasible, and never a time of the CPU; of which models
only parts run there, the answer's runtime says so. The tool is put onto the board once:

    adb push benchmark_model /data/local/tmp && adb shell chmod +x /data/local/tmp/benchmark_model

Formats: https://ai.google.dev/edge/litert/models/measurement,
https://developer.android.com/tools/adb.
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
import uuid
from pathlib import Path

#: Flags of the tool, and the name of the delegate in what it prints.
WHERE = {
    "cpu": (["--use_xnnpack=true"], None),
    "gpu": (["--use_gpu=true"], "GPU"),
    "nnapi": (["--use_nnapi=true"], "NNAPI"),
}


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("model", help="LiteRT (.tflite) file")
    parser.add_argument("--on", choices=WHERE, default="cpu", help="what computes")
    parser.add_argument("--serial", help="the board, as `adb devices` names it")
    parser.add_argument("--passes", type=int, default=200)
    parser.add_argument("--warmup", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tool", default="/data/local/tmp/benchmark_model", help="on the board")
    parser.add_argument("--timeout", type=float, default=600, help="seconds")
    return parser.parse_args()


def measure(options: argparse.Namespace) -> dict:
    """Return the answer for a model: latency_ms and runtime."""
    if not is_litert(read_model(options.model)):
        raise Failed(
            f"{options.model} is no LiteRT model: `format: litert` of the device makes one"
        )
    there = posixpath.join(posixpath.dirname(options.tool), f"hanas-{uuid.uuid4().hex}.tflite")
    flags = [each.format(model=there) for each in litert_flags(options, 0)]
    flags += WHERE[options.on][0]
    program = " ".join(shlex.quote(word) for word in [options.tool, *flags])
    status, text = adb(options, ["push", options.model, there])
    try:
        if status != 0:
            raise adb_failed(options, status, text)
        status, text = adb(options, ["shell", f"timeout {options.timeout:g} {program} 2>&1"])
    finally:
        with contextlib.suppress(Failed):  # what went wrong before says more
            adb(options, ["shell", f"rm -f {shlex.quote(there)}"])
    return answer(options, status, text)


def answer(options: argparse.Namespace, status: int, text: str) -> dict:
    """Return the answer in what benchmark_model has printed."""
    _, delegate = WHERE[options.on]
    if reason := refused_by_benchmark_model(text):
        raise Refused(f"benchmark_model cannot run the model on the {options.on}: {reason}")
    if status != 0:
        raise adb_failed(options, status, text)
    latency_ms = benchmark_model_ms(text)
    how = f"CPU, threads: {options.threads}"
    if delegate:
        applied = rf"applied {delegate} delegate(?:, and the model graph will be (\w+) executed)?"
        found = re.search(applied, text, re.IGNORECASE)
        if not found:
            raise Failed(
                f"benchmark_model does not say that the {delegate} delegate was applied; it "
                f"printed {said(text)}: take a benchmark_model that was built with it"
            )
        how = f"{delegate} delegate, {found[1] or 'how much of it is not said'}"
        kernels = re.search(r"executed by the delegate w/ (\d+) delegate kernels", text)
        how += f", in {kernels[1]} parts" if kernels and found[1] == "partially" else ""
    return {"latency_ms": [latency_ms], "runtime": f"LiteRT benchmark_model, {how}"}


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


def is_litert(model: bytes) -> bool:
    """Return whether bytes are a LiteRT (TFLite) model: a FlatBuffer named TFL3."""
    return model[4:8] == b"TFL3"


def milliseconds(number: str, unit: str, tool: str) -> float:
    """Return a time that a tool printed, in ms; Failed where it cannot be one."""
    try:
        found = float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]
    except ValueError:
        found = math.nan
    if not (math.isfinite(found) and found > 0):
        raise Failed(f"{tool} printed {number[:40]!r} {unit} where a time above 0 is expected")
    return found


def benchmark_model_ms(text: str) -> float:
    """Return the mean pass in what LiteRT's benchmark_model printed, ms.

    That is ``Inference (avg): 8413.35`` in us, ``no stats: 66767.6`` until 2019. Numbers of a
    million and more have an exponent.
    """
    found = re.findall(
        r"inference timings in us:.*?(?:Inference \(avg\)|no stats): *([^\s,]+)",
        text,
        re.IGNORECASE,
    )
    if len(found) != 1:
        raise Failed(
            f"benchmark_model printed {len(found)} lines with 'Inference timings in us' and an "
            f"average, where one is expected; it printed {said(text)}: this recipe knows the "
            "formats of 2019 to 2025; send what yours prints to its authors"
        )
    return milliseconds(found[0], "us", "benchmark_model")


def refused_by_benchmark_model(text: str) -> str | None:
    """Return the line in which LiteRT's benchmark_model says that it cannot run a model."""
    reasons = (
        r"Failed to apply \w+ delegate|will not be executed by the delegate|unresolved custom op|"
        r"Didn't find op for builtin|Op builtin_code out of range|Failed to allocate tensors|"
        r"Failed to construct interpreter|model identifier"
    )
    lines = [line for line in text.splitlines() if re.search(reasons, line, re.IGNORECASE)]
    return said(lines[0]) if lines else None


def litert_flags(options: argparse.Namespace, least_seconds: float) -> list[str]:
    """Return the arguments of LiteRT's benchmark_model; {model} is the file on the board."""
    return [
        "--graph={model}",
        f"--num_threads={options.threads}",
        f"--num_runs={options.passes}",
        f"--min_secs={least_seconds:g}",
        f"--warmup_runs={options.warmup}",
        "--warmup_min_secs=0",
    ]


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
