"""A process that scores one group of cells after the other.

It reads lines of JSON: first what the job is, then the name of a group at a time. When the group's
scores are kept, it answers with the name. It ends with its input, so also when its parent dies.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import torch

from hanas import plugins
from hanas.batches import load_split, ordered_batches
from hanas.compute import choose_device
from hanas.errors import InputError
from hanas.images import load_images
from hanas.proxies import _kept
from hanas.proxies._scoring import distinct_cells, groups_of, score_group
from hanas.supernets import load_supernet


class Scorer:
    """The supernet and the images, ready to score groups of cells.

    Parameters
    ----------
    task
        What :func:`hanas.proxies.supernet.score` puts together for its workers.

    Raises
    ------
    InputError
        If the supernet is of another space or another number of classes than the images.
    """

    def __init__(self, task: Mapping[str, Any]) -> None:
        self.task, self.workspace = task, Path(task["workspace"])
        supernet = load_supernet(task["weights"])
        data = load_images(task["images"])
        if supernet.space != task["space"]:
            raise InputError(
                f"{task['weights']} is a supernet of {supernet.space}, not of {task['space']}"
            )
        if supernet.classes != len(data.classes):
            raise InputError(
                f"{task['weights']} knows {supernet.classes} classes, but {task['images']} "
                f"has {len(data.classes)}"
            )
        device = choose_device(task["device"])
        self.network = supernet.network(device)
        validation = load_split(
            data, "validation", resolution=supernet.resolution, device=device
        ).take(task["count"])
        self.images = len(validation)
        self.batches = list(ordered_batches(validation, task["batch_size"]))
        module = plugins.load("spaces", supernet.space)
        self.cells, self.which = distinct_cells(module, supernet)
        self.groups = groups_of(self.cells)

    def score(self, name: str) -> None:
        """Score a group and keep its scores in the workspace."""
        error, entropy = score_group(self.network, self.cells[self.groups[name]], self.batches)
        _kept.write(self.workspace, name, self.task["key"], error, entropy)

    def kept(self, name: str) -> dict[str, Any] | None:
        """Return the scores of a group where they are finished."""
        return _kept.read(self.workspace, name, self.task["key"])


def send(stream: IO[str], message: Any) -> None:
    """Write a message as one line."""
    stream.write(json.dumps(message) + "\n")
    stream.flush()


def main() -> None:
    """Serve the parent process on standard input and output."""
    torch.set_num_threads(1)
    scorer = Scorer(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        name = json.loads(line)
        scorer.score(name)
        print(name, flush=True)


if __name__ == "__main__":
    main()
