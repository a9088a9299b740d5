"""A device that does not exist: latency is proportional to multiply-accumulates.

Nothing is measured. Fronts of error and multiply-accumulates are searched and judged with it, as
papers compare networks; real devices order networks otherwise, depthwise convolutions above all
(N. Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design", ECCV
2018).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from hanas.core.errors import InputError
from hanas.core.settings import Positive
from hanas.data.tables.metric_tables import device_table
from hanas.devices._device import TabulatedDevice
from hanas.proxies._proxy import CountedNetwork

if TYPE_CHECKING:
    import pandas as pd

    from hanas.spaces._space import Space


class IdealDevice(TabulatedDevice):
    """A device that does the same number of multiply-accumulates in every second."""

    kind: Literal["ideal"] = Field(
        description="Latency in proportion to multiply-accumulates; not a measurement."
    )
    gmacs_per_second: Positive = Field(
        1,
        description="Thousand millions of multiply-accumulates a second; at 1, milliseconds are "
        "millions of multiply-accumulates.",
    )
    network: CountedNetwork | None = Field(
        None,
        description="Of layer-wise spaces: the network that is counted; where absent, and of cells "
        "always, that of full size for images of 32 pixels.",
    )

    def table(self, space: Space, dataset: str, root: Path) -> pd.DataFrame:
        """Return the latencies of all architectures, with a classifier of 10 classes."""
        if self.network and not space.layerwise:
            raise InputError(f"network: {space.name} is a space of cells; leave it out")
        archs, genes = space.all_texts(), space.all_genes()
        counts = space.flops(genes, network=self.network)
        counted = self.network or CountedNetwork.read({})
        return device_table(
            archs,
            {"latency_ms": counts / (self.gmacs_per_second * 1e6)},
            source=f"computed, not measured: multiply-accumulates at {self.gmacs_per_second:g} "
            f"thousand millions a second, width {counted.width:g}, {counted.resolution}x"
            f"{counted.resolution} pixels",
            place=lambda number, metric: f"{metric} of {archs[number]}",
        )
