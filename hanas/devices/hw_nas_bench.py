"""Latency and energy from HW-NAS-Bench's official file.

Reference: C. Li et al., "HW-NAS-Bench: Hardware-Aware Neural Architecture Search Benchmark",
ICLR 2021.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hanas.core.errors import InputError
from hanas.core.files import checksum
from hanas.core.pickles import load_plain
from hanas.data.tables import metric_tables
from hanas.data.tables.official_names import official_name, require_nb201
from hanas.spaces import nb201

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


def measure(
    archs: Sequence[str], *, space: str, dataset: str, settings: Mapping[str, Any], root: Path
) -> pd.DataFrame:
    """Return the device's metrics of architectures.

    Parameters
    ----------
    archs
        Canonical texts of cells.
    space, dataset
        Names in the study; the space must be nb201.
    settings
        ``file``: path of the official ``HW-NAS-Bench-v1_0.pickle``. ``device``: one of
        :data:`DEVICES`. ``dataset``: optionally the data set whose numbers are used.
    root
        Folder that a relative path starts from.

    Returns
    -------
    DataFrame
        See :func:`hanas.data.tables.metric_tables.device_table`.

    Raises
    ------
    InputError
        If the file is damaged, not of the official layout, or holds impossible numbers, or if it
        has no such device or data set.
    """
    require_nb201(space, benchmark="HW-NAS-Bench")
    name = official_name(dataset, settings, benchmark="HW-NAS-Bench")
    device = settings["device"]
    if device not in DEVICES:
        raise InputError(f"HW-NAS-Bench has no device {device!r}; it has: {', '.join(DEVICES)}")
    path = root / Path(settings["file"]).expanduser()
    columns = read(path, name, DEVICES[device])
    # Checked whole, so that a damaged file is noticed whichever architectures are asked for.
    table = metric_tables.device_table(
        nb201.all_texts(),
        columns,
        source=f"benchmark: HW-NAS-Bench v1.0{_borrowed(name, dataset, settings)} "
        f"(sha256 {checksum(path)[:12]})",
        place=lambda number, metric: _place(path, name, DEVICES[device][metric], number),
        infeasible=INFEASIBLE.get(device),
    )
    return table.iloc[_numbers(archs)].reset_index(drop=True)


def read(path: Path, dataset: str, keys: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Read metrics from the official file.

    Parameters
    ----------
    path
        The pickle: ``{"nasbench201": {dataset: {key: [15,625 numbers], "config": [...]}}}``.
    dataset
        The file's name of the data set.
    keys
        The file's key of each metric.

    Returns
    -------
    dict
        For each metric a float64 array (15625,) in the official order of the cells. Infeasible
        cells still carry their marker.

    Raises
    ------
    InputError
        If the file is damaged or not of this layout.
    """
    try:
        with path.open("rb") as handle:
            content = load_plain(handle, name=str(path))
    except OSError as error:
        raise InputError(
            f"{path}: not readable ({error.strerror}); put HW-NAS-Bench-v1_0.pickle there"
        ) from error
    for depth, key in enumerate(("nasbench201", dataset)):
        if not isinstance(content, dict) or key not in content:
            raise InputError(
                f"{path}: has no {key!r} at level {depth + 1}; expected the layout of "
                "HW-NAS-Bench v1.0"
            )
        content = content[key]
    missing = [key for key in keys.values() if not isinstance(content, dict) or key not in content]
    if missing:
        raise InputError(f"{path}: {dataset} has no {missing[0]!r}")
    if "config" in content:
        _check_order(path, dataset, content["config"])
    return {metric: _column(path, dataset, key, content[key]) for metric, key in keys.items()}


def _column(path: Path, dataset: str, key: str, values: Any) -> np.ndarray:
    size = len(nb201.all_texts())
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if not isinstance(values, list):
        raise InputError(f"{path}: {dataset}: {key} is no list")
    if len(values) != size:
        raise InputError(
            f"{path}: {dataset}: {key} has {len(values):,} values; expected {size:,}, one a cell"
        )
    for number, value in enumerate(values):
        # A truth value is an int to Python.
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise InputError(
                f"{_place(path, dataset, key, number)}: a {type(value).__name__}; expected a number"
            )
    try:
        return np.array(values, dtype=np.float64)
    except (OverflowError, TypeError) as error:  # a huge integer, a complex number
        raise InputError(f"{path}: {dataset}: {key}: {error}") from error


def _check_order(path: Path, dataset: str, configs: Any) -> None:
    """Compare the cells that the file describes with the order that its numbers are read in."""
    texts = nb201.all_texts()
    if not isinstance(configs, list) or len(configs) != len(texts):
        raise InputError(f"{path}: {dataset}: config is no list of {len(texts):,} cells")
    for number, (config, text) in enumerate(zip(configs, texts, strict=True)):
        found = config.get("arch_str") if isinstance(config, dict) else None
        if not isinstance(found, str) or found != text:
            shown = repr(found)[:200] if isinstance(found, str) else "no arch_str"
            raise InputError(
                f"{_place(path, dataset, 'config', number)}: holds {shown}: the cells are not in "
                "the official order"
            )


def _place(path: Path, dataset: str, key: str, number: int) -> str:
    return f"{path}: {dataset}: {key}, index {number} ({nb201.all_texts()[number]})"


def _borrowed(name: str, dataset: str, settings: Mapping[str, Any]) -> str:
    return f" of {name} for {dataset}" if settings.get("dataset", dataset) != dataset else ""


def _numbers(archs: Sequence[str]) -> np.ndarray:
    return nb201.index_of(np.array([nb201.from_text(arch) for arch in archs]))
