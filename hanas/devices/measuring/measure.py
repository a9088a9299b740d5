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
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from hanas.core import plugins
from hanas.core.checkpoints import Log, print_at_once
from hanas.core.errors import InputError
from hanas.core.files import checksum, digest
from hanas.core.settings import check_number, selected
from hanas.devices.measuring import measured_models
from hanas.devices.measuring.board_queue import BoardQueue, NoBoardLeft, Patience
from hanas.devices.measuring.board_threads import share
from hanas.devices.measuring.device_locks import alone_on
from hanas.devices.measuring.measured_models import Measurement, Record, TrustSettings
from hanas.devices.measuring.measurement_tables import COLUMNS, row
from hanas.devices.measuring.progress import Progress
from hanas.devices.measuring.timings import BoardLost, ModelRefused, Timings

#: Writes the ONNX file of a model. It may have a text ``key`` that is different for models that
#: differ: then what was measured before is found without writing the file again.
Writer = Callable[[Path], None]


@dataclass(frozen=True)
class CheckSettings:
    """The A/A check.

    Parameters
    ----------
    again
        Models that are measured twice; 0 leaves the check out.
    """

    again: int = 5

    def __post_init__(self) -> None:
        check_number("again", self.again, at_least=0, whole=True)


def measure_models(
    models: Mapping[str, Writer],
    *,
    kind: str,
    settings: Mapping[str, Any],
    workspace: Path,
    log: Log = print_at_once,
) -> pd.DataFrame:
    """Measure models on a device.

    Parameters
    ----------
    models
        For each architecture the function that writes its ONNX file; called when it is needed.
    kind
        A meter, see :mod:`hanas.devices._meter`.
    settings
        Those of the meter, of :class:`~hanas.devices.measuring.measured_models.TrustSettings`,
        :class:`~hanas.devices.measuring.board_queue.Patience` and :class:`CheckSettings`; others are not
        looked at.
    workspace
        Folder for what is measured. What is there of the same models and conditions counts.
    log
        Takes a line of text for the log.

    Returns
    -------
    DataFrame
        A row a model, in the order given: ``arch``, ``feasible``, ``reason`` (why it is not),
        ``latency_ms`` (the statistic asked for), ``latency_mean_ms``, ``latency_median_ms``,
        ``latency_q25_ms``, ``latency_q75_ms``, ``passes`` (1 where the device gives only a mean),
        ``batch``, ``threads``, ``precision``, ``runtime``, ``board``, ``repeats`` (measurements
        made), ``stable``, ``again_latency_ms`` and ``again_board`` (of the A/A check; NaN and
        empty where a model was measured once), ``energy_mj`` (only where the meter gives it) and
        ``source``. Numbers are NaN where a model is not feasible.

    Raises
    ------
    InputError
        For a wrong setting, or when no board is left that can measure.
    """
    meter = plugins.load("meters", kind)
    with tempfile.TemporaryDirectory(prefix="hanas-models-") as folder:
        job = _Job(models, meter, kind, settings, Path(workspace), Path(folder), log)
        job.measure()
        job.check_again()
    return job.table()


