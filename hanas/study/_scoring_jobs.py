"""Jobs that read images, tables and devices, train supernets, and score architectures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import RESOURCES, checksum
from hanas.devices._device import Device, MeasuredDevice
from hanas.proxies.learned import Learned
from hanas.study._entries import Entries, Job, as_measured, contents_of, images_of, taken_by
from hanas.study.results import RESULTS, result
from hanas.study.rows import is_predicted


class ScoringJobs(Entries):
    """The jobs behind every search: what is there, and what ranks."""

    def dataset(self, dataset: str) -> Job:
        """Read the images of a data set."""
        found = self._entry("datasets", dataset)
        state = contents_of(found, self.data)
        params: dict[str, Any] = {"state": state} if state else {}
        return Job(revision=found.revision, dataset=found.params(), **params)

    def space(self, space: str) -> Job:
        """List every architecture of a space."""
        return Job(space=space)

    def nats_bench_cells(self) -> Job:
        """Read the cells of NATS-Bench once for all data sets."""
        for of_space in self.study.benchmarks.values():
            for found in of_space.values():
                if folder := getattr(found, "folder", None):  # one for all: see study.checks
                    return Job({"folder": self.user_file(folder)})
        raise InputError("benchmarks has no entry of kind nats_bench")

    def accuracy_table(self, space: str, dataset: str) -> Job:
        """Read the true accuracies of every architecture."""
        found = self._entry("benchmarks", space, dataset)
        # The folder of NATS-Bench is read by another job, whose cells are read here.
        from_cells = hasattr(found, "folder")
        inputs = {"cells": RESULTS["nats_bench_cells"]} if from_cells else self._own_files(found)
        return Job(inputs, benchmark=found.params(), **_shipped(found))

    def device_table(self, device: str, space: str, dataset: str) -> Job:
        """Read, or predict, latency and energy of every architecture."""
        found: Device = self._entry("devices", device)
        if is_predicted(found, dataset):  # what it depends on shows in its predictor
            return Job(
                {"predictor": result("measure", device=device, space=space, dataset=dataset)}
            )
        inputs = self._own_files(getattr(found, "datasets", {}).get(dataset, found))
        return Job(inputs, device=found.params(), **_shipped(found))

    def measure(self, device: str, space: str, dataset: str) -> Job:
        """Measure some architectures on a device, and fit a predictor of all others."""
        given = self._entry("devices", device)
        if not isinstance(given, MeasuredDevice) and is_predicted(given, dataset):
            inputs = self._own_files(given.datasets[dataset]) | images_of(dataset)
            network = plugins.space(space).deployed.read({}).params()
            return Job(inputs, device=given.params(), space=space, network=network)
        found = self._measured(device)
        return Job(
            images_of(dataset), **as_measured(found, space), campaign=found.campaign.params()
        )

    def fit_surrogates(self, space: str) -> Job:
        """Fit small models to the tables of a space."""
        where = [{"space": space, "dataset": name} for name in self._entry("benchmarks", space)]
        inputs = {
            "accuracies": [result("accuracy_table", **names) for names in where],
            "devices": [
                result("device_table", device=device, **names)
                for device in self.study.devices
                for names in where
            ],
        }
        return Job(inputs, **self._entry("surrogates", space).params())

    def train_supernet(self, supernet: str) -> Job:
        """Train a weight-sharing network."""
        found = self._entry("supernets", supernet)
        revision = plugins.space(found.space).revision
        inputs, how = images_of(found.dataset), {"supernet": found.params(), **taken_by(found)}
        return Job(inputs, revision=revision, **how)

    def proxy_table(self, proxy: str, dataset: str) -> Job:
        """Score every architecture of a space."""
        found, space = self._entry("proxies", proxy), self.study.proxy_space(proxy)
        bound_to = self.study.own_dataset(proxy)
        if bound_to not in (None, dataset):
            raise InputError(
                f"proxies.{proxy} is computed on {bound_to}, which it was given, not on {dataset}"
            )
        inputs = self._read_by_proxy(proxy, dataset)
        how: dict[str, Any] = {"proxy": found.params(), "space": space}
        if self.study.members(proxy):
            inputs["tables"], how["members"] = self._members(proxy, dataset)
        if hasattr(found, "learns_from") and "trainings" not in inputs:
            how["dataset"] = learns_from = found.learns_from or dataset
            self._entry("benchmarks", str(space), learns_from)
            inputs["accuracies"] = result("accuracy_table", space=space, dataset=learns_from)
        return Job(inputs, revision=found.revision, **how, **taken_by(found))

    def _members(self, proxy: str, dataset: str) -> tuple[list[str], list[dict[str, str]]]:
        """Return the tables of what a proxy is made of, and what a search by each minimises."""
        members, proxies = self.study.members(proxy), self.study.proxies
        tables = [self.rows.scores(name, dataset) for name in members]
        return tables, [{"proxy": name, "objective": proxies[name].objective} for name in members]

    def _read_by_proxy(self, proxy: str, dataset: str) -> dict[str, Any]:
        """Return the supernet and the images that a proxy looks at, if any."""
        found = self.study.proxies[proxy]
        if isinstance(found, Learned) and found.trainings:
            return {"trainings": self._trainings(proxy, dataset, len(found.batches))}
        supernet = getattr(found, "supernet", None)
        if supernet is not None:
            return {"weights": result("train_supernet", supernet=supernet), **images_of(dataset)}
        return images_of(dataset) if hasattr(found, "dataset") else {}

    def choose_architectures(self, proxy: str, dataset: str, round: str) -> Job:
        """Choose the architectures that a proxy trains in a round, by what those before showed."""
        found = self._learned(proxy, round)
        # Not how many there are in later rounds: they change nothing here.
        chosen = {"seed": found.seed, "batches": found.batches[: int(round) + 1]}
        how: dict[str, Any] = {"space": found.space}
        how |= {"network": found.from_scratch.network.params(), **chosen}
        if not int(round):
            return Job(**how)
        read: dict[str, Any] = {"trainings": self._trainings(proxy, dataset, int(round))}
        if found.proxies and plugins.space(found.space).enumerable:
            read["tables"], how["members"] = self._members(proxy, dataset)
        elif found.proxies:
            parts = {name: self._part(name, dataset) for name in found.proxies}
            read["files"] = sorted(set().union(*map(paths_of, parts.values())))
            how |= {"parts": parts, **self._taken_by_all(found.proxies)}
        return Job(read, **how)

    def train_chosen(self, proxy: str, dataset: str, round: str, number: str) -> Job:
        """Train one of the architectures that a proxy is learned from."""
        found = self._learned(proxy, round)
        if not number.isdigit() or int(number) >= found.batches[int(round)]:
            raise InputError(
                f"proxies.{proxy} trains {found.batches[int(round)]} architectures in round "
                f"{round}, numbered from 0; there is no {number}"
            )
        chosen = result("choose_architectures", proxy=proxy, dataset=dataset, round=round)
        how = found.from_scratch
        inputs = {"chosen": chosen, **images_of(dataset)}
        takes = {"threads": how.threads, "compute": how.train_on}
        revision = 1 + plugins.space(found.space).revision
        return Job(inputs, revision=revision, how=how.params(), number=int(number), **takes)

    def _learned(self, proxy: str, round: str) -> Learned:
        found = self._entry("proxies", proxy)
        if not isinstance(found, Learned) or not found.trainings:
            raise InputError(f"proxies.{proxy} trains no architectures")
        if not round.isdigit() or int(round) >= len(found.batches):
            raise InputError(
                f"proxies.{proxy} has {len(found.batches)} rounds; there is no {round}"
            )
        return found

    def _trainings(self, proxy: str, dataset: str, rounds: int) -> list[str]:
        """Return the results of all trainings of the first rounds."""
        batches = self._learned(proxy, "0").batches[:rounds]
        return [
            result("train_chosen", proxy=proxy, dataset=dataset, round=number, number=each)
            for number, count in enumerate(batches)
            for each in range(count)
        ]

    def _taken_by_all(self, proxies: Iterable[str]) -> dict[str, Any]:
        """Return the most that one of some proxies, or of what they are made of, takes."""
        names = set().union(*map(self.study.made_of, proxies))
        taken = [taken_by(self.study.proxies[name]) for name in names]
        compute = max((one["compute"] for one in taken), key=("cpu", "auto", "cuda").index)
        return {"threads": max(one["threads"] for one in taken), "compute": compute}

    def _part(self, proxy: str, dataset: str) -> dict[str, Any]:
        """Describe a proxy that scores on demand, see :meth:`hanas.proxies._proxy.Part.read`."""
        found, own = self.study.proxies[proxy], self.study.own_dataset(proxy) or dataset
        return {
            "proxy": found.params(),
            "objective": found.objective,
            "files": self._read_by_proxy(proxy, own),
            "dataset": own,
            "parts": {name: self._part(name, dataset) for name in self.study.members(proxy)},
        }


def paths_of(part: Mapping[str, Any]) -> set[str]:
    """Return the files that a proxy on demand and all that it is made of read."""
    own = Job(part["files"]).files
    return set(own).union(*map(paths_of, part["parts"].values()))


def _shipped(found: Any) -> dict[str, Any]:
    """Return the checksum of the shipped surrogates where an entry uses them."""
    if found.kind != "surrogate" or found.file is not None:
        return {}
    return {"shipped_sha256": checksum(RESOURCES / "surrogates" / "nb201.npz")}
