"""Latency and energy from HW-NAS-Bench's official file.

Reference: C. Li et al., "HW-NAS-Bench: Hardware-Aware Neural Architecture Search Benchmark",
ICLR 2021.
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from hanas.core.errors import InputError
from hanas.core.files import checksum, user_path
from hanas.core.pickles import load_plain
from hanas.core.settings import UserFile
from hanas.data.tables.metric_tables import NB201, device_table, official_name, require_nb201
from hanas.devices._device import TabulatedDevice

if TYPE_CHECKING:
    import pandas as pd

    from hanas.spaces._space import Space

#: The metrics of each device and their keys in the file, in ms and mJ.
DEVICES = {
    "edgegpu": {"latency_ms": "edgegpu_latency", "energy_mj": "edgegpu_energy"},
    "raspi4": {"latency_ms": "raspi4_latency"},
    "edgetpu": {"latency_ms": "edgetpu_latency"},
    "pixel3": {"latency_ms": "pixel3_latency"},
    "eyeriss": {"latency_ms": "eyeriss_latency", "energy_mj": "eyeriss_energy"},
    "fpga": {"latency_ms": "fpga_latency", "energy_mj": "fpga_energy"},
}
#: What a device gives instead of a number where its compiler failed.
INFEASIBLE = {"edgetpu": -1.0}


class HwNasBenchDevice(TabulatedDevice):
    """A device of HW-NAS-Bench."""

    covers: ClassVar[str | None] = "nb201"
    kind: Literal["hw_nas_bench"] = Field(description="HW-NAS-Bench's official pickle.")
    device: str = Field(description="edgegpu, raspi4, edgetpu, pixel3, eyeriss or fpga.")
    dataset: str | None = Field(None, description="Name of the data set in it where it differs.")
    file: Annotated[str, UserFile()] = Field(
        description="Path of HW-NAS-Bench-v1_0.pickle relative to the data folder."
    )

    def table(self, space: Space, dataset: str, root: Path) -> pd.DataFrame:
        """Return the metrics in the official file."""
        require_nb201(space.name, benchmark="HW-NAS-Bench")
        name = official_name(self.dataset or dataset, benchmark="HW-NAS-Bench")
        if self.device not in DEVICES:
            known = ", ".join(DEVICES)
            raise InputError(f"HW-NAS-Bench has no device {self.device!r}; it has: {known}")
        path, keys = user_path(root, self.file), DEVICES[self.device]
        of_another = f" of {name} for {dataset}" if self.dataset not in (None, dataset) else ""
        return device_table(
            NB201.all_texts(),
            read(path, name, keys),
            source=f"benchmark: HW-NAS-Bench v1.0{of_another} (sha256 {checksum(path)[:12]})",
            place=lambda number, metric: _place(path, name, keys[metric], number),
            infeasible=INFEASIBLE.get(self.device),
        )


def read(path: Path, dataset: str, keys: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Return each metric in the official file, float64 (15625,) in the official order of the cells.

    ``keys`` are its names of the metrics; infeasible cells carry their marker. The pickle is
    ``{"nasbench201": {dataset: {key: [15,625 numbers], "config": [...]}}}``, or InputError.
    """
    try:
        with path.open("rb") as handle:
            content = load_plain(handle, name=str(path))
    except OSError as error:
        hint = f"not readable ({error.strerror}); put HW-NAS-Bench-v1_0.pickle there"
        raise InputError(f"{path}: {hint}") from error
    for level, key in enumerate(("nasbench201", dataset), start=1):
        if not isinstance(content, dict) or key not in content:
            has = f"has no {key!r} at level {level}; expected the layout of HW-NAS-Bench v1.0"
            raise InputError(f"{path}: {has}")
        content = content[key]
    for key in keys.values():
        if not isinstance(content, dict) or key not in content:
            raise InputError(f"{path}: {dataset} has no {key!r}")
    if "config" in content:
        _check_order(path, dataset, content["config"])
    return {metric: _column(path, dataset, key, content[key]) for metric, key in keys.items()}


def _column(path: Path, dataset: str, key: str, values: Any) -> np.ndarray:
    where, size = f"{path}: {dataset}: {key}", len(NB201.all_texts())
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if not isinstance(values, list):
        raise InputError(f"{where} is no list")
    if len(values) != size:
        raise InputError(f"{where} has {len(values):,} values; expected {size:,}, one a cell")
    for number, value in enumerate(values):
        # A truth value is a number to Python.
        if isinstance(value, bool) or not isinstance(value, Real):
            place = _place(path, dataset, key, number)
            raise InputError(f"{place}: a {type(value).__name__}; expected a number")
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError as error:  # a huge integer
        raise InputError(f"{where}: {error}") from error


def _check_order(path: Path, dataset: str, configs: Any) -> None:
    """Compare the cells that the file describes with the order that its numbers are read in."""
    texts = NB201.all_texts()
    if not isinstance(configs, list) or len(configs) != len(texts):
        raise InputError(f"{path}: {dataset}: config is no list of {len(texts):,} cells")
    for number, (config, text) in enumerate(zip(configs, texts, strict=True)):
        found = config.get("arch_str") if isinstance(config, dict) else None
        found = found if isinstance(found, str) else None
        if found != text:
            shown = "no arch_str" if found is None else repr(found)[:200]
            place = _place(path, dataset, "config", number)
            raise InputError(f"{place}: holds {shown}: the cells are not in the official order")


def _place(path: Path, dataset: str, key: str, number: int) -> str:
    return f"{path}: {dataset}: {key}, index {number} ({NB201.all_texts()[number]})"