class _Job:
    """One call of :func:`measure_models`."""

    def __init__(
        self,
        models: Mapping[str, Writer],
        meter: ModuleType,
        kind: str,
        settings: Mapping[str, Any],
        workspace: Path,
        folder: Path,
        log: Log,
    ) -> None:
        self.models, self.meter, self.kind, self.settings = models, meter, kind, settings
        self.workspace, self.folder = workspace, folder
        self.trust = selected(TrustSettings, settings, "meter")
        self.patience = selected(Patience, settings, "meter")
        self.check = selected(CheckSettings, settings, "meter")
        self.boards = tuple(meter.boards(settings))
        self.conditions = {name: dict(meter.conditions(settings, name)) for name in self.boards}
        self._exporting, self._talking = threading.Lock(), threading.Lock()
        self._log = log
        self.keys = {arch: self._key_of(arch) for arch in models}
        self.records: dict[str, Record] = {}
        #: Under which key, so with which board, each record is kept.
        self.places: dict[str, dict[str, Any]] = {}
        for arch in models:
            self._look_for(arch)

    def log(self, line: str) -> None:
        with self._talking:
            self._log(line)

    def _key_of(self, arch: str) -> str:
        """Return a text that is different for models that differ."""
        key = getattr(self.models[arch], "key", None)
        if key is None:
            with self._written(arch, "key") as file:
                key = checksum(file)
        return key

    def _place(self, arch: str, board: str) -> dict[str, Any]:
        conditions = self.conditions[board]
        return {
            "meter": self.kind,
            "board": board,
            "conditions": conditions,
            "model": self.keys[arch],
        }

    def _look_for(self, arch: str) -> None:
        for board in self.boards:
            place = self._place(arch, board)
            record = measured_models.read(self.workspace, place)
            if record is not None:
                self.records[arch], self.places[arch] = record, place
                if record.refused is not None:
                    file = measured_models.file(self.workspace, place)
                    self.log(f"{self._described(arch)} (found before; delete {file} to try again)")
                return

    def _keep(self, arch: str, board: str, record: Record) -> None:
        place = self.places.setdefault(arch, self._place(arch, board))
        self.records[arch] = record
        measured_models.write(self.workspace, place, record)

    @contextlib.contextmanager
    def _written(self, arch: str, board: str) -> Iterator[Path]:
        """Yield the ONNX file of a model, which is there inside the block."""
        file = self.folder / f"{digest([arch, board])[:12]}.onnx"
        with self._exporting:  # PyTorch exports one network at a time
            self.models[arch](file)
        try:
            yield file
        finally:
            file.unlink(missing_ok=True)

    def _is_measured(self, arch: str) -> bool:
        return arch in self.records and self.records[arch].is_measured(self.trust)

    def measure(self) -> None:
        """Measure all models that are not measured yet."""
        left = [arch for arch in self.models if not self._is_measured(arch)]
        progress = Progress(len(self.models) - len(left), len(self.models), self.log)
        if left and progress.done:
            self.log(f"{progress.done} of {progress.total} models were measured before")

        def measure(arch: str, board: str) -> bool:
            with self._written(arch, board) as file:
                if self._is_measured(arch):
                    self._show_that_it_works(file, board)
                    return True
                while not self._is_measured(arch):
                    record = self.records.get(arch, Record())
                    try:
                        record = record.with_first(self._measure_once(file, board))
                    except ModelRefused as refusal:
                        record = Record(refused=str(refusal))
                    self._keep(arch, board, record)
            progress.advance(self._described(arch))
            return self.records[arch].refused is None

        def give_up(arch: str, reason: str) -> None:
            if arch not in self.records:
                self._keep(arch, self.boards[0], Record(refused=reason))
            progress.advance(self._described(arch))

        self._share(left, measure, give_up)

    def check_again(self) -> None:
        """Measure some models a second time and say how well the device repeats itself."""
        able = [
            arch
            for arch in self.models
            if self.records[arch].refused is None and not self.records[arch].first[0].estimate
        ]
        # Which ones follows from their names: the same after a kill.
        chosen = sorted(able, key=lambda arch: digest(["again", arch]))[: self.check.again]

        def measure(arch: str, board: str) -> bool:
            with self._written(arch, board) as file:
                if self.records[arch].is_checked(self.trust):
                    self._show_that_it_works(file, board)
                while not self.records[arch].is_checked(self.trust):
                    try:
                        measurement = self._measure_once(file, board)
                    except ModelRefused as refusal:
                        self.log(f"{arch} was measured, and is refused now: {refusal}")
                        return False
                    self._keep(arch, board, self.records[arch].with_again(measurement))
            return True

        def give_up(arch: str, reason: str) -> None:
            self.log(f"{arch} could not be measured a second time: {reason}")

        self._share(
            [arch for arch in chosen if not self.records[arch].is_checked(self.trust)],
            measure,
            give_up,
        )
        self._report([self.records[arch] for arch in chosen if self.records[arch].again])

    def _report(self, twice: list[Record]) -> None:
        if twice:
            differences = [record.difference(self.trust) for record in twice]
            elsewhere = sum(r.first[0].board != r.again[0].board for r in twice)
            where = f" ({elsewhere} of them on another board)" if elsewhere else ""
            self.log(
                f"A/A check: {len(twice)} models were measured twice{where}; their "
                f"{self.trust.statistic} latencies differ by {np.median(differences):.1%} in the "
                f"median and {max(differences):.1%} at most"
            )

    def _share(
        self,
        archs: list[str],
        measure: Callable[[str, str], bool],
        give_up: Callable[[str, str], None],
    ) -> None:
        if not archs:
            return
        proven = {
            measurement.board: arch
            for arch, record in self.records.items()
            for measurement in record.first
        }
        queue = BoardQueue(
            archs, self.boards, proven=proven, patience=self.patience, give_up=give_up
        )

        def alone(board: str) -> AbstractContextManager[None]:
            name = getattr(self.meter, "device", _device_of_board)
            return alone_on(
                f"{self.kind} {name(self.settings, board)}",
                log=self.log,
                stopped=lambda: queue.stopped,
            )

        try:
            share(queue, self.boards, measure, alone_on=alone, log=self.log)
        except NoBoardLeft as error:
            done = len(self.models) - queue.left
            raise InputError(
                f"meter {self.kind}: no board is left to measure on: {error}. {done} of "
                f"{len(self.models)} models are measured and kept; run it again to go on with the "
                "others"
            ) from None

    def _measure_once(self, file: Path, board: str) -> Measurement:
        timings: Timings = self.meter.measure(file, settings=self.settings, board=board)
        runtime = str(self.conditions[board]["runtime"])
        return Measurement.of(timings, board=board, runtime=runtime)

    def _show_that_it_works(self, file: Path, board: str) -> None:
        try:
            self._measure_once(file, board)
        except ModelRefused as refusal:
            raise BoardLost(f"it refuses a model that it has measured: {refusal}") from None

    def _described(self, arch: str) -> str:
        record = self.records[arch]
        if record.refused is not None:
            return f"{arch} is infeasible: {record.refused}"
        measurement, stable = record.judged(self.trust)
        spread = measurement.spread(self.trust.statistic)
        return (
            f"{arch}: {measurement.latency_ms(self.trust.statistic):.4g} ms (spread {spread:.1%}"
            f"{'' if stable else ', unstable'}) on {measurement.board}"
        )

    def table(self) -> pd.DataFrame:
        """Return the table of all models."""
        rows = [
            row(arch, self.records[arch], place["conditions"], place["board"], self.trust)
            for arch, place in ((arch, self.places[arch]) for arch in self.models)
        ]
        table = pd.DataFrame(rows, columns=COLUMNS)
        return table.drop(columns="energy_mj") if table["energy_mj"].isna().all() else table


def _device_of_board(settings: Mapping[str, Any], board: str) -> str:
    return board
