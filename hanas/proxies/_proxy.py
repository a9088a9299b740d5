"""What every proxy is: settings, and a score of architectures of which lower is better.

Also the bases of those that count by the genes alone, and of those that are made of others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import read_parquet
from hanas.core.progress import Log
from hanas.core.settings import Count, Entry, Member, Named, NoRerun, Positive, Settings, Unique
from hanas.spaces._space import Space

if TYPE_CHECKING:  # imported where a job scores
    import pandas as pd

#: Scores of cells by shared weights: the share of images that are wrong; the mean cross-entropy in
#: nats; and the same of logits less their mean over a batch. The classifier's bias was learned for
#: all cells at once: where it favours a class, a training of its own would undo that, so it should
#: not count against a cell. (For classes of about equal size: how frequent one is counts neither.)
SUPERNET_SCORES = ("error", "cross_entropy", "centred_cross_entropy")
#: The same with simulated INT8, in layer-wise spaces.
INT8_SCORES = tuple(f"int8_{name}" for name in SUPERNET_SCORES)
#: The name of any of them.
SupernetScore = Literal[
    "error",
    "cross_entropy",
    "centred_cross_entropy",
    "int8_error",
    "int8_cross_entropy",
    "int8_centred_cross_entropy",
]
#: Columns of scores that a proxy table can have, all lower is better.
SCORES = (*SUPERNET_SCORES, *INT8_SCORES, "score")

#: What is beyond has no differences, ratios or squares any more that are numbers.
LARGEST_SCORE = 1e100

Threads = Annotated[
    Count,
    Field(
        description="Worker processes at most. Results do not depend on their number. The job "
        "waits until as many cores, or all that Snakemake has, are free at once.",
    ),
    NoRerun(),
]


def require_scores(scores: np.ndarray, arch: Callable[[int], str], place: str) -> None:
    """Raise InputError if one of the scores, float (N,), of architectures cannot be compared.

    ``arch`` returns the text of an architecture, ``place`` names the scores.
    """
    wrong = ~(np.abs(np.asarray(scores, dtype=np.float64)) <= LARGEST_SCORE)
    for row in np.flatnonzero(wrong)[:1].tolist():
        raise InputError(
            f"{place} of {arch(row)} is {scores[row]:g}; expected a finite number, "
            f"at most {LARGEST_SCORE:g} in size"
        )


@dataclass(frozen=True)
class Inputs:
    """Files that proxies read; of each proxy those that it needs.

    ``weights`` of a supernet (:func:`hanas.training.supernets.load_supernet`), ``images`` of a data
    set (:mod:`hanas.data.images`); true ``accuracies`` (:mod:`hanas.data.tables.metric_tables`) on
    the data set of this name; tables of ``trainings``, a row each. Of what it is made of: in spaces
    that can be listed ``members``, the column that a search minimises and the table of each; in
    others ``parts``, which score on demand as it does.
    """

    weights: Path | None = None
    images: Path | None = None
    members: tuple[tuple[str, Path], ...] = ()
    accuracies: Path | None = None
    dataset: str = ""
    trainings: tuple[Path, ...] = ()
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Work:
    """Where a job keeps what is finished, its number of worker processes, and its log.

    A killed job continues from the ``folder``. Workers have one thread each, and are on a CPU.
    Scores depend on neither, not in a bit.
    """

    folder: Path
    threads: int
    log: Log

    def beside(self, name: str) -> Work:
        """Return the same with the folder of the entry of proxies of another name."""
        return replace(self, folder=self.folder.parent.with_name(name) / self.folder.name)


class OnDemandScorer:
    """Scores architectures of any space when a search asks for it, in a ``with`` statement."""

    columns: tuple[str, ...] = ("score",)
    #: What else is known of the scores, such as how far to trust them.
    facts: Mapping[str, float | str] = MappingProxyType({})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def score(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        """Return the columns, float64 (N,) each, of genes (N, G)."""
        raise NotImplementedError

    def believed(self, genes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return scores, float64 (N,), and the covariance of what is not known of them, (N, N).

        Of a learned proxy only.
        """
        raise NotImplementedError

    def require_ranking(self, objective: str) -> None:
        """Raise InputError if all that was scored so far turns out not to rank by an objective."""

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
    #: Whether its scores of a front can be had with an error: means over images, or learned.
    rescores: ClassVar[bool] = False
    #: Whether it looks at what only cells have.
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
        if self.of_cells and not space.edges:
            yield f"kind is {self.kind!r}, which looks at cells; {space.name!r} has none"

    def score(self, space: Space, inputs: Inputs, work: Work) -> pd.DataFrame:
        """Score every architecture of a space that can be listed; the folder is removed at the end.

        Returns ``arch``, the scores (float64, lower is better) and ``source``, in index order; what
        else is known of them, such as how far to trust them, is in its ``attrs``.
        Raises InputError if files are damaged or do not fit each other, or a score is not finite.
        """
        import pandas as pd

        place = f"proxy {self.kind}"
        texts = plugins.enumerable_space(space.name, place).all_texts()
        for problem in self.problems_in(space):
            raise InputError(f"{place}: {problem}")
        scores = self.scores(space, inputs, work)
        facts = scores.pop("facts", {})
        for name in (name for name in SCORES if name in scores):
            require_scores(scores[name], lambda row: texts[row], f"{place}: {name}")
        table = pd.DataFrame({"arch": list(texts), **scores})
        table.attrs.update(facts)
        return table

    def scores(self, space: Space, inputs: Inputs, work: Work) -> dict[str, Any]:
        """Return the other columns of the table of :meth:`score`, (N,) each; source may be text.

        And ``facts``, a mapping, where more is known of them.
        """
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


