"""Rank architectures by what a supernet's shared weights make of validation images.

The one-shot proxy of RSPS, GDAS and SPOS: an architecture inherits the weights of its operations
and is evaluated without any training of its own (G. Bender et al., "Understanding and Simplifying
One-Shot Architecture Search", ICML 2018).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import pandas as pd
import torch

from hanas import plugins
from hanas.checkpoints import Log, print_at_once
from hanas.compute import choose_device
from hanas.compute import threads as torch_threads
from hanas.epochs import duration
from hanas.errors import InputError
from hanas.files import checksum, digest
from hanas.proxies import _worker
from hanas.revisions import REVISIONS
from hanas.settings import check_number


@dataclass(frozen=True)
class SupernetProxySettings:
    """How a supernet scores.

    Parameters
    ----------
    images
        Validation images, the same for every supernet, at most; None: all.
    batch_size
        Images a batch, at most: whose statistics batch normalisation uses.
    device
        ``auto``, ``cpu`` or ``cuda``.
    """

    images: int | None = None
    batch_size: int = 256
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.images is not None:
            check_number("images", self.images, at_least=1, whole=True)
        check_number("batch_size", self.batch_size, at_least=1, whole=True)


def score(
    *,
    space: str,
    settings: Mapping[str, Any],
    weights: str | Path,
    images: str | Path,
    threads: int,
    workspace: str | Path,
    log: Log = print_at_once,
) -> pd.DataFrame:
    """Score every architecture of the space; cells that are the same function are scored once.

    Parameters
    ----------
    space
        Name of the space.
    settings
        Those of :class:`SupernetProxySettings`; others are of no concern here.
    weights
        File of the supernet, see :func:`hanas.supernets.load_supernet`.
    images
        File of the data set that it was trained on.
    threads
        Worker processes of one thread each, on a CPU. The result does not depend on their number,
        not in a bit.
    workspace
        Folder for what is finished already: a killed job continues from there. Removed at the end.
    log
        Is told the progress.

    Returns
    -------
    DataFrame
        ``arch``, ``error`` (fraction), ``cross_entropy`` (nats), ``source``, in index order.

    Raises
    ------
    InputError
        If the files are damaged or do not fit each other, or a score is not finite.
    """
    names = ("images", "batch_size", "device")
    checked = SupernetProxySettings(**{k: settings[k] for k in names if k in settings})
    device, workspace = choose_device(checked.device), Path(workspace)
    key = digest(
        {
            "revision": REVISIONS["proxy"],
            "settings": asdict(checked),
            "files": [checksum(weights), checksum(images)],
            "computed by": [torch.__version__, device.type],
        }
    )
    task = {
        "space": space,
        "weights": str(weights),
        "images": str(images),
        "count": checked.images,
        "batch_size": checked.batch_size,
        "device": device.type,
        "workspace": str(workspace),
        "key": key,
    }
    with torch_threads(1):
        scorer = _worker.Scorer(task)
        log(f"{len(scorer.cells)} of {len(scorer.which)} cells are different functions")
        _score_groups(scorer, threads, log)
    error, cross_entropy = _put_together(scorer)
    shutil.rmtree(workspace, ignore_errors=True)
    said = f"{scorer.images} validation images"
    return pd.DataFrame(
        {
            "arch": plugins.load("spaces", space).all_texts(),
            "error": error[scorer.which],
            "cross_entropy": cross_entropy[scorer.which],
            "source": f"measured: shared weights of a supernet on {said}",
        }
    )


def _put_together(scorer: _worker.Scorer) -> tuple[np.ndarray, np.ndarray]:
    """Return error and cross-entropy, float64 (D,), of the distinct cells."""
    error, cross_entropy = np.empty((2, len(scorer.cells)))
    for name, rows in scorer.groups.items():
        finished = scorer.kept(name)
        if finished is None:
            raise RuntimeError(f"the scores of group {name} have gone from {scorer.workspace}")
        error[rows], cross_entropy[rows] = finished["error"], finished["cross_entropy"]
    unusable = np.flatnonzero(~np.isfinite(cross_entropy))
    if len(unusable):
        raise InputError(
            f"{scorer.task['weights']}: the cross-entropy of the cell with genes "
            f"{scorer.cells[unusable[0]].tolist()} is not a finite number; train the supernet "
            "with a lower training.learning_rate"
        )
    return error, cross_entropy


def _score_groups(scorer: _worker.Scorer, count: int, log: Log) -> None:
    """Score the groups that are not finished, on a GPU or in ``count`` processes of one thread."""
    pending = [name for name in scorer.groups if scorer.kept(name) is None]
    progress = _Progress(len(scorer.groups) - len(pending), len(scorer.groups), log)
    if progress.done:
        log(f"{progress.done} of {progress.total} groups of cells were scored before")
    if scorer.task["device"] != "cpu":
        for name in pending:
            scorer.score(name)
            progress.advance()
        return
    queue: SimpleQueue[str] = SimpleQueue()
    for name in pending:
        queue.put(name)
    count = min(count, len(pending))
    with ThreadPoolExecutor(max(count, 1)) as pool:
        running = [pool.submit(_feed, scorer.task, queue, progress) for _ in range(count)]
        for future in running:
            future.result()


class _Progress:
    """Counts finished groups and says how far the job is, about once for each 5 %."""

    def __init__(self, done: int, total: int, log: Log) -> None:
        self.done, self.total, self.log = done, total, log
        self._started, self._first, self._lock = time.monotonic(), done, threading.Lock()

    def advance(self) -> None:
        with self._lock:
            self.done += 1
            elapsed = time.monotonic() - self._started
            left = elapsed / (self.done - self._first) * (self.total - self.done)
            if self.done % max(1, self.total // 20) == 0 or self.done == self.total:
                self.log(
                    f"{self.done} of {self.total} groups of cells are scored; "
                    f"{duration(elapsed)}, {duration(left)} left"
                )


def _feed(task: Mapping[str, Any], queue: SimpleQueue[str], progress: _Progress) -> None:
    """Run one worker process and give it a group after the other."""
    environment = {**os.environ, **_WORKER_ENVIRONMENT}
    repository = str(Path(__file__).parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(
        [repository, *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    command = [sys.executable, "-m", _worker.__name__]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        name = "none yet"
        try:
            _worker.send(process.stdin, task)
            while True:
                try:
                    name = queue.get_nowait()
                except Empty:
                    break
                _worker.send(process.stdin, name)
                if process.stdout.readline().strip() != name:
                    raise BrokenPipeError
                progress.advance()
            process.stdin.close()
        except BrokenPipeError:
            code = process.wait()
            raise RuntimeError(
                f"a worker ended with status {code} (group {name}); its error is above"
            ) from None


_WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # The GNU C library then keeps freed memory instead of returning it after each layer, which
    # nearly halves the time of large layers where page faults are dear.
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
}
