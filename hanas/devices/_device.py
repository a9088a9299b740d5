"""What an entry of ``devices`` is: numbers of every architecture, from a table or by measuring.

A device that is measured times some models, one at a time; what was not measured is predicted.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import ConfigDict, Field, create_model, model_validator
from pydantic_core import core_schema

from hanas.core import plugins
from hanas.core.compute import processor
from hanas.core.errors import InputError
from hanas.core.settings import Count, Entry, NoRerun, Positive, Seed, Settings, Unique

if TYPE_CHECKING:
    import pandas as pd

    from hanas.spaces._space import Space

Metric = Literal["latency_ms", "energy_mj"]
Side = Annotated[int, Field(ge=4)]
Whole = Annotated[int, Field(ge=0)]


#: What a pass can take, in milliseconds: from a nanosecond to twelve days.
LEAST_MS, MOST_MS = 1e-6, 1e9
#: And in millijoules: from a picojoule to a megajoule.
LEAST_MJ, MOST_MJ = 1e-9, 1e9


class BoardLost(Exception):  # noqa: N818 - says what happened
    """A board gave no measurement: it may have vanished, or the model may be at fault.

    The model is then measured on another board, or later; with ``for_good``, never on this one,
    because its tool is not there. One that has ``answered`` is there, and is not waited for.
    """

    def __init__(self, reason: str, *, for_good: bool = False, answered: bool = False) -> None:
        super().__init__(reason)
        self.for_good, self.answered = for_good, answered


class ModelRefused(Exception):  # noqa: N818 - says what happened
    """The device says that it cannot run the model, which is therefore infeasible on it."""


@dataclass(frozen=True, eq=False)
class Timings:
    """Passes of one model on one board; ValueError for a number that no pass can take.

    ``latencies_ms``, float64 (P,), are of a whole batch each; P is 1 where the device gives nothing
    but a mean. ``energy_mj`` is of a pass; an ``estimate`` was computed rather than measured;
    ``runtime`` ran the model, where only the device knows it.

    >>> Timings(np.array([2.0, float("nan")]))
    Traceback (most recent call last):
    ValueError: latency 2 of 2 is nan ms; expected milliseconds, 1e-06 to 1e+09
    """

    latencies_ms: np.ndarray
    energy_mj: float | None = None
    estimate: bool = False
    runtime: str | None = None

    def __post_init__(self) -> None:
        latencies, energy = self.latencies_ms, self.energy_mj
        if latencies.ndim != 1 or not len(latencies):
            raise ValueError("there is no latency; expected at least one number of milliseconds")
        for number, latency in enumerate(latencies, start=1):
            if not LEAST_MS <= latency <= MOST_MS:
                place = f"latency {number} of {len(latencies)}"
                expected = f"expected milliseconds, {LEAST_MS:g} to {MOST_MS:g}"
                raise ValueError(f"{place} is {latency:g} ms; {expected}")
        if energy is not None and not LEAST_MJ <= energy <= MOST_MJ:
            expected = f"expected millijoules, {LEAST_MJ:g} to {MOST_MJ:g}"
            raise ValueError(f"the energy is {energy:g} mJ; {expected}")


class Device(Settings):
    """An entry of ``devices``."""

    kind: Any  # a literal of its own in each kind
    objectives: Annotated[list[Metric] | None, Unique, NoRerun()] = Field(
        None,
        min_length=1,
        description="Hardware metrics that are minimised; all that the device has where absent.",
    )
    tasks: Annotated[list[Annotated[str, Entry("tasks")]] | None, Unique, NoRerun()] = Field(
        None, min_length=1, description="Tasks that are reported on the device; all where absent."
    )


class TabulatedDevice(Device):
    """A device whose numbers somebody has written down."""

    #: The only space that it has numbers of; None for any.
    covers: ClassVar[str | None] = None

    @abstractmethod
    def table(self, space: Space, dataset: str, root: Path) -> pd.DataFrame:
        """Return the metrics of every architecture, as :func:`device_table` of metric_tables does.

        The space can be listed, the data set has its name in the study, ``root`` is the data
        folder. InputError if there are no such numbers, or they cannot be.
        """

    def state(self, root: Path) -> str | None:
        """Return a checksum of what comes with the code and shows in no file; else None."""
        return None


class Campaign(Settings):
    """Which architectures are measured."""

    models: Annotated[int, Field(ge=5)] = Field(
        50, description="Architectures that are measured for the predictor of all others."
    )
    first: Annotated[int, Field(ge=3)] = Field(
        20, description="How many are drawn at random first, the smallest and largest among them."
    )
    each_round: Count = Field(
        10, description="How many are then chosen at a time, where a measurement says most."
    )
    held_out: Annotated[int, Field(ge=3)] = Field(
        10, description="Further random ones that are measured only to judge the predictor."
    )
    until_error: Positive | None = Field(
        None, description="Median relative error on held-out ones that ends it early; null: never."
    )
    seed: Seed = Field(0, description="Of the random ones.")

    @model_validator(mode="after")
    def _first_are_some_of_all(self) -> Campaign:
        if self.first > self.models:
            raise InputError(f"first is {self.first}; expected at most models, {self.models}")
        return self


class Measuring(Settings):
    """How models are measured: their passes, what is trusted, how often what fails is repeated."""

    precision: Literal["float32", "int8"] = Field("float32", description="Of measured models.")
    per_channel: bool = Field(True, description="Weights are quantised by channel, in int8.")
    passes: Count = Field(400, description="Forward passes of a measurement in a row.")
    warmup: Whole = Field(20, description="Passes before that are not counted.")
    batch: Count = Field(1, description="Images a pass.")
    threads: Count = Field(1, description="CPU threads of a pass.")
    statistic: Literal["low_quantile", "mean", "median"] = Field(
        "low_quantile",
        description="What the latency is. low_quantile: all models are measured in rounds, a short "
        "block each, in random order, and the 0.1 quantile over the rounds counts, which other "
        "work on the machine hardly moves. mean or median: of passes in a row, one model after "
        "the other.",
    )
    block: Count = Field(10, description="Passes of a model in a round.")
    until_correlation: Annotated[float, Field(gt=0, le=1)] = Field(
        0.995,
        description="Rounds end when their two halves, every second round, rank the models with "
        "this Spearman correlation.",
    )
    most_rounds: Annotated[int, Field(ge=2)] = Field(400, description="Rounds at most.")
    limit_seconds: Positive = Field(
        120, description="After so long no further round is begun; two are always made."
    )
    repeats: Count = Field(
        3, description="How often an unstable measurement of passes in a row is made at most."
    )
    spread_limit: Positive = Field(
        0.1,
        description="Relative difference of the two halves of the rounds, or of two measurements, "
        "or interquartile range over median, above which a measurement is not stable.",
    )
    again: Whole = Field(
        5,
        description="Models that were measured before and are measured again beside new ones, to "
        "see whether the device has changed; of passes in a row, models measured twice.",
    )
    board_tries: Count = Field(5, description="Failures in a row after which a board is given up.")
    model_tries: Annotated[int, Field(ge=2)] = Field(
        3, description="Failures on boards that work after which a model does not run on them."
    )
    pause_seconds: Annotated[float, Field(ge=0)] = Field(
        10, description="Pause after a second failure of a board; longer after each further one."
    )


_FIELD = "space_"


class _Networks(Settings):
    """What the networks of each space are read as."""

    # A study may declare spaces of its own, whose names a schema cannot know.
    model_config = ConfigDict(json_schema_extra={"additionalProperties": {"type": "object"}})


class _OfEverySpace:
    """The type of the networks of each space, by its name; those not given are the default."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_plain_validator_function(
            lambda value: _by_space(_networks(_deployed()).model_validate(value))
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        return handler(_networks(_deployed()).__pydantic_core_schema__)