@dataclass(frozen=True)
class Part:
    """An entry of proxies that scores on demand, and the files that it reads.

    ``objective`` is the column that a search by it would minimise.
    """

    name: str
    proxy: Proxy
    objective: str
    inputs: Inputs

    @classmethod
    def read(cls, name: str, described: Mapping[str, Any]) -> Part:
        """Read what :meth:`hanas.study.graph.Graph.search` says of a proxy.

        ``proxy``, its settings; ``objective``; ``parts``, the same of all that it is made of, by
        name; ``files``, a path or several by the fields of :class:`Inputs`; ``dataset``.
        """
        files: dict[str, Any] = {
            field: Path(file) if isinstance(file, str) else tuple(map(Path, file))
            for field, file in described["files"].items()
        }
        parts = tuple(cls.read(*part) for part in described["parts"].items())
        inputs = Inputs(**files, dataset=described["dataset"], parts=parts)
        proxy: Any = Member("proxies").read(described["proxy"])
        return cls(name, proxy, described["objective"], inputs)

    def scorer(self, space: Space, work: Work) -> OnDemandScorer:
        """Return what scores; ``work`` is that of any proxy of the study.

        Scores are kept with those of the entry itself: they are computed once, whoever asks.
        """
        return self.proxy.on_demand_scorer(space, self.inputs, work.beside(self.name))


class SpaceProxy(Proxy):
    """A proxy that is of a space, whatever the data set."""

    space: Annotated[str, Named("spaces")] = Field("nb201", description="A member of hanas/spaces.")
    objective: ClassVar[str] = "score"  # pyright: ignore[reportIncompatibleVariableOverride]


class CountedProxy(SpaceProxy):
    """Settings of a proxy that counts."""

    of_cells: ClassVar[bool] = True
    #: What is counted.
    counted: ClassVar[str]

    def count(self, space: Any, genes: np.ndarray) -> np.ndarray:
        """Return numbers (N,), of which lower is better, of genes (N, G)."""
        raise NotImplementedError

    @property
    def source(self) -> str:
        """Where the numbers are from."""
        return f"{self.counted}, computed"

    def scores(self, space: Space, inputs: Inputs, work: Work) -> dict[str, Any]:
        """Return the counts."""
        score = self.count(space, space.all_genes()).astype(float)
        return {"score": score, "source": self.source}

    def on_demand_scorer(self, space: Space, inputs: Inputs, work: Work) -> OnDemandScorer:
        """Return what counts, if the kind does so on demand; see :meth:`Proxy.on_demand_scorer`."""
        if not self.on_demand:
            return super().on_demand_scorer(space, inputs, work)
        return _Counts(self, space)


