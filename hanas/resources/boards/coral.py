#!/usr/bin/env python3
"""Compile a LiteRT model for a Coral Edge TPU and time it there; say what runs on the CPU instead.

    coral.py model.tflite                      # the Edge TPU is at this machine
    coral.py model.tflite --host mendel@coral  # or at a board that ssh reaches
    coral.py model.tflite --compile-only       # no Edge TPU needed: only what would run where

edgetpu_compiler runs on this machine (Linux on x86-64) and takes models in full INT8. Passes are
timed one by one in the board's Python, with tflite_runtime or ai_edge_litert and libedgetpu. The
answer's ``fallbacks`` are the operations that do not run on the Edge TPU, and why; ``runtime``
counts them. A model of which nothing runs there is infeasible.

Formats: https://coral.ai/docs/edgetpu/compiler, https://coral.ai/docs/edgetpu/tflite-python
"""

from __future__ import annotations

import argparse
import json
import math
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

#: Runs in the board's Python: arguments model, passes, warmup, library.
TIME = """
import sys, time
def stop(word, error):
    print(f"hanas {word}: {type(error).__name__}: {error}", flush=True)
    sys.exit(1)
try:
    import numpy
    try:
        import tflite_runtime as runtime
        from tflite_runtime.interpreter import Interpreter, load_delegate
    except ImportError:
        import ai_edge_litert as runtime
        from ai_edge_litert.interpreter import Interpreter, load_delegate
except ImportError as error:
    stop("lacks", error)
file, passes, warmup, library = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
try:
    delegate = load_delegate(library)
except (OSError, ValueError) as error:
    stop("no tpu", error)
try:
    network = Interpreter(model_path=file, experimental_delegates=[delegate])
    network.allocate_tensors()
    for each in network.get_input_details():
        network.set_tensor(each["index"], numpy.ones(each["shape"], each["dtype"]))
    network.invoke()
except (RuntimeError, ValueError) as error:
    stop("refused", error)
for _ in range(warmup):
    network.invoke()
took, clock = [], time.perf_counter
for _ in range(passes):
    before = clock()
    network.invoke()
    took.append(1e3 * (clock() - before))
print("hanas runtime:", runtime.__name__, getattr(runtime, "__version__", ""), flush=True)
print("hanas passes:", *(f"{each:.6g}" for each in took), flush=True)
"""
#: What edgetpu_compiler says of a model that it cannot compile.
REFUSED = r"Invalid model|not quantized|Internal compiler error|Compilation failed|Didn't find op"


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("model", help="LiteRT (.tflite) file in full INT8")
    parser.add_argument("--host", help="the board, as ssh knows it; without it, this machine")
    parser.add_argument("--passes", type=int, default=200)
    parser.add_argument("--warmup", type=int, default=20)
    parser.add_argument("--python", default="python3", help="Python at the Edge TPU")
    parser.add_argument("--library", default="libedgetpu.so.1", help="at the Edge TPU")
    parser.add_argument("--compiler", default="edgetpu_compiler", help="on this machine")
    parser.add_argument("--compile-only", action="store_true", help="time nothing")
    parser.add_argument("--timeout", type=float, default=600, help="seconds")
    return parser.parse_args()


def measure(options: argparse.Namespace) -> dict:
    """Return the answer for a model: latency_ms, runtime and fallbacks."""
    if not is_litert(read_model(options.model)):
        raise Failed(
            f"{options.model} is no LiteRT model: `format: litert` of the device makes one"
        )
    with tempfile.TemporaryDirectory(prefix="hanas-coral-") as folder:
        model = str(Path(options.model).absolute())
        command = [options.compiler, "-s", "-o", folder, model]
        status, text = run(command, options.timeout)
        made = list(Path(folder).glob("*_edgetpu.tflite"))
        table = operations(options, status, text, compiled=len(made) == 1)
        compiled = made[0].read_bytes()
    cpu = [row for row in table if row["status"] != MAPPED]
    total, left = (sum(row["count"] for row in rows) for rows in (table, cpu))
    for row in cpu:
        row["where"] = "CPU"
        print(f"on the CPU: {row['count']} {row['operation']}: {row['status']}", file=sys.stderr)
    if left == total:
        raise Refused(
            f"none of the model's {total} operations runs on the Edge TPU: {cpu[0]['status']}"
        )
    if options.compile_only:
        return {"operations": total, "on_edge_tpu": total - left, "fallbacks": cpu}
    found = re.search(r"Edge TPU Compiler version (\S+)", text)
    version = found[1] if found else "of unknown version"
    how = f"edgetpu_compiler {version}, {total - left} of {total} operations on the Edge TPU"
    return {**timed(options, compiled, how), "fallbacks": cpu}


