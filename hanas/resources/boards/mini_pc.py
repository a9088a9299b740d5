#!/usr/bin/env python3
"""Time an ONNX or LiteRT model on a PC with OpenVINO's benchmark_app: CPU, GPU or NPU of Intel's.

    mini_pc.py model.onnx                          # this machine
    mini_pc.py model.onnx --host user@pc --on GPU

Passes follow one another (``-api sync``); benchmark_app says their median. ``pip install openvino``
brings it. It computes in what suits the processor, often bfloat16 or float16: the answer's runtime
says so where it is printed, and ``--precision f32`` prevents it (since OpenVINO 2022.2).

Formats: https://docs.openvino.ai, "Benchmark Tool", of 2021.4, 2022.1, 2023.2, 2024 and 2025.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import shlex
import subprocess
import sys
from pathlib import Path

#: What benchmark_app says of a model that OpenVINO cannot run.
REFUSED = (
    r"FrontEnd API failed|OpConversionFailure|OpValidationFailure|Unable to read the model|"
    r"[Uu]nsupported operation|operations? .*(?:is|are) not supported"
)


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("model", help="ONNX or LiteRT (.tflite) file of a fixed batch")
    parser.add_argument("--host", help="the PC, as ssh knows it; without it, this machine")
    parser.add_argument("--on", choices=["CPU", "GPU", "NPU"], default="CPU")
    parser.add_argument("--passes", type=int, default=200)
    parser.add_argument("--threads", type=int, help="of the CPU; else OpenVINO chooses")
    parser.add_argument("--precision", choices=["f32", "f16", "bf16"], help="of computing")
    parser.add_argument("--tool", default="benchmark_app", help="on the PC")
    parser.add_argument("--timeout", type=float, default=600, help="seconds")
    return parser.parse_args()


def measure(options: argparse.Namespace) -> dict:
    """Return the answer for a model: latency_ms and runtime."""
    model = read_model(options.model)
    words = [options.tool, "-m", "{model}", "-d", options.on]
    words += ["-api", "sync", "-niter", str(options.passes)]
    if options.threads and options.on == "CPU":
        words += ["-hint", "none", "-nstreams", "1", "-nthreads", str(options.threads)]
    if options.precision:
        words += ["-infer_precision", options.precision]
    name = "model.tflite" if is_litert(model) else "model.onnx"
    command = shell(options.host, with_model(name, words, options.timeout))
    status, text = run(command, options.timeout + 60, model)
    refusals = [line for line in text.splitlines() if re.search(REFUSED, line)]
    if status != 0 and refusals:
        raise Refused(f"OpenVINO cannot run the model: {said(refusals[0])}")
    if status != 0:
        raise ended(options.tool, options.host, status, text)
    build = re.search(r"Build[ .]+(\d+\.\d+\.\d+)", text)
    kind = re.search(r"INFERENCE_PRECISION_HINT\W+(?:Type: ')?(\w+)", text)
    runtime = (
        f"OpenVINO{f' {build[1]}' if build else ''}, {options.on}{f', {kind[1]}' if kind else ''}"
    )
    return {"latency_ms": [median_ms(text)], "runtime": runtime}


def median_ms(text: str) -> float:
    """Return the median pass that benchmark_app printed, ms.

    A line ``Median:  10.45 ms`` under ``Latency:``, with ``[ INFO ]`` before it since 2022.2, and
    in us where it is short, at least in 2026.4; until 2021.4 ``Latency:  1.25 ms``.
    """
    _, _, below = text.rpartition("Latency:")
    found = re.match(r" *(\S+) (us|ms|s)\b", below) or re.search(
        r"Median: +(\S+) (us|ms|s)\b", below
    )
    if not found:
        raise Failed(
            f"benchmark_app printed no latency that this recipe understands; it printed "
            f"{said(text)}: it knows the formats of OpenVINO 2021 to 2026; send what yours prints "
            "to its authors"
        )
    return milliseconds(found[1], found[2], "benchmark_app")


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


def shell(host: str | None, script: str) -> list[str]:
    """Return the command that runs a script of ``sh`` on a board, by ssh, or on this machine."""
    if host is None:
        return ["sh", "-c", script]
    options = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=15"]
    return ["ssh", *options, host, f"sh -c {shlex.quote(script)}"]


def with_model(name: str, words: list[str], seconds: float) -> str:
    """Return a script that takes a model as its input and runs a program on it.

    In ``words`` of the program, {model} stands for the file, ``name`` in a folder of its own, which
    goes when the program ends.
    """
    program = " ".join(
        '"$model"'.join(part and shlex.quote(part) for part in word.split("{model}"))
        for word in words
    )
    return (
        "folder=$(mktemp -d) || exit 1; trap 'rm -rf \"$folder\"' EXIT; "
        f'model="$folder"/{shlex.quote(name)}; cat >"$model" || exit 1; '
        f"timeout {seconds:g} {program} </dev/null 2>&1"
    )


def ended(tool: str, host: str | None, status: int, text: str) -> Failed:
    """Return what it means that a program on a board ended with an exit status other than 0."""
    where, told = host or "this machine", said(text)
    if status == 255 and host:
        return Failed(
            f"ssh cannot reach {host}; it printed {told}: `ssh {host} true` has to work without a "
            "password"
        )
    if status in (126, 127):
        return Failed(
            f"{tool} is not on {where} or cannot be run there; printed was {told}: install it "
            "there, or say where it is (--help)"
        )
    if status in (124, 137, 143):
        return Failed(
            f"{tool} on {where} was ended, most likely because it took longer than --timeout; it "
            f"printed {told}: raise it, or look whether the board hangs or lacks memory"
        )
    return Failed(
        f"{tool} on {where} ended with exit status {status}; it printed {told}: run it there by "
        "hand to see more"
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
