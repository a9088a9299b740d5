#!/usr/bin/env python3
"""Time a model on a Raspberry Pi, or any Linux board, over ssh.

ONNX files run in ONNX Runtime (``pip install onnxruntime`` in the board's Python), each pass timed.
LiteRT files (.tflite) run in its benchmark_model, which says the mean of the passes.

    raspberry_pi.py model.onnx --host pi@raspberrypi
    raspberry_pi.py model.tflite --host pi@raspberrypi --tool ./benchmark_model

Without --host on this machine. Relative paths of the board begin where ssh does, at home.

With ``--power FILE`` the answer has the energy of a pass: the mean of the readings of a power meter
during the passes, times the latency. FILE is what the kernel's driver of the meter offers, in
microwatts; for an INA219 at address 0x40 of bus 1 that is
``/sys/bus/i2c/devices/1-0040/hwmon/hwmon*/power1_input``. It is the power of all that the meter
feeds, the idle board too.

Formats: https://ai.google.dev/edge/litert/models/measurement (benchmark_model),
https://docs.kernel.org/hwmon/ina2xx.html (INA219).
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

#: Seconds that passes take at least where a power meter has to see them.
SEEN_SECONDS = 1.0
#: Runs in the board's Python: arguments model, passes, warmup, threads, least seconds.
TIME = """
import sys, time
def stop(word, error):
    print(f"hanas {word}: {type(error).__name__}: {error}", flush=True)
    sys.exit(1)
try:
    import numpy, onnxruntime
except ImportError as error:
    stop("lacks", error)
file, (passes, warmup, threads), seconds = sys.argv[1], map(int, sys.argv[2:5]), float(sys.argv[5])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
kinds = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int8)": "int8"}
try:
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    images = {}
    for each in session.get_inputs():
        shape = [size if isinstance(size, int) else 1 for size in each.shape]
        images[each.name] = numpy.ones(shape, kinds[each.type])
    session.run(None, images)
except Exception as error:
    stop("refused", error)
for _ in range(warmup):
    session.run(None, images)
took, clock = [], time.perf_counter
print("hanas begin", flush=True)
begun = clock()
while len(took) < passes or clock() - begun < seconds:
    before = clock()
    session.run(None, images)
    took.append(1e3 * (clock() - before))
print("hanas end", flush=True)
print("hanas runtime: ONNX Runtime", onnxruntime.__version__, flush=True)
print("hanas passes:", *(f"{each:.6g}" for each in took), flush=True)
"""


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("model", help="ONNX or LiteRT (.tflite) file")
    parser.add_argument("--host", help="the board, as ssh knows it; without it, this machine")
    parser.add_argument("--passes", type=int, default=200)
    parser.add_argument("--warmup", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--python", default="python3", help="the board's Python with onnxruntime")
    parser.add_argument("--tool", default="benchmark_model", help="benchmark_model on the board")
    parser.add_argument("--power", metavar="FILE", help="power of the board in microwatts")
    parser.add_argument("--timeout", type=float, default=600, help="seconds")
    return parser.parse_args()


def measure(options: argparse.Namespace) -> dict:
    """Return the answer for a model: latency_ms, runtime, and energy_mj with a power meter."""
    model = read_model(options.model)
    numbers = [str(n) for n in (options.passes, options.warmup, options.threads)]
    least = SEEN_SECONDS if options.power else 0.0
    if is_litert(model):
        name = "model.tflite"
        words = [options.tool, *litert_flags(options, least)]
        read, window = litert_answer, (r"Running benchmark for at least", r"count=|timings in us")
    else:
        name = "model.onnx"
        words = [options.python, "-c", TIME, "{model}", *numbers, str(least)]
        read, window = onnx_answer, (r"^hanas begin", r"^hanas end")
    command = shell(options.host, with_model(name, words, options.timeout))
    meter = shell(options.host, readings_of(options.power)) if options.power else None
    status, lines, readings = metered(command, model, meter, options.timeout + 60)
    answer = read(options, status, "".join(line for _, line in lines))
    if not meter:
        return answer
    watts = mean_watts(lines, readings, window, microwatts)
    mean = sum(answer["latency_ms"]) / len(answer["latency_ms"])
    return {**answer, "energy_mj": watts * mean}


def onnx_answer(options: argparse.Namespace, status: int, text: str) -> dict:
    """Return the answer in what the board's Python has printed."""
    where = options.host or "this machine"
    if found := re.search(r"^hanas refused: (.*)", text, re.MULTILINE):
        raise Refused(f"ONNX Runtime on {where} cannot run the model: {said(found[1])}")
    if found := re.search(r"^hanas lacks: (.*)", text, re.MULTILINE):
        raise Failed(
            f"{options.python} on {where} lacks ONNX Runtime ({said(found[1])}): `pip install "
            "onnxruntime` there, or name another Python by --python"
        )
    if status != 0:
        raise ended(options.python, options.host, status, text)
    times = re.search(r"^hanas passes: (.*)", text, re.MULTILINE)
    runtime = re.search(r"^hanas runtime: (.*)", text, re.MULTILINE)
    if not times or not runtime:
        raise Failed(
            f"{options.python} on {where} printed {said(text)}, and no times of passes: see that "
            "it is a Python"
        )
    passes = [milliseconds(each, "ms", "ONNX Runtime") for each in times[1].split()]
    return {"latency_ms": passes, "runtime": f"{runtime[1].strip()}, threads: {options.threads}"}


def litert_answer(options: argparse.Namespace, status: int, text: str) -> dict:
    """Return the answer in what benchmark_model has printed."""
    if reason := refused_by_benchmark_model(text):
        where = options.host or "this machine"
        raise Refused(f"benchmark_model on {where} cannot run the model: {reason}")
    if status != 0:
        raise ended(options.tool, options.host, status, text)
    runtime = f"LiteRT benchmark_model, CPU, threads: {options.threads}"
    return {"latency_ms": [benchmark_model_ms(text)], "runtime": runtime}


def readings_of(pattern: str) -> str:
    """Return a script that prints what stands in a file again and again."""
    if not re.fullmatch(r"/[\w./*:-]+", pattern):
        raise Failed(
            f"--power is {pattern!r}: name a file of the board, such as /sys/.../power1_input"
        )
    none = shlex.quote(f"no file {pattern} that can be read")
    loop = 'while cat "$file" && sleep 0.05; do :; done; exit'
    return f'for file in {pattern}; do test -r "$file" && {{ {loop}; }}; done; echo {none}'


def microwatts(line: str) -> float:
    """Return the W that a line of a meter says."""
    if not re.fullmatch(r"\s*\d+\s*", line):
        raise Failed(
            f"the power meter printed {said(line)} where microwatts are expected: see that its "
            "driver is loaded and --power names its file power1_input"
        )
    return int(line) / 1e6


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