MAPPED = "Mapped to Edge TPU"


def operations(options: argparse.Namespace, status: int, text: str, compiled: bool) -> list[dict]:
    """Return the rows of the table that edgetpu_compiler prints: operation, count, status.

    Lines such as ``CONV_2D   35   More than one subgraph is not supported`` stand under ``Operator
    Count  Status``. Sums that it prints beside it have to agree.
    """
    refusals = [line for line in text.splitlines() if re.search(REFUSED, line)]
    if refusals:
        raise Refused(f"edgetpu_compiler cannot compile the model: {said('; '.join(refusals))}")
    if status != 0 or not compiled:
        raise Failed(
            f"{options.compiler} ended with exit status {status} and made no model; it printed "
            f"{said(text)}: run it by hand to see more"
        )
    _, _, below = text.partition("Operator")
    rows = re.findall(r"^(\S+)[ \t]+(\d+)[ \t]+(\S.*?)\s*$", below, re.MULTILINE)
    table = [{"operation": name, "count": int(n), "status": why} for name, n, why in rows]
    sums = {
        r"Total number of operations: *(\d+)": sum(row["count"] for row in table),
        r"will run on Edge TPU: *(\d+)": sum(r["count"] for r in table if r["status"] == MAPPED),
        r"will run on CPU: *(\d+)": sum(r["count"] for r in table if r["status"] != MAPPED),
    }
    printed = {pattern: re.search(pattern, text) for pattern in sums}
    if not table or any(found and int(found[1]) != sums[p] for p, found in printed.items()):
        raise Failed(
            f"{options.compiler} printed no table of operations that this recipe understands (no "
            f"rows, or sums that do not fit); it printed {said(below or text)}: it knows versions "
            "2 to 16; send what yours prints to its authors"
        )
    return table


def timed(options: argparse.Namespace, compiled: bytes, how: str) -> dict:
    """Return latency_ms and runtime of a compiled model."""
    numbers = [str(options.passes), str(options.warmup)]
    words = [options.python, "-c", TIME, "{model}", *numbers, options.library]
    script = with_model("model_edgetpu.tflite", words, options.timeout)
    status, text = run(shell(options.host, script), options.timeout + 60, compiled)
    where = options.host or "this machine"
    if found := re.search(r"^hanas lacks: (.*)", text, re.MULTILINE):
        raise Failed(
            f"{options.python} on {where} lacks what it needs ({said(found[1])}): install "
            "tflite_runtime or ai_edge_litert there, or name another Python by --python"
        )
    if found := re.search(r"^hanas no tpu: (.*)", text, re.MULTILINE):
        raise Failed(
            f"{options.library} on {where} finds no Edge TPU ({said(found[1])}): plug it in, "
            "install libedgetpu1-std, and see that the user may use it (group plugdev)"
        )
    if found := re.search(r"^hanas refused: (.*)", text, re.MULTILINE):
        raise Refused(f"the Edge TPU cannot run the compiled model: {said(found[1])}")
    if status != 0:
        raise ended(options.python, options.host, status, text)
    times = re.search(r"^hanas passes: (.*)", text, re.MULTILINE)
    runtime = re.search(r"^hanas runtime: (.*)", text, re.MULTILINE)
    if not times or not runtime:
        raise Failed(
            f"{options.python} on {where} printed {said(text)}, and no times of passes: see that "
            "it is a Python"
        )
    passes = [milliseconds(each, "ms", "the Edge TPU") for each in times[1].split()]
    return {"latency_ms": passes, "runtime": f"{runtime[1].strip()}, {how}"}


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
