"""True accuracies from the topology space of NATS-Bench.

Reference: X. Dong et al., "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and
Size", TPAMI 2021. The official folder holds a compressed pickle for each cell. Each is read without
running its code, and handed to the ``nats_bench`` package, which knows what the numbers mean.
"""

from __future__ import annotations

import bz2
import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from hanas.benchmarks._benchmark import Benchmark
from hanas.core import extras
from hanas.core.errors import InputError, one_line
from hanas.core.files import checksum, read_parquet, user_path
from hanas.core.pickles import load_plain
from hanas.core.settings import UserFile
from hanas.data.tables.metric_tables import NB201, accuracy_table, official_name, require_nb201
from hanas.spaces._space import Space

if TYPE_CHECKING:
    import pandas as pd

#: Which evaluation of the package is the test accuracy: CIFAR-10 is trained on all 50,000 training
#: images and has the 10,000 test images; of the others, half of the test images are for validation.
TEST_SETS = {"cifar10": "ori-test", "cifar100": "x-test", "ImageNet16-120": "x-test"}
EPOCHS = ("12", "200")
_CELL_LIMIT_BYTES = 2**24  # uncompressed; official cells have 0.33 MB


class NatsBench(Benchmark):
    """Mean accuracies over the seeds of the benchmark."""

    covers: ClassVar[str | None] = "nb201"
    kind: Literal["nats_bench"] = Field(
        description="NATS-Bench's topology space, read with the nats_bench package."
    )
    folder: Annotated[str, UserFile()] = Field(
        description="The folder NATS-tss-v1_0-3ffb9-simple relative to the data folder."
    )
    dataset: str | None = Field(
        None, description="Name of the data set inside the benchmark where it differs."
    )
    epochs: Literal["12", "200"] = Field("200", description="Training length of the benchmark.")

    def accuracies(
        self, space: Space, dataset: str, root: Path, cells: Path | None = None
    ) -> pd.DataFrame:
        """Return the accuracies of the cells of nb201, from ``cells`` or else from the folder."""
        require_nb201(space.name, benchmark="NATS-Bench")
        name = official_name(self.dataset or dataset, benchmark="NATS-Bench")
        folder, archs = user_path(root, self.folder), space.all_texts()
        table = read_parquet(cells) if cells else read_cells(folder, archs)
        table = table[(table["dataset"] == name) & (table["epochs"] == self.epochs)]
        borrowed = "" if self.dataset in (None, dataset) else f" of {name} for {dataset}"
        return accuracy_table(
            archs,
            table.set_index("arch").loc[list(archs), "accuracy_percent"].to_numpy(),
            source=f"benchmark: NATS-Bench v1.0 topology{borrowed}, test accuracy, {self.epochs} "
            f"epochs (sha256 {table['files_sha256'].iloc[0][:12]})",
            place=lambda number, _: f"{folder / _file_name(archs[number])}: {name}",
        )


def read_cells(folder: Path, archs: Sequence[str]) -> pd.DataFrame:
    """Read all test accuracies of cells, canonical texts, from the official folder.

    For each cell (``arch``), training length (``epochs``) and data set (``dataset``, its official
    name) the mean over the seeds, ``accuracy_percent``, and ``files_sha256``, of all files' sums.
    Raises InputError if files of these cells are missing, damaged, of other cells, or incomplete,
    or the package is not there.
    """
    import pandas as pd

    extras.require("nats_bench", "nats-bench")
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; unpack NATS-tss-v1_0-3ffb9-simple.tar there")
    files = [folder / _file_name(arch) for arch in archs]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise InputError(
            f"{folder}: {len(missing):,} of {len(files):,} cells are missing, the first of them "
            f"{missing[0]}; unpack the whole of NATS-tss-v1_0-3ffb9-simple.tar there"
        )
    digest, rows = hashlib.sha256(), []
    for number, (file, arch) in enumerate(zip(files, archs, strict=True), start=1):
        rows += _read_cell(file, arch)
        digest.update(checksum(file).encode())
        if number % 1000 == 0:
            print(f"{folder.name}: {number:,} of {len(files):,} cells read")
    table = pd.DataFrame(rows, columns=["arch", "epochs", "dataset", "accuracy_percent"])
    return table.assign(files_sha256=digest.hexdigest())


def _file_name(arch: str) -> str:
    return f"{NB201.index_of(NB201.from_text(arch)[None])[0]:06d}.pickle.pbz2"


def _read_cell(file: Path, arch: str) -> list[tuple[str, str, str, float]]:
    """Return the cell, training length, data set and test accuracy in percent of each."""
    from nats_bench.api_utils import ArchResults

    with bz2.open(file, "rb") as handle:
        cell = load_plain(handle, name=str(file), limit_bytes=_CELL_LIMIT_BYTES)
    try:
        results = {epochs: ArchResults.create_from_state_dict(cell[epochs]) for epochs in EPOCHS}
        held = {of_epochs.arch_str for of_epochs in results.values()}
        rows = []
        for epochs, (dataset, test_set) in itertools.product(EPOCHS, TEST_SETS.items()):
            found = results[epochs].get_metrics(dataset, test_set, is_random=False)
            rows.append((arch, epochs, dataset, float(found["accuracy"])))
    except Exception as error:  # the package checks nothing that it is given
        raise InputError(
            f"{file}: not of the form of NATS-Bench v1.0: {type(error).__name__}: {one_line(error)}"
        ) from error
    if held != {arch}:
        raise InputError(f"{file}: holds another cell than {arch}")
    return rows
