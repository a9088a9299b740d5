"""Measure models on the boards of a device, so that a killed job continues.

Every measurement is kept at once. What is measured before is used again, and said so: with new
models, some of the old ones are measured again beside them, and if the device has changed, all are.

In a row, one model after the other: some models are measured a second time at the end (an A/A
check, which tells how well the device repeats itself), and what is unstable is measured again and
then flagged. In rounds: see :mod:`hanas.devices.measuring.rounds`.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hanas.core import kept
from hanas.core.compute import processor
from hanas.core.errors import InputError
from hanas.core.files import checksum, digest
from hanas.core.progress import Log, Progress, print_at_once
from hanas.devices._device import BoardLost, MeasuredDevice, ModelRefused
from hanas.devices.measuring import scale
from hanas.devices.measuring.board_queue import BoardQueue, alone_on
from hanas.devices.measuring.records import COLUMNS, Measurement, Record
from hanas.devices.measuring.repeatability import Repeatability, repeatability
from hanas.devices.measuring.rounds import Rounds


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
    bench = Bench(device, workspace, log)
    bench.measure(models, again)
    bench.warnings()
    return bench.table()


class Bench:
    """What is known of models on a device, of one job, and how more is found out."""

    def __init__(self, device: MeasuredDevice, workspace: Path, log: Log = print_at_once) -> None:
        self.device, self.settings = device, device.measuring
        #: The device as it measures a model once.
        self.timed = device.in_blocks() if device.in_rounds else device
        self.workspace, self._log = workspace, log
        self.boards = device.board_names()
        self.conditions = {board: self.timed.conditions(board) for board in self.boards}
        self._exporting, self._talking = threading.Lock(), threading.Lock()
        self.models: dict[str, Model] = {}
        self.records: dict[str, Record] = {}
        #: The board under whose name each record is kept.
        self.board_of: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        #: Models that were measured before this job, and when at last.
        self.reused: dict[str, str] = {}
        self._holding, self._held = False, dict[str, contextlib.ExitStack]()
        #: By what factor the latencies of old models had changed, where that was found.
        self.changes: list[float] = []

    def log(self, line: str) -> None:
        """Say something, from any thread."""
        with self._talking:
            self._log(line)

    def measure(self, models: Mapping[str, Model], again: int | None = None) -> None:
        """Measure more models; ``again`` as in :func:`measure_models`."""
        new = [arch for arch in models if arch not in self.models]
        self.models |= {arch: models[arch] for arch in new}
        for arch in new:
            self._look_for(arch)
        left = [arch for arch in models if not self.records_of(arch).is_measured(self.device)]
        self._tell_reused(new, left)
        count = self.settings.again if again is None else again
        if self.device.in_rounds:
            self._in_rounds(left, self.settings.again)
        else:
            self._in_a_row(left)
            self._check_again(list(models), count)

    def table(self) -> pd.DataFrame:
        """Return a row a model; see :func:`measure_models`."""
        well = self.repeatability().well
        rows = []
        for arch in self.models:
            board = self.board_of[arch]
            how = self.conditions[board], board
            rows.append(self.records[arch].row(arch, self.device, *how, repeats_well=well))
        formats = ["format"] if any("format" in row for row in rows) else []
        table = pd.DataFrame(rows, columns=[*COLUMNS, *formats])
        return table.drop(columns="energy_mj") if table["energy_mj"].isna().all() else table

    def repeatability(self) -> Repeatability:
        """Return how well the device repeats itself."""
        return repeatability(list(self.records.values()), self.device)

    def scale_question(self) -> str:
        """Return what to ask where numbers can hardly be milliseconds; nothing if they can be.

        A few models are run on this host to compare.
        """
        known = {
            arch: record.judged(self.device)[0]
            for arch, record in self.records.items()
            if record.refused is None and record.made
        }
        known = {arch: counts for arch, counts in known.items() if not counts.estimate}
        passes = {arch: counts.latency_ms(self.settings) for arch, counts in known.items()}
        on_host: dict[str, float] = {}
        if self.device.kind != "host" and self.device.model_precision == "float32":
            for arch in sorted(passes, key=lambda arch: passes[arch])[:: max(1, len(passes) // 3)]:
                if (took := self._host_ms(arch)) is not None:
                    on_host[arch] = took
        return scale.question(passes, on_host)

    def _host_ms(self, arch: str) -> float | None:
        """Return what a model takes on this host, which is kept too."""
        key = {"model": self.keys[arch], "batch": self.settings.batch, "host": processor()}
        place = kept.file_of(self.workspace.parent / "on_this_host", key)
        if (known := kept.read(place, key)) is not None:
            return known["ms"]
        with self._written(arch) as file:
            took = scale.host_ms(file, batch=self.settings.batch)
        kept.write(place, key, {"ms": took})
        return took

    def warnings(self) -> list[str]:
        """Return, and log, in plain words why not to trust the measurements; nothing if one can."""
        found = []
        if problem := self.repeatability().problem:
            found.append(f"measurements do not repeat: {problem}; no measurement counts as stable")
        if question := self.scale_question():
            found.append(question)
        found += [
            f"while it was measured the device changed by a factor of {change:.3g}; what had been "
            "measured before was measured anew"
            for change in self.changes
        ]
        for line in found:
            self.log(f"WARNING: {line}")
        return found

    # ---- what is kept --------------------------------------------------------------------------

    def records_of(self, arch: str) -> Record:
        """Return what is known of a model, maybe nothing."""
        return self.records.get(arch, Record())

    def _look_for(self, arch: str) -> None:
        model = self.models[arch]
        if model.infeasible is not None:
            self.records[arch] = Record(refused=model.infeasible)
            self.board_of[arch] = self.boards[0]
            self.log(self.described(arch))
            return
        key = model.key
        if key is None:
            with self._written(arch) as file:
                key = checksum(file)
        self.keys[arch] = key
        for board in self.boards:
            file, of_record = self._place(arch, board)
            plain = kept.read(file, of_record)
            if plain is None:
                continue
            try:
                record = Record.of(plain)
            except (AttributeError, KeyError, TypeError):
                self.log(f"{file} is no record of this version of hanas; it is not used")
                continue
            self.records[arch], self.board_of[arch] = record, board
            if record.is_measured(self.device):
                self.reused[arch] = max((m.at for m in record.made), default="")
            if record.refused is not None:
                self.log(f"{self.described(arch)} (found before; delete {file} to try again)")
            return

    def _tell_reused(self, new: Sequence[str], left: Sequence[str]) -> None:
        old = [arch for arch in new if arch in self.reused]
        dates = sorted(self.reused[arch] for arch in old if self.reused[arch])
        if not old:
            return
        when = f", {_day(dates[0])} to {_day(dates[-1])}" if dates else ""
        anew = "" if left else "; nothing is measured anew"
        self.log(
            f"{len(old)} of {len(new)} models were measured before{when}, and count{anew}: "
            f"they are kept in {self.workspace}; `hanas forget --device "
            f"{self.workspace.parent.name}` removes them, to measure again"
        )

    def _place(self, arch: str, board: str) -> tuple[Path, dict[str, Any]]:
        """Return in which file, and under which key, a record is kept."""
        key = {"meter": self.device.kind, "board": board, "model": self.keys[arch]}
        key["conditions"] = self.conditions[board]
        return kept.file_of(self.workspace, key), key

    def know(self, arch: str, board: str, record: Record) -> None:
        """Note what is known of a model."""
        self.board_of.setdefault(arch, board)
        self.records[arch] = record

    def keep(self, arch: str, board: str, record: Record) -> None:
        """Note what is known of a model, and keep it for later jobs."""
        self.know(arch, board, record)
        where = self._place(arch, self.board_of[arch])
        kept.write(*where, {"arch": arch, **asdict(record)})

    # ---- measuring -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def _written(self, arch: str) -> Iterator[Path]:
        """Yield the ONNX file of a model, which is there inside the block."""
        with tempfile.TemporaryDirectory(prefix="hanas-models-") as folder:
            file = Path(folder) / f"model{self.device.model_suffix}"
            self.write(arch, file)
            yield file

    def write(self, arch: str, file: Path) -> None:
        """Write the ONNX file of a model."""
        with self._exporting:  # PyTorch exports one network at a time
            self.models[arch].write(file)

    def measure_once(self, file: Path, board: str) -> Measurement:
        """Measure a model once on a board."""
        runtime = str(self.conditions[board]["runtime"])
        return Measurement.of(self.timed.measure(file, board), board=board, runtime=runtime)

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Keep boards, once they are this process's alone, until the block ends."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
            while self._held:
                self._held.popitem()[1].close()

    def share(
        self,
        archs: Sequence[str],
        measure: Callable[[str, str], bool],
        give_up: Callable[[str, str], None],
    ) -> None:
        """Let all boards measure models until each is measured, refused or given up."""
        if not archs:
            return

        @contextlib.contextmanager
        def alone(board: str) -> Iterator[None]:
            name = f"{self.device.kind} {self.device.lock_name(board)}"
            if board not in self._held:
                stack = contextlib.ExitStack()
                alone = alone_on(name, log=self.log, stopped=lambda: queue.stopped)
                if stack.enter_context(alone) and self._holding:
                    self._held[board] = stack
                else:
                    with stack:
                        yield
                    return
            yield

        proven = {m.board: arch for arch, known in self.records.items() for m in known.made}
        how: dict[str, Any] = {"settings": self.settings, "give_up": give_up, "log": self.log}
        queue = BoardQueue(archs, self.boards, measure, proven=proven, **how)
        if failed := queue.run(alone):
            known = sum(r.refused is not None or bool(r.made) for r in self.records.values())
            raise InputError(
                f"meter {self.device.kind}: no board is left to measure on: {failed}. "
                f"{known} of {len(self.models)} models are measured and kept; run it again to go "
                "on with the others"
            )

    def _in_rounds(self, archs: list[str], again: int) -> None:
        """Measure models in rounds, and all others anew if the device has changed since then."""
        if not archs:
            return
        before = [
            arch
            for arch, record in self.records.items()
            if arch not in archs and record.refused is None
        ]
        checks = sorted(before, key=lambda arch: digest(["again", arch]))[:again]
        change = Rounds(self, archs, checks).run()
        if change is None:
            return
        times = f"{change:.3g} times" if change > 1.995 else f"{change - 1:+.1%}"
        self.changes.append(change)
        self.log(
            f"WARNING: the device has changed: {len(checks)} models that were measured before now "
            f"take {times} in the median; all {len(before)} of them are measured anew"
        )
        for arch in before:
            self.reused.pop(arch, None)
            self.keep(arch, self.board_of[arch], Record())
        Rounds(self, before, []).run()

    def _in_a_row(self, archs: list[str]) -> None:
        progress = Progress(len(self.models) - len(archs), len(self.models), self.log)
        self._share_in_a_row(archs, progress)

    def _check_again(self, archs: list[str], count: int) -> None:
        """Measure some models a second time and say how well the device repeats itself."""
        runs = [arch for arch in archs if self.records[arch].refused is None]
        able = [arch for arch in runs if not self.records[arch].first[0].estimate]
        # Which ones follows from their names: the same after a kill.
        chosen = sorted(able, key=lambda arch: digest(["again", arch]))[:count]
        due = [arch for arch in chosen if not self.records[arch].is_checked(self.settings)]
        self._share_in_a_row(due, None)
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

    def _share_in_a_row(self, archs: list[str], progress: Progress | None) -> None:
        """Measure models on all boards until each is done, or given up.

        ``progress`` counts those that are measured the first time; it is None of the A/A check.
        """
        again, turn = progress is None, "again" if progress is None else "first"

        def is_done(arch: str) -> bool:
            record = self.records_of(arch)
            return record.is_checked(self.settings) if again else record.is_measured(self.device)

        def measure(arch: str, board: str) -> bool:
            known = is_done(arch)  # measured to show that the board works
            with self._written(arch) as file:
                try:
                    if known:
                        self.measure_once(file, board)
                    while not is_done(arch):
                        record = self.records_of(arch)
                        more = (*getattr(record, turn), self.measure_once(file, board))
                        self.keep(arch, board, replace(record, **{turn: more}))
                except ModelRefused as refusal:
                    if known:
                        said = f"it refuses a model that it has measured: {refusal}"
                        raise BoardLost(said) from None
                    if again:
                        self.log(f"{arch} was measured, and is refused now: {refusal}")
                        return False
                    self.keep(arch, board, Record(refused=str(refusal)))
            if progress is not None and not known:
                progress.advance(f": {self.described(arch)}")
            return self.records[arch].refused is None

        def give_up(arch: str, reason: str) -> None:
            if progress is None:
                self.log(f"{arch} could not be measured a second time: {reason}")
                return
            if arch not in self.records:
                self.keep(arch, self.boards[0], Record(refused=reason))
            progress.advance(f": {self.described(arch)}")

        self.share(archs, measure, give_up)

    def described(self, arch: str) -> str:
        """Return what is known of a model, in words."""
        record = self.records[arch]
        if record.refused is not None:
            return f"{arch} is infeasible: {record.refused}"
        measurement, spread, stable = record.judged(self.device)
        batch = int(self.conditions[self.board_of[arch]]["batch"])
        latency = measurement.latency_ms(self.settings) / batch
        of_batch = f" per image of batch {batch}" if batch > 1 else ""
        uncertain = f"spread {spread:.1%}{'' if stable else ', unstable'}"
        if spread == float("inf"):
            uncertain = "one round"
        return f"{arch}: {latency:.4g} ms{of_batch} ({uncertain}) on {measurement.board}"


def _day(at: str) -> str:
    return at[:16].replace("T", " ")
