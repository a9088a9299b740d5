"""True accuracies from a small model that was fitted to a benchmark's table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from hanas.benchmarks._benchmark import Benchmark
from hanas.benchmarks.surrogates import models
from hanas.core.errors import InputError
from hanas.core.files import user_path
from hanas.core.settings import UserFile
from hanas.data.tables.metric_tables import accuracy_table, require_nb201
from hanas.spaces._space import Space

if TYPE_CHECKING:
    import pandas as pd


class Surrogate(Benchmark):
    """A model of the accuracies on a data set; the source says how well it predicts."""

    covers: ClassVar[str | None] = "nb201"
    kind: Literal["surrogate"] = Field(description="A small model fitted to a benchmark.")
    file: Annotated[str, UserFile()] | None = Field(
        None, description="Another bundle of surrogates than the shipped one."
    )
    dataset: str | None = Field(
        None, description="Name of the data set inside the bundle where it differs."
    )

    def accuracies(
        self, space: Space, dataset: str, root: Path, cells: Path | None = None
    ) -> pd.DataFrame:
        """Return the predicted accuracies of the cells of nb201."""
        require_nb201(space.name, benchmark="the bundle of surrogates")
        path = user_path(root, self.file) if self.file else models.SHIPPED
        bundle, dataset = models.load(path), self.dataset or dataset
        name = f"{dataset}/accuracy_percent"
        if name not in bundle.names():
            known = [n.split("/")[0] for n in bundle.names() if n.endswith("/accuracy_percent")]
            raise InputError(
                f"{path}: no surrogate of the accuracy on {dataset}; there are: {', '.join(known)}"
            )
        archs = space.all_texts()
        return accuracy_table(
            archs,
            bundle.predict(name, space.all_genes()),
            source=models.described(bundle, [name]),
            place=lambda number, _: f"{path}: {archs[number]}",
        )
