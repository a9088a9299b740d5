"""The host meter against ONNX Runtime's own numbers and a plain loop, on the same files.

``python benchmarks/host_meter.py [--rounds 7] [--passes 200] [--threads 1]``

In each round every way measures every model once, one after the other, so that what else the
machine does hits all of them alike. Printed: the milliseconds of the meter (median over the rounds
of the mean over the passes, and of the median), and the ratio of each other way to the meter in the
same round (median, and the range of the middle half of the rounds):

- plain: a loop around ``session.run``, written here without the library, mean and median;
- fresh: the meter in a process of its own for each measurement, median;
- tool: the average that ``onnxruntime.tools.onnxruntime_test`` prints, against the mean.

ONNX Runtime's profiler is no measure: writing down every layer slows small networks down by half
and more.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime

from hanas.core import plugins
from hanas.deploy import onnx_models
from hanas.deploy.quantisation import quantise
from hanas.devices.host import HostDevice
from hanas.spaces.networks import published

SIDE = 32
CELL = (3, 3, 4, 1, 3, 1)
FRESH = """
import json, sys
from pathlib import Path
from hanas.devices.host import HostDevice
timings = HostDevice.read(json.loads(sys.argv[2])).measure(Path(sys.argv[1]), "here")
print(json.dumps(timings.latencies_ms.tolist()))
"""
# The tool takes no options of a session: it is given one with so many threads.
TOOL = """
import sys
import onnxruntime
from onnxruntime.tools import onnxruntime_test
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(sys.argv[3])
made = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
onnxruntime_test.onnxrt.InferenceSession = lambda *arguments, **named: made
feed = onnxruntime_test.generate_feeds(made)
made.run(None, feed)
onnxruntime_test.run_model(sys.argv[1], int(sys.argv[2]), feeds=feed, override_initializers=False)
"""


def models(folder: Path) -> dict[str, Path]:
    """Write the models that are measured."""
    running = {"batch_norm": "running"}
    networks = {"nb201 cell": plugins.space("nb201").build(CELL, 10, running)}
    for name in ("shufflenet_v2", "mobilenet_v2"):
        space = published.PUBLISHED[name]
        networks[name] = space.build(space.genes, 10, {**running, "resolution": SIDE})
    files = {}
    for name, network in networks.items():
        files[name] = folder / f"{len(files)}.onnx"
        onnx_models.export(network, files[name], resolution=SIDE)
    images = np.random.default_rng(0).standard_normal((16, 3, SIDE, SIDE)).astype(np.float32)
    files["shufflenet_v2, int8"] = folder / "int8.onnx"
    quantise(files["shufflenet_v2"], files["shufflenet_v2, int8"], images)
    return files


def plain(file: Path, passes: int, threads: int) -> np.ndarray:
    """Return milliseconds by a loop that knows nothing of the library."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    taken = session.get_inputs()[0]
    feed = {taken.name: np.random.default_rng(1).random(taken.shape, dtype=np.float32)}
    for _ in range(50):
        session.run(None, feed)
    times = []
    for _ in range(passes):
        started = time.perf_counter()
        session.run(None, feed)
        times.append(1e3 * (time.perf_counter() - started))
    return np.array(times)


def fresh(file: Path, passes: int, threads: int) -> np.ndarray:
    """Return milliseconds of the meter in a new process."""
    settings = json.dumps({"kind": "host", "passes": passes, "threads": threads})
    return np.array(json.loads(said(FRESH, str(file), settings)))


def tool(file: Path, passes: int, threads: int) -> float:
    """Return the mean milliseconds that ONNX Runtime's own script prints."""
    (line,) = [
        line
        for line in said(TOOL, str(file), str(passes), str(threads)).splitlines()
        if line.startswith("avg latency: ")
    ]
    return float(line.split()[2])


def said(script: str, *arguments: str) -> str:
    """Return what a Python script prints."""
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], check=True, capture_output=True, text=True
    ).stdout


def ratios(values: list[float]) -> str:
    """Return the median and the middle half."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return f"{middle:.3f} ({low:.2f}-{high:.2f})"


def main() -> None:
    """Print a line for each model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--passes", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    size = {"passes": chosen.passes, "threads": chosen.threads}
    host = HostDevice.read({"kind": "host", **size})
    print("| model | mean ms | median ms | plain, mean | plain, median | fresh | tool |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        for name, file in models(Path(folder)).items():
            ours: list[tuple[float, float]] = []
            others: dict[str, list[float]] = {}
            for _ in range(chosen.rounds):
                latencies = host.measure(file, "here").latencies_ms
                mean, median = float(latencies.mean()), float(np.median(latencies))
                ours.append((mean, median))
                looped = plain(file, **size)
                for way, value in (
                    ("plain, mean", looped.mean() / mean),
                    ("plain, median", np.median(looped) / median),
                    ("fresh", np.median(fresh(file, **size)) / median),
                    ("tool", tool(file, **size) / mean),
                ):
                    others.setdefault(way, []).append(float(value))
            means, medians = np.median(ours, axis=0)
            cells = " | ".join(ratios(values) for values in others.values())
            print(f"| {name} | {means:.3f} | {medians:.3f} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
