"""Measure models in rounds, which a machine that also does other work hardly disturbs.

Where 400 passes of one model follow those of another, a minute in which something else runs makes
one model slow and not the other. So all models are measured in short blocks, in random order, round
after round, and the low quantile of a model's passes counts: other work makes passes slow and never
fast. How well that repeats shows in every second round against the others: rounds go on until these
two halves rank the models alike, or time is over. ``benchmarks/rounds.py`` compares both ways.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hanas.core.files import digest
from hanas.core.progress import Progress, duration
from hanas.devices._device import BoardLost, ModelRefused
from hanas.devices.measuring.records import Measurement, Record, ending, low_of
from hanas.devices.measuring.repeatability import LEAST_CORRELATION, MODELS_RANKED, repeatability

if TYPE_CHECKING:
    from hanas.devices.measuring.measure import Bench

#: Where fewer models are measured than can be ranked: halves that differ by no more than that part
#: of the limit of what is stable are good enough; and by no more than the other one in any case.
_OF_LIMIT, _ALIKE = 0.2, 0.001
#: After so many rounds and that part of the time, numbers that do not repeat at all are given up.
_HOPELESS, _HOPELESS_TIME = 12, 1 / 6
_SECONDS_BETWEEN_LINES, _SECONDS_UNKEPT = 15.0, 1.0


class Rounds:
    """Rounds over models ``archs`` of a bench.

    Models ``checks``, which were measured before, are measured beside them: to see whether the
    device has changed since then.
    """

    def __init__(self, bench: Bench, archs: Sequence[str], checks: Sequence[str]) -> None:
        self._bench, self._archs, self._checks = bench, list(archs), list(checks)
        self._blocks: dict[str, list[Measurement]] = {arch: [] for arch in checks}
        self._left = [*archs, *checks]
        self._seconds = 0.0
        #: Models of which more is known than is kept: a file a block would take longer than blocks.
        self._unkept: set[str] = set()
        self._last_kept = time.monotonic()

    @contextlib.contextmanager
    def _kept_at_the_end(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._keep(0)

    def _keep(self, seconds: float) -> None:
        """Write what is not kept yet, if the last time is so many seconds ago."""
        if time.monotonic() - self._last_kept < seconds:
            return
        self._last_kept = time.monotonic()
        while self._unkept:
            with contextlib.suppress(KeyError):  # another board's thread was quicker
                arch = self._unkept.pop()
                self._bench.keep(arch, self._bench.board_of[arch], self._bench.records[arch])

    def run(self) -> float | None:
        """Measure; return by what factor latencies of the checks have changed, None if unchanged.

        A change is one beyond the limit of what is stable.
        """
        bench, settings = self._bench, self._bench.settings
        rng = np.random.default_rng(int(digest(["rounds", sorted(self._left)])[:8], 16))
        progress = Progress(0, len(self._left), bench.log, lines=20)
        told, number = time.monotonic(), 0
        with (
            bench.holding(),
            self._kept_at_the_end(),
            tempfile.TemporaryDirectory(prefix="hanas-models-") as folder,
        ):
            end = bench.device.model_suffix
            files = {arch: Path(folder) / f"{n}{end}" for n, arch in enumerate(self._left)}
            while self._left:
                due = self._due()
                order = [due[n] for n in rng.permutation(len(due))]
                self._round(order, files, progress if number == 0 else None)
                number += 1
                if self._is_enough():
                    break
                if time.monotonic() - told > _SECONDS_BETWEEN_LINES:
                    told = time.monotonic()
                    bench.log(f"{number} rounds: {self._described()}")
        for arch in self._archs:
            record = bench.records[arch]
            if record.refused is None:
                done = replace(record, ended_by=ending(settings))
                bench.keep(arch, bench.board_of[arch], done)
        bench.log(
            f"{number} rounds over {len(files)} models in {duration(self._seconds)}: "
            f"{self._described()}"
        )
        return self._change()

    def _due(self) -> list[str]:
        """Return which models the next round is of: those behind others, after a kill, come first.

        The checks are in every round.
        """
        made = {a: len(self._bench.records_of(a).rounds) for a in self._left if a in self._archs}
        behind = [arch for arch, count in made.items() if count == min(made.values())]
        return behind + [arch for arch in self._left if arch not in made]

    def _round(self, order: list[str], files: dict[str, Path], progress: Progress | None) -> None:
        """Measure a block of each model, on whichever board is free."""
        bench, done = self._bench, set[str]()

        def measure(arch: str, board: str) -> bool:
            file, record = files[arch], bench.records_of(arch)
            if not file.exists():
                bench.write(arch, file)
            started = time.monotonic()
            was_measured = bool(record.made)
            try:
                block = bench.measure_once(file, board)
            except ModelRefused as refusal:
                if arch in done or was_measured:
                    raise BoardLost(f"it refuses a model that it has measured: {refusal}") from None
                bench.keep(arch, board, Record(refused=str(refusal)))
                self._unkept.discard(arch)
                self._left.remove(arch)
            else:
                self._seconds += (time.monotonic() - started) / len(bench.boards)
                if arch in done:  # measured to show that the board works
                    return True
                if arch in self._blocks:
                    self._blocks[arch].append(block)
                else:
                    more = replace(record, rounds=(*record.rounds, block), ended_by=None)
                    bench.know(arch, board, more)
                    self._unkept.add(arch)
                    self._keep(_SECONDS_UNKEPT)
            done.add(arch)
            if progress is not None:
                progress.advance(f": {bench.described(arch)}")
            return bench.records[arch].refused is None

        def give_up(arch: str, reason: str) -> None:
            self._left.remove(arch)
            if arch in bench.records and bench.records[arch].made:
                bench.log(f"{arch} could not be measured again: {reason}")
                return
            bench.keep(arch, bench.boards[0], Record(refused=reason))
            bench.log(bench.described(arch))

        bench.share(order, measure, give_up)

    def _records(self) -> list[Record]:
        """Return what is known of the models that run, those of before among them."""
        found = self._bench.records.values()
        return [record for record in found if record.refused is None and record.rounds]

    def _is_enough(self) -> bool:
        bench, settings = self._bench, self._bench.settings
        running = [bench.records[arch] for arch in self._archs if arch in self._left]
        if not running:
            return True
        made = min(len(record.rounds) for record in running)
        if made < min(bench.device.least_rounds, settings.most_rounds):
            return False
        if made >= settings.most_rounds or self._seconds >= settings.limit_seconds:
            return True
        differences = [record.judged(bench.device)[1] for record in running]
        if max(differences) <= _ALIKE:
            return True
        found = repeatability(self._records(), bench.device)
        if found.models < MODELS_RANKED:
            return max(differences) <= _OF_LIMIT * settings.spread_limit
        late = made >= _HOPELESS and self._seconds >= _HOPELESS_TIME * settings.limit_seconds
        if late and found.split_half_spearman_rho < LEAST_CORRELATION:
            return True
        return found.split_half_spearman_rho >= settings.until_correlation

    def _described(self) -> str:
        return repeatability(self._records(), self._bench.device).in_words()

    def _change(self) -> float | None:
        ratios = [
            low_of(blocks) / low_of(self._bench.records[arch].rounds)
            for arch, blocks in self._blocks.items()
            if blocks and self._bench.records[arch].rounds
        ]
        if not ratios:
            return None
        change = float(np.median(ratios))
        limit = 1 + self._bench.settings.spread_limit
        return change if not 1 / limit <= change <= limit else None