def _deployed() -> tuple[tuple[str, type[Settings]], ...]:
    return tuple((space, plugins.space(space).deployed) for space in plugins.names("spaces"))


def _by_space(networks: Settings) -> dict[str, Any]:
    return {field.removeprefix(_FIELD): network for field, network in networks}


@cache
def _networks(deployed: tuple[tuple[str, type[Settings]], ...]) -> type[Settings]:
    fields: dict[str, Any] = {}
    for space, network in deployed:
        said = f"Of space {space}."
        # Not every name of a space, such as _mine or copy, can be that of a field.
        fields[_FIELD + space] = (
            network,
            Field(default_factory=network, alias=space, description=said),
        )
    return create_model("Networks", __base__=_Networks, **fields)


class MeasuredDevice(Device):
    """A device that measures a whole model at a time."""

    #: Whether it quantises models itself, and so is given them in float32.
    quantises: ClassVar[bool] = False
    #: Rounds that are made at least.
    least_rounds: ClassVar[int] = 2
    #: Cores that a job takes which measures.
    threads_taken: ClassVar[int] = 1
    campaign: Annotated[Campaign, NoRerun()] = Field(
        default_factory=lambda: Campaign.read({}), description="Which architectures are measured."
    )
    networks: Annotated[dict[str, Settings], _OfEverySpace(), NoRerun()] = Field(
        default_factory=dict,
        validate_default=True,
        description="By space, size and form of the networks that are to be deployed.",
    )
    resolution: Side | None = Field(
        None, description="Side of the images, a divisor of the data set's; null: the data set's."
    )

    @property
    def measuring(self) -> Measuring:
        """How models are measured; an estimate is one of one pass."""
        return self if isinstance(self, Measuring) else Measuring.read({})

    @property
    def in_rounds(self) -> bool:
        """Whether models are measured in rounds."""
        return False

    def in_blocks(self) -> Self:
        """Return the device as it measures a model in one round."""
        return self

    def state(self) -> str | None:
        """Return a digest of the user's files that measure, such as a script; None without any."""
        return None

    @property
    def model_precision(self) -> str:
        """Which form of a model it is given: ``float32`` or ``int8``."""
        return "float32" if self.quantises else self.measuring.precision

    @property
    def model_format(self) -> str:
        """What its models are written as: ``onnx`` or ``litert``."""
        return "onnx"

    @property
    def model_suffix(self) -> str:
        """How the names of files of its models end."""
        return ".tflite" if self.model_format == "litert" else ".onnx"

    @abstractmethod
    def board_names(self) -> tuple[str, ...]:
        """Return the names of the boards, which share the models; InputError without any."""

    def lock_name(self, board: str) -> str:
        """Return what no two processes may measure on at once."""
        return board

    @abstractmethod
    def conditions(self, board: str) -> dict[str, str | int]:
        """Return what a measurement depends on, apart from the model.

        ``runtime``, ``threads``, ``precision``, ``batch``; ``passes`` where the number is known.
        """

    @abstractmethod
    def measure(self, model: Path, board: str) -> Timings:
        """Measure a model of fixed batch in its format, or raise ModelRefused or BoardLost."""


