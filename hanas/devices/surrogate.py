"""Latency and energy from small models that were fitted to a benchmark's table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from hanas.benchmarks.surrogates import models as surrogates
from hanas.core.errors import InputError
from hanas.core.files import checksum, user_path
from hanas.core.settings import UserFile
from hanas.data.tables.metric_tables import METRICS, device_table, require_nb201
from hanas.devices._device import TabulatedDevice

if TYPE_CHECKING:
    import pandas as pd

    from hanas.spaces._space import Space


class SurrogateDevice(TabulatedDevice):
    """A device in a bundle of surrogates."""

    covers: ClassVar[str | None] = "nb201"
    kind: Literal["surrogate"] = Field(description="Small models fitted to HW-NAS-Bench.")
    device: str = Field(description="Name of the device in the bundle.")
    dataset: str | None = Field(None, description="Name of the data set in it where it differs.")
    file: Annotated[str, UserFile()] | None = Field(None, description="Instead of the shipped one.")

    def table(self, space: Space, dataset: str, root: Path) -> pd.DataFrame:
        """Return predicted metrics; the source says how well they fit other cells."""
        require_nb201(space.name, benchmark="the bundle of surrogates")
        path = user_path(root, self.file) if self.file else surrogates.SHIPPED
        bundle = surrogates.load(path)
        where = f"{self.dataset or dataset}/{self.device}"
        names = {m: f"{where}/{m}" for m in METRICS if f"{where}/{m}" in bundle.names()}
        if not names:
            known = {"/".join(n.split("/")[:2]) for n in bundle.names() if n.count("/") == 2}
            known = ", ".join(sorted(known))
            raise InputError(f"{path}: no surrogates of {where}; there are: {known}")
        archs, genes = space.all_texts(), space.all_genes()
        feasible = bundle.feasible(self.dataset or dataset, self.device, genes)
        return device_table(
            archs,
            {m: np.where(feasible, bundle.predict(n, genes), -1.0) for m, n in names.items()},
            source=surrogates.described(bundle, list(names.values())),
            place=lambda number, metric: f"{path}: {metric} of {archs[number]}",
            infeasible=-1.0,
        )

    def state(self, root: Path) -> str | None:
        """Return the checksum of the shipped models, where they are used."""
        return None if self.file else checksum(surrogates.SHIPPED)
