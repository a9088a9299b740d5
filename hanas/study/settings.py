"""The settings of a study: its sections, read from YAML and checked before anything is computed.

What an entry of a section looks like is said by its plugin (:mod:`hanas.core.plugins`); the other
sections are here. Checks that need several sections together are in :mod:`hanas.study.checks`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from hanas.benchmarks._benchmark import Benchmark
from hanas.benchmarks.surrogates.models import SurrogateFit
from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.settings import Count, Entry, Member, Name, Named, NoRerun, Seed, Settings, Unique
from hanas.data.datasets._dataset import Dataset
from hanas.deploy.formats import Format
from hanas.deploy.quantisation import Quantisation
from hanas.devices._device import Device, MeasuredDevice
from hanas.fronts.settings import LensSettings, Peeling, Representative
from hanas.proxies._proxy import Proxy
from hanas.search.searchers._searcher import Searcher
from hanas.spaces._space import DeployedNetwork
from hanas.spaces.kinds._declaration import Declaration
from hanas.spaces.networks import published
from hanas.training.settings import RetrainingTraining
from hanas.training.trainers._trainer import Trainer

TaskName = Annotated[str, Entry("tasks")]
ProxyName = Annotated[str, Entry("proxies")]
SearchName = Annotated[str, Entry("searches")]
DeviceName = Annotated[str, Entry("devices")]
Proxies = Annotated[list[ProxyName], Unique]
PublishedNetwork = Annotated[
    str,
    AfterValidator(published.checked),
    WithJsonSchema({"type": "string", "pattern": f"^({'|'.join(published.NAMES)})(@[0-9.]+)?$"}),
]


class Task(Settings):
    """What is reported of a data set: its baselines, and the proxies that are searched with."""

    dataset: Annotated[str, Entry("datasets")] = Field(
        description="Data set whose accuracy and latency are reported; an entry of datasets."
    )
    space: Annotated[str, Named("spaces")] = Field("nb201", description="A search space.")
    supernets: Annotated[list[Annotated[str, Entry("supernets")]], Unique] = Field(
        [], description="Supernets whose found architecture is a row of its own."
    )
    proxies: Proxies = Field([], description="Proxies that every search runs with, a row each.")
    accuracy_floor_percent: Annotated[float, Field(ge=0, le=100)] = Field(
        0,
        description="Architectures whose true accuracy is below do not count when fronts are "
        "judged, so that fast cells which only guess make no front look good.",
    )

    @property
    def where(self) -> dict[str, str]:
        """The wildcards of tables of its space and data set."""
        return {"space": self.space, "dataset": self.dataset}


class Retraining(Settings):
    """Architectures that are trained as networks of their own."""

    task: TaskName = Field(description="An entry of tasks: what to train on.")
    device: DeviceName | None = Field(
        None, description="An entry of devices; with proxy and search it names a front."
    )
    proxy: ProxyName | None = Field(None, description="One of the task's proxies.")
    search: SearchName | None = Field(None, description="An entry of searches.")
    picks: Count = Field(
        1,
        description="Architectures of the front: its representative, then spread evenly by "
        "latency.",
    )
    peeling: Peeling | None = Field(
        None,
        description="Instead of picks: the front is trained, then the layers behind it, until they "
        "add little. Those on the front of what was trained are exported: by validation accuracy, "
        "so images has to be train, and if they reach the task's accuracy_floor_percent.",
    )
    archs: Annotated[list[str], Unique, Field(min_length=1)] | None = Field(
        None, description="Architectures by their text instead of a front."
    )
    published: Annotated[list[PublishedNetwork], Unique, Field(min_length=1)] | None = Field(
        None,
        description="Published networks instead, to compare with; of a task of a layer-wise space. "
        "mobilenet_v2@0.5 is of half the published width, mobilenet_v2 of the width of network.",
    )
    measure_on: Annotated[list[DeviceName], Unique] | None = Field(
        None,
        description="Devices that the trained models are measured on; where absent, the front's "
        "own if it is one that is measured.",
    )
    random: Annotated[int, Field(ge=0)] = Field(
        0,
        description="Architectures of the space that are drawn at random, trained and measured "
        "beside the picks: what choosing them is worth.",
    )
    beside: Annotated[str, Entry("retrainings")] | None = Field(
        None,
        description="An entry of retrainings of published networks, trained and measured alike: "
        "pages say of each pick what one would take otherwise at its latency.",
    )
    seed: Seed = Field(0, description="Of initial weights and batches, in the first training.")
    seeds: Count = Field(
        1,
        description="Trainings of each architecture, with seeds seed, seed + 1 and so on. Pages "
        "compare their means with the spread; the network of the first is exported.",
    )
    images: Literal["train", "train_and_validation"] = Field(
        "train_and_validation", description="What is trained on; the benchmark trains on both."
    )
    network: DeployedNetwork  # of the space of the task: see Study.network_of
    training: RetrainingTraining = Field(RetrainingTraining(), description="How it is trained.")
    start: Literal["scratch", "inherited"] = Field(
        "scratch",
        description="What trainings begin from. scratch: random weights; inherited: each network's "
        "part of the weights of the supernet that the proxy ranks by, whose fine-tuning training "
        "then is. network has to be that of the supernet, but for batch_norm and first_scale.",
    )
    quantisation: Quantisation = Field(Quantisation(), description="How the INT8 model is made.")
    license: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")] = Field(
        "unknown",
        description="License of the trained models in their README.md, by its name on Hugging "
        "Face, such as apache-2.0.",
    )
    formats: Annotated[list[Format], Unique, Field(min_length=1)] = Field(
        ["onnx"],
        description="What trained networks are written as, each in float32 and INT8 and tested. "
        "ONNX with an open batch is always written: the others are compared with it.",
    )
    litert_python: str = Field(
        ".venv-litert/bin/python",
        description="Python with litert-torch, for format litert; `make litert` makes it.",
    )
    train_on: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where to train.")
    precision: Literal["float32", "mixed"] = Field(
        "float32", description="Mixed precision works on CUDA."
    )
    threads: Count = Field(1, description="CPU threads. Results depend on their number.")

    @property
    def front(self) -> tuple[str, str, str] | None:
        """The device, proxy and search whose front is trained; None where none is."""
        if self.device is None or self.proxy is None or self.search is None:
            return None
        return self.device, self.proxy, self.search


class Evaluation(Settings):
    """What stands beside what is reported when results are judged."""

    proxies: Proxies = Field(
        [],
        description="Proxies to stand beside those of every task of their space, such as the "
        "number of parameters.",
    )
    searches: Annotated[list[SearchName], Unique] = Field(
        [], description="Searches to stand beside those of the tables, such as random search."
    )
    peeling: Peeling = Field(
        Peeling(),
        description="How far found fronts are peeled, layer by layer, with accuracies that are "
        "looked up.",
    )


class Tables(Settings):
    """How the tables under results/tables are made."""

    representative: Representative = Field(
        "knee",
        description="Which point of a Pareto front becomes its row, by the objectives of the "
        "search; a rule of hanas/fronts/picks.py.",
    )
    tasks: Annotated[list[TaskName], Unique, Field(min_length=1)] | None = Field(
        None, description="Tasks in the order they are shown; all where absent."
    )
    searches: Annotated[list[SearchName], Unique, Field(min_length=1)] | None = Field(
        None, description="Searches in the order they are shown; all where absent."
    )


class FrontSpaces(Settings):
    """What results/figures/front_spaces.pdf shows."""

    device: DeviceName = Field(
        description="An entry of devices that is measured, and that all these retrainings are "
        "measured on."
    )
    retrainings: Annotated[dict[str, Annotated[str, Entry("retrainings")]], Field(min_length=1)] = (
        Field(
            description="What is shown, as label: an entry of retrainings. Those of published "
            "networks are shown as points, others as fronts."
        )
    )


class Figures(Settings):
    """Figures that compare several trainings."""

    front_spaces: FrontSpaces | None = Field(
        None,
        description="results/figures/front_spaces.pdf: error against latency of the models of "
        "several retrainings, all of one data set.",
    )


def _new_names(spaces: dict[str, Declaration]) -> dict[str, Declaration]:
    for name in spaces:
        if name in plugins.in_files("spaces"):
            raise InputError(f": a space {name!r} is there already; give yours another name")
    return spaces


class Spaces(Settings):
    """The spaces that a study declares, read before all that may name them."""

    spaces: Annotated[
        dict[Name, Annotated[Declaration, Member("space_kinds")]], AfterValidator(_new_names)
    ] = Field({}, description="Search spaces of your own, by name: see docs/spaces.md.")


class Study(Spaces):
    """What to compute. Names of entries are free; they become file names under results/."""

    data_folder: Annotated[str, NoRerun()] = Field(
        "data",
        description="Folder of official files and of your own tables, relative to the working "
        "directory. The environment variable HANAS_DATA overrides it.",
    )
    plugin_folder: Annotated[str, NoRerun()] | None = Field(
        None,
        description="Folder with plugins of your own, such as proxies/mine.py, relative to the "
        "working directory. The environment variable HANAS_PLUGINS overrides it.",
    )
    curves: Annotated[Literal["tensorboard"], NoRerun()] | None = Field(
        None,
        description="Draw the curves of all trainings into results/curves/ while they go on; watch "
        "them with: tensorboard --logdir results/curves. Needs hanas[tensorboard].",
    )
    datasets: dict[Name, Annotated[Dataset, Member("datasets")]] = Field(
        description="Image data sets."
    )
    benchmarks: dict[str, dict[Name, Annotated[Benchmark, Member("benchmarks")]]] = Field(
        {},
        description="True test accuracies, by space and then by data set. A task without one is "
        "searched and its picks are trained, but nothing is judged against the truth.",
    )
    devices: dict[Name, Annotated[Device, Member("devices")]] = Field(
        description="Latency and energy of every architecture on a device."
    )
    supernets: dict[Name, Annotated[Trainer, Member("trainers")]] = Field(
        {}, description="Weight-sharing networks to train."
    )
    proxies: dict[Name, Annotated[Proxy, Member("proxies")]] = Field(
        {}, description="What ranks the architectures while searching."
    )
    tasks: dict[Name, Task] = Field(description="What is reported.")
    searches: dict[Name, Annotated[Searcher, Member("searchers")]] = Field(
        description="How fronts are searched."
    )
    retrainings: dict[Name, Retraining] = Field(
        {}, description="Architectures to train as networks of their own."
    )
    surrogates: dict[str, SurrogateFit] = Field(
        {},
        description="Small models to fit to the tables of this study, by space (all its devices "
        "and benchmarks must be real tables).",
    )
    evaluation: Evaluation = Field(
        Evaluation.read({}),
        description="What the evaluation looks at besides what is reported: each proxy with each "
        "search, on each device.",
    )
    tables: Tables = Tables.read({})
    lens: LensSettings = Field(
        LensSettings.read({}), description="What each choice of a space is worth on a device."
    )
    figures: Figures = Figures.read({})

    # ---- what follows from several sections --------------------------------------------------

    def has_benchmark(self, task: str) -> bool:
        """Return whether the true accuracies of a task are known before anything is trained."""
        found = self.tasks[task]
        return found.dataset in self.benchmarks.get(found.space, {})

    def members(self, proxy: str) -> list[str]:
        """Return the proxies that a proxy is made of; none if it stands alone."""
        return list(getattr(self.proxies.get(proxy), "proxies", []))

    def made_of(self, proxy: str) -> set[str]:
        """Return a proxy and all that it is made of."""
        return {proxy}.union(*(self.made_of(member) for member in self.members(proxy)))

    def proxy_space(self, proxy: str) -> str | None:
        """Return the space whose architectures a proxy scores; None if it is not defined."""
        found = self.proxies.get(proxy)
        for member in self.members(proxy):
            return self.proxy_space(member)
        supernet = self.supernets.get(getattr(found, "supernet", ""))
        return getattr(supernet or found, "space", None)

    def own_dataset(self, proxy: str) -> str | None:
        """Return the data set that a proxy is bound to: its supernet's, or that it names."""
        found = self.proxies[proxy]
        supernet = getattr(found, "supernet", None)
        if trainings := getattr(found, "trainings", None):
            return trainings.dataset
        return getattr(self.supernets[supernet] if supernet else found, "dataset", None)

    def trained_on(self, proxy: str) -> str:
        """Return the data sets that a proxy, or what it is made of, is bound to; often one."""
        names = {self.own_dataset(name) for name in self.made_of(proxy)}
        names |= {getattr(self.proxies[name], "learns_from", None) for name in self.made_of(proxy)}
        return ", ".join(sorted(name for name in names if name is not None))

    def trained_architectures(self, proxy: str) -> int:
        """Return how many architectures are really trained, or queried, to make a proxy."""
        return sum(self.proxies[name].trained_architectures for name in self.made_of(proxy))

    def columns(self, proxy: str) -> tuple[str, ...]:
        """Return the columns of scores in a proxy's table."""
        found = self.proxies[proxy]
        return found.columns_of([self.columns(member) for member in self.members(proxy)])

    def measured_on(self, retraining: str) -> list[str]:
        """Return the devices that the trained models of an entry of ``retrainings`` run on."""
        found = self.retrainings[retraining]
        if found.measure_on is not None:
            return found.measure_on
        measured = isinstance(self.devices.get(found.device or ""), MeasuredDevice)
        return [found.device] if found.device and measured else []

    def supernets_of(self, proxy: str) -> list[str]:
        """Return the supernets that a proxy, or what it is made of, ranks by."""
        found = (getattr(self.proxies[name], "supernet", None) for name in self.made_of(proxy))
        return sorted({name for name in found if name is not None})

    def started_from(self, retraining: str) -> str | None:
        """Return the supernet whose weights an entry of ``retrainings`` begins from, if any."""
        found = self.retrainings[retraining]
        if found.start == "scratch":
            return None
        (supernet,) = self.supernets_of(str(found.proxy))  # one, see study.starts
        return supernet

    def network_of(self, retraining: str) -> Settings:
        """Return the network settings of an entry of ``retrainings``, in its space's form."""
        found = self.retrainings[retraining]
        space = plugins.space(self.tasks[found.task].space)
        return space.deployed.read(found.network, f"retrainings.{retraining}.network")
