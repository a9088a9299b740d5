"""Where the time of a training step goes, and how far it is from what this machine can do.

``python benchmarks/where_time_goes.py [--trainer gdas --skeleton standard --channels 16]``

One process of one thread. The machine's limits are measured first: the arithmetic peak as the rate
of a large float32 convolution (matrix products can be slower: another library makes them), the
memory bandwidth as that of copying an array that no cache holds. Then a training is profiled: the
share of each kind of operation (its own time, without that of others that it calls; watching slows
small operations most), and about the rate of multiply-accumulates beside the peak.
"""

import argparse
import tempfile
import time

import torch
from torch.profiler import ProfilerActivity, profile
from training_steps import toy_run

from hanas.core import plugins
from hanas.spaces.networks.cell import TRANSITIONS

#: The kinds of operations: parts of the names that PyTorch gives them; the first that fits counts.
KINDS = {
    "convolutions": ("conv",),
    "matrix products": ("addmm", "::mm", "matmul", "linear"),
    "batch normalisation": ("batch_norm",),
    "pooling": ("pool",),
    "activations": ("relu", "threshold", "clamp"),
    "sums, products, copies": ("add", "mul", "copy", "cat", "sum", "div", "fill", "zero"),
}
#: Whose multiply-accumulates are counted. PyTorch counts those of the forward pass under these
#: names; the backward pass makes two such products for one.
COUNTED = ("aten::conv2d", "aten::addmm")


def best_of(function, turns: int = 7) -> float:
    """Return the seconds of the fastest of a few calls."""
    taken = []
    for _ in range(turns):
        started = time.perf_counter()
        function()
        taken.append(time.perf_counter() - started)
    return min(taken)


def machine_limits() -> tuple[float, float]:
    """Return the arithmetic peak, in multiply-accumulates a second, and bytes copied a second."""
    batch, channels, side, kernel = 4, 256, 32, 3
    layer = torch.nn.Conv2d(channels, channels, kernel, padding=1, bias=False)
    layer = layer.to(memory_format=torch.channels_last)
    images = torch.randn(batch, channels, side, side).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        seconds = best_of(lambda: layer(images))
    peak = batch * (side * kernel * channels) ** 2 / seconds
    large = torch.zeros(64 * 2**20)  # 256 MiB
    target = torch.empty_like(large)
    return peak, 2 * large.nbytes / best_of(lambda: target.copy_(large))


def kind_of(name: str) -> str:
    """Return the kind of an operation, ``other`` where none is known."""
    for kind, parts in KINDS.items():
        if any(part in name for part in parts):
            return kind
    return "other operations"


def main() -> None:
    """Print the limits, then a line for each kind of operation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trainer", choices=plugins.names("trainers"), default="gdas")
    parser.add_argument("--skeleton", choices=list(TRANSITIONS), default="pooled_3x3")
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--cells", type=int, default=1)
    parser.add_argument("--side", type=int, default=16)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(1)
    peak, bandwidth = machine_limits()
    print(f"one thread: {peak / 1e9:.1f} GMAC/s in a large convolution,", end=" ")
    print(f"{bandwidth / 1e9:.1f} GB/s read and written in a copy")
    with tempfile.TemporaryDirectory() as folder:
        run = toy_run(options.trainer, options, folder)
        batches = run.train_batches(0)
        step = run.trainer.begin_epoch(run, 0)
        for number in range(min(10, options.steps)):  # warms up
            step(number, batches(number))
        started = time.perf_counter()
        for number in range(options.steps):
            step(number, batches(number))
        plain = time.perf_counter() - started
        with profile(activities=[ProfilerActivity.CPU], with_flops=True) as watched:
            started = time.perf_counter()
            for number in range(options.steps):
                step(number, batches(number))
            slowed = time.perf_counter() - started
    images = options.steps * options.batch
    print(f"{options.trainer}: {images / plain:.0f} images/s ({images / slowed:.0f} while watched)")
    spent: dict[str, float] = {}
    operations = watched.key_averages()
    for operation in operations:
        kind = kind_of(operation.key) if operation.key.startswith("aten::") else "Python, autograd"
        spent[kind] = spent.get(kind, 0) + operation.self_cpu_time_total / 1e6
    spent["Python, autograd"] = spent.get("Python, autograd", 0) + slowed - sum(spent.values())
    print("| what | share of the time |\n|---|--:|")
    for kind, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"| {kind} | {100 * seconds / slowed:.0f} % |")
    forward = sum(operation.flops for operation in operations if operation.key in COUNTED) / 2
    print(
        f"{3 * forward / plain / 1e9:.2f} GMAC/s over the whole time, "
        f"{100 * 3 * forward / plain / peak:.0f} % of the peak"
    )


if __name__ == "__main__":
    main()
