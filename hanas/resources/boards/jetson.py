#!/usr/bin/env python3
"""Time an ONNX model on an NVIDIA Jetson with TensorRT's trtexec, in fp16, int8 or fp32.

    jetson.py model.onnx --host jetson --precision fp16
    jetson.py model.onnx --host jetson --precision int8 --power VDD_IN

Without --host on this machine. Building the engine takes up to minutes and is not timed. A pass is
its GPU compute time, without copies to and from the GPU. int8 lets TensorRT choose between int8 and
fp16 for each layer; without a calibration the results of the network mean nothing, its times do.

With ``--power RAILS`` the answer has the energy of a pass: the mean of what tegrastats says of
these rails during the passes (and a warm-up of .2 s before), times the latency. VDD_IN (TX2, Xavier
NX, Orin Nano and NX) and POM_5V_IN (Nano) are all of the module; AGX Orin has none such:
VDD_GPU_SOC,VDD_CPU_CV,VIN_SYS_5V0. Idle power is in it.

Formats: https://docs.nvidia.com/deeplearning/tensorrt/latest/performance/best-practices.html
(trtexec), "Tegrastats Utility" in https://docs.nvidia.com/jetson/archives/r36.2/DeveloperGuide/.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

PRECISIONS = {"fp32": [], "fp16": ["--fp16"], "int8": ["--int8", "--fp16"]}
#: What trtexec says of a model that TensorRT cannot run.
REFUSED = (
    r"Failed to parse onnx|Parsing model failed|No importer registered|Unsupported ONNX|"
    r"UNSUPPORTED_NODE|Could not find any implementation for node"
)


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("model", help="ONNX file of a fixed batch")
    parser.add_argument("--host", help="the board, as ssh knows it; without it, this machine")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp16")
    parser.add_argument("--passes", type=int, default=200, help="at least; also 3 seconds")
    parser.add_argument("--tool", default="trtexec", help="on the board")
    parser.add_argument("--power", metavar="RAILS", help="rails of tegrastats, by commas")
    parser.add_argument("--timeout", type=float, default=1200, help="seconds")
    return parser.parse_args()


def measure(options: argparse.Namespace) -> dict:
    """Return the answer for a model: latency_ms, runtime, and energy_mj with rails."""
    model = read_model(options.model)
    # One run an average, so that trtexec prints each pass: its JSON of them brings a profiler into
    # play in some versions.
    words = [options.tool, "--onnx={model}", f"--iterations={options.passes}", "--avgRuns=1"]
    words += PRECISIONS[options.precision]
    script = with_model("model.onnx", words, options.timeout)
    # Where JetPack puts it.
    command = shell(options.host, f'PATH="$PATH":/usr/src/tensorrt/bin; {script}')
    meter = shell(options.host, "exec tegrastats --interval 50") if options.power else None
    status, lines, readings = metered(command, model, meter, options.timeout + 60)
    found = answer(options, status, "".join(line for _, line in lines))
    if not meter:
        return found
    rails = options.power.split(",")
    window = (r"Starting inference", r"Warmup completed|Timing trace has")
    watts = mean_watts(lines, readings, window, lambda line: rail_watts(line, rails))
    mean = sum(found["latency_ms"]) / len(found["latency_ms"])
    return {**found, "energy_mj": watts * mean}


def answer(options: argparse.Namespace, status: int, text: str) -> dict:
    """Return the answer in what trtexec has printed."""
    failed = status != 0 or "&&&& FAILED" in text
    refusals = [line for line in text.splitlines() if re.search(REFUSED, line)]
    if failed and refusals:
        raise Refused(f"trtexec cannot build an engine of the model: {said(refusals[0])}")
    if failed:
        raise ended(options.tool, options.host, status, text)
    found = re.search(r"\[TensorRT v(\d+)\]", text)
    version = f" v{found[1]}" if found else ""
    runtime = f"TensorRT{version}, trtexec, {options.precision}"
    return {"latency_ms": pass_times(text), "runtime": runtime}


def pass_times(text: str) -> list[float]:
    """Return GPU compute times in what trtexec printed, ms: of each pass, or else their median.

    ``Average on 1 runs - GPU latency: 1.2 ms - Host latency ...`` since TensorRT 7, before that
    ``Average over 1 runs is 1.2 ms``. Of the summary, ``GPU Compute Time: min = ..., median = 1.2
    ms`` since 8, before that lines ``GPU Compute`` and ``median: 1.2 ms``.
    """
    times = re.findall(r"Average (?:on|over) \d+ runs(?: - GPU latency:| is) (\S+) ms", text)
    if not times:
        times = re.findall(r"GPU Compute Time:.*?median(?: =)? (\S+) ms", text)
    if not times:
        times = re.findall(
            r"GPU Compute\s*\n(?:.*(?:min|max|mean): .*\n)*.*median: (\S+) ms", text
        )[:1]
    if not times:
        raise Failed(
            f"trtexec printed no GPU times that this recipe understands; it printed {said(text)}: "
            "it knows the formats of TensorRT 5 to 10; send what yours prints to its authors"
        )
    return [milliseconds(each, "ms", "trtexec") for each in times]


def rail_watts(line: str, rails: list[str]) -> float:
    """Return the sum of rails in a line of tegrastats, W.

    ``VDD_IN 2531mW/2500mW``, before L4T 34 ``POM_5V_IN 1532/1500``: now, and the mean so far.
    """
    found = dict(re.findall(r"([A-Za-z]\w*) (\d+)(?:mW)?/\d+(?:mW)?(?!\w)", line))
    if missing := [rail for rail in rails if rail not in found]:
        offered = ", ".join(sorted(found)) or "none"
        raise Failed(
            f"tegrastats says nothing of {', '.join(missing)}; it printed {said(line)}: name rails "
            f"that it has by --power (here {offered}), or run it as a user who may see them"
        )
    return sum(int(found[rail]) for rail in rails) / 1e3


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


def milliseconds(number: str, unit: str, tool: str) -> float:
    """Return a time that a tool printed, in ms; Failed where it cannot be one."""
    try:
        found = float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]
    except ValueError:
        found = math.nan
    if not (math.isfinite(found) and found > 0):
        raise Failed(f"{tool} printed {number[:40]!r} {unit} where a time above 0 is expected")
    return found


#: A line that a program printed, and when it came.
Line = tuple[float, str]


def metered(
    command: list[str], data: bytes, meter: list[str] | None, seconds: float
) -> tuple[int, list[Line], list[Line]]:
    """Run a program that is fed with ``data``, while another prints readings of a power meter.

    Returns the program's exit status, its lines, and those of the meter.
    """
    started: list[subprocess.Popen[bytes]] = []
    heard: list[list[Line]] = []

    def listen(pipe, lines):
        for line in pipe:
            lines.append((time.monotonic(), line.decode("utf-8", "replace")))

    def feed(pipe):
        with contextlib.suppress(OSError), pipe:
            pipe.write(data)

    def start(words):
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        started.append(process)
        heard.append([])
        listener = threading.Thread(target=listen, args=(process.stdout, heard[-1]), daemon=True)
        listener.start()
        return process, listener

    try:
        if meter:
            start(meter)
        process, listener = start(command)
        threading.Thread(target=feed, args=(process.stdin,), daemon=True).start()
        status = process.wait(seconds)
        listener.join(5)  # what the program has left behind may keep its output open
    except OSError as error:
        raise Failed(
            f"{command[0]} cannot be run here ({error.strerror}): install it and put it into PATH"
        ) from error
    except subprocess.TimeoutExpired as late:
        told = said("".join(line for _, line in heard[-1]))
        raise Failed(
            f"{command[0]} did not end within {seconds:g} s; it printed {told}: look whether the "
            "board hangs, or raise --timeout"
        ) from late
    finally:
        for each in started:
            each.kill()
            each.wait()
    return status, heard[-1], heard[0] if meter else []


def mean_watts(
    lines: list[Line], readings: list[Line], window: tuple[str, str], watts: Callable[[str], float]
) -> float:
    """Return the mean power between two lines of a program, W, by at least three readings.

    ``window`` are patterns of these lines, ``watts`` reads a line of the meter.
    """
    begun = [when for when, line in lines if re.search(window[0], line)]
    over = [
        when for when, line in lines if begun and when > begun[-1] and re.search(window[1], line)
    ]
    if not over:
        raise Failed(
            f"the tool printed no line with {window[0]!r} and later one with {window[1]!r}: nobody "
            "knows when its passes ran; measure without --power"
        )
    within = [watts(line) for when, line in readings if begun[-1] <= when <= over[0]]
    if len(within) < 3:
        told = said("".join(line for _, line in readings))
        raise Failed(
            f"the power meter gave {len(within)} readings during the passes, and at least 3 are "
            f"needed; it printed {told}: see that it works, or raise --passes"
        )
    return sum(within) / len(within)


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