class LoadedModels:
    """Models that are measured in rounds, as what runs them has loaded them: the last 128."""

    _MOST = 128

    def __init__(self) -> None:
        self._models: dict[tuple[str, int, int], Any] = {}

    def get(self, device: TimedDevice, model: Path, load: Callable[[], Any]) -> tuple[Any, bool]:
        """Return a model, loaded now if need be, and whether it was there already."""
        kept_at = (str(model), model.stat().st_mtime_ns, device.threads)
        found = self._models.pop(kept_at, None)
        was_there = found is not None
        if not was_there:
            found = load()
        if device.in_rounds:  # it is asked for again in the next round
            self._models[kept_at] = found
            if len(self._models) > self._MOST:
                del self._models[next(iter(self._models))]
        return found, was_there


class TimedDevice(MeasuredDevice, Measuring):
    """A device that runs a model again and again."""

    @property
    def in_rounds(self) -> bool:
        """Whether models are measured in rounds."""
        return self.statistic == "low_quantile"

    def in_blocks(self) -> Self:
        """Return the device as it measures a model in one round."""
        return self.model_copy(update={"passes": self.block})

    @abstractmethod
    def runtime(self) -> str:
        """Return what runs the models, with its version."""

    def conditions(self, board: str) -> dict[str, str | int]:
        """Return what a measurement depends on, apart from the model."""
        numbers = ("threads", "precision", "batch", "passes", "warmup")
        found = {"runtime": self.runtime(), **{name: getattr(self, name) for name in numbers}}
        return found | ({} if self.model_format == "onnx" else {"format": self.model_format})

    def params(self) -> dict[str, Any]:
        """Return what changes results; in float32 nothing is quantised by channel."""
        found = super().params()
        if self.precision != "int8":
            del found["per_channel"]
        return found


class ThisMachine(TimedDevice):
    """A device that is the machine which runs the workflow."""

    least_rounds: ClassVar[int] = 4  # a block is over within milliseconds
    threads_taken: ClassVar[int] = 64  # all that there are: the machine is measured alone

    def in_blocks(self) -> Self:
        """Return the device as it measures a model in one round: it is warm from the one before."""
        return super().in_blocks().model_copy(update={"warmup": min(self.warmup, 1)})

    def board_names(self) -> tuple[str, ...]:
        """Return the name of this machine's processor."""
        return (processor(),)

    def lock_name(self, board: str) -> str:
        """Return what no two processes may measure on at once."""
        return "(this machine)"
