"""True accuracies from NAS-Bench-Macro: 6,561 chains, each trained three times on CIFAR-10.

Reference: X. Su et al., "Prioritized Architecture Sampling with Monto-Carlo Tree Search", CVPR
2021.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from hanas.benchmarks._benchmark import Benchmark
from hanas.core.errors import InputError
from hanas.core.files import checksum, reading, user_path
from hanas.core.settings import UserFile
from hanas.data.tables import user_tables
from hanas.data.tables.metric_tables import Place, accuracy_table

if TYPE_CHECKING:
    import pandas as pd

    from hanas.spaces._space import Space

#: SHA-256 of the file as its authors published it.
OFFICIAL = "686dee8363cc21cca8c1f321ad5749454f2d9b9ca5972682e137e539bc522297"
TRAININGS = 3


class NasBenchMacro(Benchmark):
    """Mean test accuracies over the benchmark's three trainings."""

    covers: ClassVar[str | None] = "nas_bench_macro"
    kind: Literal["nas_bench_macro"] = Field(
        description="NAS-Bench-Macro, CIFAR-10, 50 epochs, mean of three trainings."
    )
    file: Annotated[str, UserFile()] = Field(
        description="Path, relative to the data folder, of nas-bench-macro_cifar10.json; or of a "
        "Parquet file of it with columns arch and mean_test_accuracy_percent."
    )

    def accuracies(
        self, space: Space, dataset: str, root: Path, cells: Path | None = None
    ) -> pd.DataFrame:
        """Return the accuracies of every chain of nas_bench_macro."""
        if space.name != "nas_bench_macro":
            raise InputError(f"NAS-Bench-Macro covers the space nas_bench_macro, not {space.name}")
        if dataset != "cifar10":
            raise InputError(f"NAS-Bench-Macro has no data set {dataset!r}; it has: cifar10")
        path = user_path(root, self.file)
        read = _parquet if path.suffix.lower() == ".parquet" else _json
        values, place, sha256 = read(path, space)
        form = "" if sha256 == OFFICIAL[:12] else "not the official file, "
        return accuracy_table(
            space.all_texts(),
            values,
            source=f"benchmark: NAS-Bench-Macro, test accuracy, mean of {TRAININGS} trainings of "
            f"50 epochs ({form}sha256 {sha256})",
            place=place,
        )


class _Columns(user_tables.Columns):
    accuracy_percent: str = "mean_test_accuracy_percent"


def _parquet(path: Path, space: Space) -> tuple[np.ndarray, Place, str]:
    values, place, sha256 = user_tables.read(path, _Columns.read({"arch": "arch"}), space=space)
    return values["accuracy_percent"], place, sha256


def _json(path: Path, space: Space) -> tuple[np.ndarray, Place, str]:
    hint = "; put nas-bench-macro_cifar10.json there"
    with reading(path, "NAS-Bench-Macro's JSON", hint), path.open(encoding="utf-8") as handle:
        content: Any = json.load(handle)
    archs = space.all_texts()
    missing = [arch for arch in archs if not isinstance(content, dict) or arch not in content]
    if missing:
        raise InputError(
            f"{path}: {len(missing):,} of {len(archs):,} architectures are missing, the first of "
            f"them {missing[0]}{hint}"
        )
    values = np.empty(len(archs))
    for number, arch in enumerate(archs):
        single = content[arch].get("test_acc") if isinstance(content[arch], dict) else None
        if not (isinstance(single, list) and len(single) == TRAININGS and all(map(_real, single))):
            raise InputError(
                f"{path}: {arch}: test_acc is {str(single)[:80]}; expected {TRAININGS} numbers"
            )
        values[number] = np.mean(single)
    return values, lambda number, _: f"{path}: {archs[number]}", checksum(path)[:12]


def _real(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
