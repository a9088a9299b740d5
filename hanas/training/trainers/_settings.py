"""Settings of a supernet, and what a trainer can do with them.

Without PyTorch: read while rules are parsed, so that what cannot be trained is refused before
anything runs. What a trainer can do is therefore read from its source, not by importing it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.revisions import REVISIONS
from hanas.core.settings import check_choice, check_number, from_mapping
from hanas.spaces._space import Space
from hanas.training.settings import TrainingSettings
from hanas.training.snapshot_epochs import snapshot_epochs

#: What trainers may draw from, by name: all cells, those whose input reaches the output, or one
#: for each isomorphism class (the first in index order).
CELL_SETS = ("all", "connected", "distinct")


@dataclass(frozen=True)
class ArchitectureSettings:
    """How architecture weights are trained; the defaults are those of NAS-Bench-201.

    Parameters
    ----------
    learning_rate, weight_decay, betas
        Of Adam.
    weight_steps
        Steps of the weights for each step of the architecture weights.
    order
        Of the gradient of ``darts``: 1, or 2 through one step of the weights.
    tau
        First and last temperature of ``gdas``.
    straight_through
        ``gdas``: the gradient looks at ``all`` operations, or at the ``sampled`` one alone.
    """

    learning_rate: float = 3e-4
    weight_decay: float = 1e-3
    betas: tuple[float, float] = (0.5, 0.999)
    weight_steps: int = 1
    order: int = 1
    tau: tuple[float, float] = (10, 0.1)
    straight_through: str = "all"

    def __post_init__(self) -> None:
        check_number("learning_rate", self.learning_rate, above=0)
        check_number("weight_decay", self.weight_decay, at_least=0)
        for name in ("betas", "tau"):
            if not isinstance(getattr(self, name), tuple) or len(getattr(self, name)) != 2:
                raise InputError(f"{name} is {getattr(self, name)!r}; expected two numbers")
        for beta in self.betas:
            check_number("betas", beta, at_least=0)
            if beta >= 1:
                raise InputError(f"betas is {beta!r}; expected numbers below 1")
        for tau in self.tau:
            check_number("tau", tau, above=0)
        check_number("weight_steps", self.weight_steps, at_least=1, whole=True)
        check_choice("order", self.order, (1, 2))
        check_choice("straight_through", self.straight_through, ("all", "sampled"))


@dataclass(frozen=True)
class SupernetTraining(TrainingSettings):
    """How the weights of a supernet are trained.

    Parameters
    ----------
    operation_probabilities
        Probability of each operation, by name, with which sampling starts; None: equal.
    """

    operation_probabilities: dict[str, float] | None = None


@dataclass(frozen=True)
class SupernetSettings:
    """All settings of a supernet; the defaults are full scale.

    Parameters
    ----------
    dataset
        Name of the data set, for the record.
    trainer
        Name of a module of this folder.
    space
        Name of a module of ``hanas/spaces``.
    seed
        Of initial weights, batches and samples.
    network
        See :class:`hanas.spaces.networks.settings.CellNetworkSettings`.
    training, architecture
        See :class:`SupernetTraining` and :class:`ArchitectureSettings`.
    candidates
        Random architectures that ``rsps`` and ``spos`` choose from.
    candidate_images
        Validation images that a cell is judged on, in every epoch and at the end; None: all.
    sampled_cells
        Cells that training draws from: ``all``, ``connected`` ones, or one of each isomorphism
        class (``distinct``); ``all`` for trainers that learn architecture weights and for spaces
        that are too large to list.
    snapshots
        How many times the weights are kept, evenly in the second half of the epochs, the end
        included; a proxy takes the mean of what they say. 1 for layer-wise spaces.
    device, precision, threads
        Where and how to compute.
    revision
        Of the code that trains.
    """

    dataset: str
    trainer: str
    space: str = "nb201"
    seed: int = 0
    network: Mapping[str, Any] = field(default_factory=dict)
    training: SupernetTraining = field(default_factory=SupernetTraining)
    architecture: ArchitectureSettings = field(default_factory=ArchitectureSettings)
    candidates: int = 100
    candidate_images: int | None = 256
    sampled_cells: str = "all"
    snapshots: int = 1
    device: str = "auto"
    precision: str = "float32"
    threads: int = 1
    revision: int = REVISIONS["supernet"]

    def __post_init__(self) -> None:
        check_number("seed", self.seed, at_least=0, whole=True)
        check_number("candidates", self.candidates, at_least=1, whole=True)
        if self.candidate_images is not None:
            check_number("candidate_images", self.candidate_images, at_least=1, whole=True)
        check_choice("sampled_cells", self.sampled_cells, CELL_SETS)
        check_number("snapshots", self.snapshots, at_least=1, whole=True)
        check_number("threads", self.threads, at_least=1, whole=True)


#: Settings that only some trainers use; each names its own in ``USES``.
OF_SOME_TRAINERS = (
    *("candidates", "sampled_cells", "training.operation_probabilities"),
    *(f"architecture.{setting.name}" for setting in fields(ArchitectureSettings)),
)


def supernet_settings(settings: Mapping[str, Any], place: str = "supernet") -> SupernetSettings:
    """Return the settings of an entry of ``supernets``; what is missing has its default.

    Parameters
    ----------
    settings
        The entry.
    place
        Where it stands, such as ``supernets.small``, for messages.

    Raises
    ------
    InputError
        Naming a setting that does not exist or cannot be, that the trainer does not use, or that
        does not go together with the space.
    """
    for name in ("dataset", "trainer"):
        if name not in settings:
            raise InputError(f"{place}: {name!r} is missing")
    parts = dict(settings)
    for name, cls in (("training", SupernetTraining), ("architecture", ArchitectureSettings)):
        parts[name] = from_mapping(cls, parts.get(name, {}), f"{place}.{name}")
    checked = from_mapping(SupernetSettings, parts, place)
    try:
        _check_together(checked)
    except InputError as error:
        raise InputError(f"{place}.{error}") from error
    return checked


def _check_together(settings: SupernetSettings) -> None:
    """Raise InputError, naming a setting first, where settings do not go together."""
    check_choice("trainer", settings.trainer, plugins.names("trainers"))
    check_choice("space", settings.space, plugins.names("spaces"))
    space = plugins.space(settings.space)
    if not space.enumerable:
        _check_layerwise(settings)
    uses = plugins.constant("trainers", settings.trainer, "USES")
    defaults = SupernetSettings(dataset=settings.dataset, trainer=settings.trainer)
    for name in OF_SOME_TRAINERS:
        value = attrgetter(name)(settings)
        if name not in uses and value != attrgetter(name)(defaults):
            raise InputError(
                f"{name} is {value!r}, which trainer {settings.trainer!r} does not use; leave it "
                f"out, or take one of: {', '.join(_trainers_that_use(name))}"
            )
    if settings.training.operation_probabilities is not None:
        _check_probabilities(settings.training.operation_probabilities, space)
        learned = "architecture.learning_rate" in uses
        if learned and 0 in settings.training.operation_probabilities.values():
            raise InputError(
                "training.operation_probabilities has a 0, which no gradient can change; "
                f"trainer {settings.trainer!r} needs numbers above 0"
            )
    snapshot_epochs(settings.training.epochs, settings.snapshots)


def _trainers_that_use(setting: str) -> list[str]:
    trainers = plugins.names("trainers")
    return [name for name in trainers if setting in plugins.constant("trainers", name, "USES")]


def _check_layerwise(settings: SupernetSettings) -> None:
    """Raise InputError where a layer-wise space cannot be trained so."""
    trainers = plugins.names("trainers")
    able = [name for name in trainers if plugins.constant("trainers", name, "LAYER_WISE")]
    if settings.trainer not in able:
        raise InputError(
            f"trainer is {settings.trainer!r}, which trains cells, but {settings.space!r} is a "
            f"layer-wise space; expected one of: {', '.join(able)}"
        )
    if settings.sampled_cells != "all":
        raise InputError(
            f"sampled_cells is {settings.sampled_cells!r}, but space {settings.space!r} is too "
            "large to list; leave it out"
        )
    if settings.snapshots != 1:
        raise InputError(
            f"snapshots is {settings.snapshots}, but architectures of {settings.space!r} are "
            "scored by the last weights only; leave it out"
        )


def _check_probabilities(given: Mapping[str, float], space: Space) -> None:
    """Raise InputError unless every gene of a space can be drawn with these probabilities."""
    place = "training.operation_probabilities"
    if set(given) != set(space.operations):
        raise InputError(
            f"{place} names {', '.join(given) or 'nothing'}; expected {', '.join(space.operations)}"
        )
    for name, probability in given.items():
        check_number(f"{place}.{name}", probability, at_least=0, at_most=1)
    if abs(sum(given.values()) - 1) > 1e-6:
        raise InputError(f"{place} add up to {sum(given.values()):g}; expected 1")
    for gene, count in enumerate(space.choices):
        if not any(given[name] for name in space.operations[:count]):
            raise InputError(
                f"{place}: no operation that gene {gene} can have is given a probability above 0"
            )