class CountedNetwork(Settings):
    """The network of a layer-wise space that is counted."""

    width: Positive = Field(1, description="What all numbers of channels are multiplied by.")
    resolution: Annotated[int, Field(ge=4)] = Field(
        32, description="Side of the images, for flops."
    )


class SizeProxy(CountedProxy):
    """Settings of a proxy that counts the parts of a network, of which more are better."""

    on_demand: ClassVar[bool] = True
    of_cells: ClassVar[bool] = False
    network: CountedNetwork | None = Field(
        None,
        description="Of layer-wise spaces: the network that is counted; where absent, that of full "
        "size. Cells are counted in the network of their declaration.",
    )

    @property
    def source(self) -> str:
        """Where the numbers are from."""
        size = "network" if self.network else "full-size network"
        return f"{self.counted} of the {size}, computed"

    def problems_in(self, space: Space) -> Iterator[str]:
        """Yield what does not go together with a space."""
        if self.network and not space.layerwise:
            said = f"network: cells are counted in the network that {space.name!r} declares"
            yield f"{said}; leave it out"


@dataclass
class _Counts(OnDemandScorer):
    proxy: CountedProxy
    space: Space

    def score(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        return {"score": self.proxy.count(self.space, genes).astype(float)}

    def source(self, objective: str) -> str:
        return self.proxy.source


class CombinedProxy(Proxy):
    """A proxy that is made of others: it reads their tables, or asks them on demand."""

    proxies: Annotated[list[Annotated[str, Entry("proxies")]], Field(min_length=2), Unique] = Field(
        description="Entries of proxies."
    )


class CombinedScorer(OnDemandScorer):
    """Scores by what all the parts of a proxy say."""

    def __init__(self, space: Space, inputs: Inputs, work: Work) -> None:
        self.parts = inputs.parts
        self.scorers = [part.scorer(space, work) for part in inputs.parts]

    def __exit__(self, *error: object) -> None:
        for scorer in self.scorers:
            scorer.__exit__(*error)

    def by_each(self, genes: np.ndarray) -> list[dict[str, np.ndarray]]:
        """Return the columns of each part, float64 (N,), of genes (N, G)."""
        return [scorer.score(genes) for scorer in self.scorers]

    def minimised(self, genes: np.ndarray) -> np.ndarray:
        """Return what a search by each part would minimise, float64 (N, parts)."""
        pairs = zip(self.parts, self.by_each(genes), strict=True)
        return np.stack([columns[part.objective] for part, columns in pairs], axis=1)


def member_tables(space: Space, inputs: Inputs) -> tuple[list[pd.DataFrame], np.ndarray]:
    """Return the tables of the members, and the scores that a search by each would minimise.

    They are in index order; the scores are float64 (N, members). Raises InputError if a table lacks
    its column or is of other architectures.
    """
    tables, scores = [], []
    for objective, file in inputs.members:
        table = read_parquet(file)
        if objective not in table:
            raise InputError(f"{file}: the proxy table has no column {objective!r}")
        check_order(table, space, str(file))
        tables.append(table)
        scores.append(table[objective].to_numpy(dtype=np.float64))
    return tables, np.stack(scores, axis=1)


def check_order(table: pd.DataFrame, space: Space, place: str) -> None:
    """Raise InputError, naming ``place``, unless a table is of all architectures in index order."""
    if tuple(table["arch"]) != space.all_texts():
        raise InputError(f"{place}: not the architectures of {space.name} in their order")
