"""Measure models on the boards of a device, so that a killed job continues.

Every measurement is kept at once. Some models are measured a second time at the end (an A/A check,
which tells how well the device repeats itself), and what is unstable is measured again and then
flagged.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hanas.core import kept
from hanas.core.errors import InputError
from hanas.core.files import checksum, digest
from hanas.core.progress import Log, Progress, print_at_once
from hanas.devices._device import BoardLost, MeasuredDevice, ModelRefused
from hanas.devices.measuring.board_queue import BoardQueue, alone_on
from hanas.devices.measuring.records import COLUMNS, Measurement, Record


@dataclass(frozen=True)
class Model:
    """A model that can be measured; ``write`` writes its ONNX file when it is needed.

    With ``key``, a text that is different for models that differ, what was measured before is found
    without writing the file again. ``infeasible`` says why no device can run it.
    """

    write: Callable[[Path], None]
    key: str | None = None
    infeasible: str | None = None


def measure_models(
    models: Mapping[str, Model],
    device: MeasuredDevice,
    *,
    workspace: Path,
    again: int | None = None,
    log: Log = print_at_once,
) -> pd.DataFrame:
    """Measure models, given by their architectures, on a device.

    What is kept in the folder ``workspace`` of the same models and conditions counts. ``again`` is
    how many models are measured twice, if not so many as the device says.

    Returns a row a model, in the order given, with :data:`~hanas.devices.measuring.records.COLUMNS`
    (``energy_mj`` only where the device gives it). InputError when no board is left that can
    measure.
    """
    job = _Job(models, device, workspace, log)
    job.measure()
    job.check_again(device.measuring.again if again is None else again)
    table = pd.DataFrame([job.row(arch) for arch in models], columns=list(COLUMNS))
    return table.drop(columns="energy_mj") if table["energy_mj"].isna().all() else table


class _Job:
    """What is known of the models so far, and how more is found out."""

    def __init__(
        self, models: Mapping[str, Model], device: MeasuredDevice, workspace: Path, log: Log
    ) -> None:
        self.models, self.device, self.settings = models, device, device.measuring
        self.workspace, self._log = workspace, log
        self.boards = device.board_names()
        self.conditions = {board: device.conditions(board) for board in self.boards}
        self._exporting, self._talking = threading.Lock(), threading.Lock()
        self.records: dict[str, Record] = {}
        #: The board under whose name each record is kept.
        self.board_of: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        for arch, model in models.items():
            if model.infeasible is None:
                self._look_for(arch, model.key)
                continue
            self.records[arch], self.board_of[arch] = (
                Record(refused=model.infeasible),
                self.boards[0],
            )
            self.log(self._described(arch))

    def log(self, line: str) -> None:
        with self._talking:
            self._log(line)

    def row(self, arch: str) -> dict[str, Any]:
        board = self.board_of[arch]
        return self.records[arch].row(arch, self.conditions[board], board, self.settings)

    def _look_for(self, arch: str, key: str | None) -> None:
        if key is None:
            with self._written(arch) as file:
                key = checksum(file)
        self.keys[arch] = key
        for board in self.boards:
            file, of_record = self._place(arch, board)
            record = kept.read(file, of_record)
            if record is not None:
                self.records[arch], self.board_of[arch] = Record.of(record), board
                if self.records[arch].refused is not None:
                    self.log(f"{self._described(arch)} (found before; delete {file} to try again)")
                return

    def _place(self, arch: str, board: str) -> tuple[Path, dict[str, Any]]:
        """Return in which file, and under which key, a record is kept."""
        key = {"meter": self.device.kind, "board": board, "model": self.keys[arch]}
        key["conditions"] = self.conditions[board]
        return kept.file_of(self.workspace, key), key

    def _keep(self, arch: str, board: str, record: Record) -> None:
        self.records[arch] = record
        kept.write(*self._place(arch, self.board_of.setdefault(arch, board)), asdict(record))

    @contextlib.contextmanager
    def _written(self, arch: str) -> Iterator[Path]:
        """Yield the ONNX file of a model, which is there inside the block."""
        with tempfile.TemporaryDirectory(prefix="hanas-models-") as folder:
            file = Path(folder) / "model.onnx"
            with self._exporting:  # PyTorch exports one network at a time
                self.models[arch].write(file)
            yield file

    def measure(self) -> None:
        """Measure all models that are not measured yet."""
        left = [arch for arch in self.models if not self._is_done(arch, again=False)]
        progress = Progress(len(self.models) - len(left), len(self.models), self.log)
        if left and progress.done:
            self.log(f"{progress.done} of {progress.total} models were measured before")
        self._share(left, progress)

    def check_again(self, count: int) -> None:
        """Measure some models a second time and say how well the device repeats itself."""
        runs = [arch for arch in self.models if self.records[arch].refused is None]
        able = [arch for arch in runs if not self.records[arch].first[0].estimate]
        # Which ones follows from their names: the same after a kill.
        chosen = sorted(able, key=lambda arch: digest(["again", arch]))[:count]
        self._share([arch for arch in chosen if not self._is_done(arch, again=True)])
        twice = [self.records[arch] for arch in chosen if self.records[arch].again]
        if twice:
            differences = [record.difference(self.settings) for record in twice]
            elsewhere = sum(r.first[0].board != r.again[0].board for r in twice)
            where = f" ({elsewhere} of them on another board)" if elsewhere else ""
            self.log(
                f"A/A check: {len(twice)} models were measured twice{where}; their "
                f"{self.settings.statistic} latencies differ by {np.median(differences):.1%} in "
                f"the median and {max(differences):.1%} at most"
            )

    def _is_done(self, arch: str, *, again: bool) -> bool:
        record = self.records.get(arch, Record())
        return record.is_checked(self.settings) if again else record.is_measured(self.settings)

    def _share(self, archs: list[str], progress: Progress | None = None) -> None:
        """Measure models on all boards until each is done, or given up.

        ``progress`` counts those that are measured the first time; it is None of the A/A check.
        """
        again, turn = progress is None, "again" if progress is None else "first"

        def measure(arch: str, board: str) -> bool:
            known = self._is_done(arch, again=again)  # measured to show that the board works
            with self._written(arch) as file:
                try:
                    if known:
                        self._measure_once(file, board)
                    while not self._is_done(arch, again=again):
                        record = self.records.get(arch, Record())
                        more = (*getattr(record, turn), self._measure_once(file, board))
                        self._keep(arch, board, replace(record, **{turn: more}))
                except ModelRefused as refusal:
                    if known:
                        said = f"it refuses a model that it has measured: {refusal}"
                        raise BoardLost(said) from None
                    if again:
                        self.log(f"{arch} was measured, and is refused now: {refusal}")
                        return False
                    self._keep(arch, board, Record(refused=str(refusal)))
            if progress is not None and not known:
                progress.advance(f": {self._described(arch)}")
            return self.records[arch].refused is None

        def give_up(arch: str, reason: str) -> None:
            if progress is None:
                self.log(f"{arch} could not be measured a second time: {reason}")
                return
            if arch not in self.records:
                self._keep(arch, self.boards[0], Record(refused=reason))
            progress.advance(f": {self._described(arch)}")

        def alone(board: str) -> AbstractContextManager[None]:
            name = f"{self.device.kind} {self.device.lock_name(board)}"
            return alone_on(name, log=self.log, stopped=lambda: queue.stopped)

        if not archs:
            return
        proven = {m.board: arch for arch, known in self.records.items() for m in known.first}
        how: dict[str, Any] = {"settings": self.settings, "give_up": give_up, "log": self.log}
        queue = BoardQueue(archs, self.boards, measure, proven=proven, **how)
        if failed := queue.run(alone):
            total = len(self.models)
            raise InputError(
                f"meter {self.device.kind}: no board is left to measure on: {failed}. "
                f"{total - queue.left} of {total} models are measured and kept; run it again to go "
                "on with the others"
            )

    def _measure_once(self, file: Path, board: str) -> Measurement:
        runtime = str(self.conditions[board]["runtime"])
        return Measurement.of(self.device.measure(file, board), board=board, runtime=runtime)

    def _described(self, arch: str) -> str:
        record = self.records[arch]
        if record.refused is not None:
            return f"{arch} is infeasible: {record.refused}"
        measurement, stable = record.judged(self.settings)
        return (
            f"{arch}: {measurement.latency_ms(self.settings):.4g} ms (spread "
            f"{measurement.spread(self.settings):.1%}{'' if stable else ', unstable'}) on "
            f"{measurement.board}"
        )
