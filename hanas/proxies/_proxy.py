"""What every proxy is: settings, and a score of architectures of which lower is better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.progress import Log
from hanas.core.settings import Count, Member, Named, NoRerun, Settings
from hanas.spaces._space import Space

if TYPE_CHECKING:  # imported where a job scores
    import pandas as pd

#: Scores of cells by shared weights: the share of images that are wrong; the mean cross-entropy in
#: nats; and the same of logits less their mean over the images of a batch. The classifier's bias
#: was learned for all cells at once: where it favours a class in one of them, a training of its own
#: would undo that, so it should not count against the cell. (Meant for classes of about equal size:
#: how frequent a class is does not count either.)
SUPERNET_SCORES = ("error", "cross_entropy", "centred_cross_entropy")
#: Columns of scores that a proxy table can have, all lower is better.
SCORES = (*SUPERNET_SCORES, "score")

Threads = Annotated[
    Count,
    Field(description="Worker processes at most. Results do not depend on their number."),
    NoRerun(),
]


@dataclass(frozen=True)
class Inputs:
    """Files that proxies read; of each proxy those that it needs.

    ``weights`` of a supernet (:func:`hanas.training.supernets.load_supernet`), ``images`` of a data
    set (:mod:`hanas.data.images`); of the ``members`` that it is made of the column that a search
    minimises and the table; true ``accuracies`` (:mod:`hanas.data.tables.metric_tables`) on the
    data set of this name.
    """

    weights: Path | None = None
    images: Path | None = None
    members: tuple[tuple[str, Path], ...] = ()
    accuracies: Path | None = None
    dataset: str = ""


@dataclass(frozen=True)
class Work:
    """Where a job keeps what is finished, its number of worker processes, and its log.

    A killed job continues from what is in the ``folder``. Workers, of one thread each, are on a
    CPU. Scores depend on neither, not in a bit.
    """

    folder: Path
    threads: int
    log: Log


class OnDemandScorer:
    """Scores architectures of any space when a search asks for it, in a ``with`` statement."""

    columns: tuple[str, ...] = ("score",)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def score(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        """Return the columns, float64 (N,) each, of genes (N, G)."""
        raise NotImplementedError

    def source(self, objective: str) -> str:
        """Return where a column is from, in one line."""
        raise NotImplementedError


class Proxy(Settings):
    """Settings of a proxy; each kind is a class, in a module of its name."""

    kind: Any  # of each class a Literal with its name
    label: Annotated[str | None, NoRerun()] = Field(
        None, description="Name in tables; the kind where absent."
    )
    revision: ClassVar[int] = 4
    #: Whether it scores architectures when a search asks for them, so in spaces of any size.
    on_demand: ClassVar[bool] = False
    #: Whether it looks at what only the cells of NAS-Bench-201 have.
    of_cells: ClassVar[bool] = False

    if TYPE_CHECKING:
        #: The column that a search minimises, a str: a setting where there are several.
        objective: Any

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to worker processes by kind: they find the class of a user's plugin too."""
        return Member("proxies").read, (self.model_dump(),)

    @property
    def trained_architectures(self) -> int:
        """How many architectures are really trained (or looked up) for it, beside its members'."""
        return 0

    def columns_of(self, members: Sequence[Sequence[str]]) -> tuple[str, ...]:
        """Return the scores in its table, from those of each proxy that it is made of."""
        return ("score",)

    def in_words(self, names: Sequence[str]) -> str:
        """Return what a search ranks by, with the names of the proxies that it is made of."""
        return self.kind

    def problems_in(self, space: Space) -> Iterator[str]:
        """Yield what does not go together with a space, the name of the setting first."""
        yield from ()

    def score(self, space: Space, inputs: Inputs, work: Work) -> pd.DataFrame:
        """Score every architecture of a space that can be listed; the folder is removed at the end.

        Returns ``arch``, the scores (float64, lower is better) and ``source``, in index order.
        Raises InputError if files are damaged or do not fit each other, or a score is not finite.
        """
        import pandas as pd

        place = f"proxy {self.kind}"
        texts = plugins.enumerable_space(space.name, place).all_texts()
        if self.of_cells and space.name != "nb201":
            raise InputError(f"{place} looks at cells of space 'nb201', not of {space.name!r}")
        return pd.DataFrame({"arch": list(texts), **self.scores(space, inputs, work)})

    def scores(self, space: Space, inputs: Inputs, work: Work) -> dict[str, Any]:
        """Return the other columns of the table of :meth:`score`, (N,) each; source may be text."""
        raise NotImplementedError

    def on_demand_scorer(self, space: Space, inputs: Inputs, work: Work) -> OnDemandScorer:
        """Return what scores architectures of any space; any number of searches share the folder.

        Raises InputError as :meth:`score` does, and if this kind scores no single architectures.
        """
        kinds = plugins.names("proxies")
        able = [kind for kind in kinds if plugins.plugin("proxies", kind).on_demand]
        raise InputError(
            f"proxy.kind is {self.kind!r}; in space {space.name!r}, which is too large for a "
            f"table, expected one of: {', '.join(able)}"
        )


class SpaceProxy(Proxy):
    """A proxy that is of a space, whatever the data set."""

    space: Annotated[str, Named("spaces")] = Field("nb201", description="A member of hanas/spaces.")
    objective: ClassVar[str] = "score"  # pyright: ignore[reportIncompatibleVariableOverride]
