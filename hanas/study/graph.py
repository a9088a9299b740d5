"""The jobs of a study: what each reads, what its result depends on, and all there are.

A rule of the workflow asks for its job by name and wildcards and wires it in: files that are read
(``inputs``), and settings that change the result (``params``: Snakemake runs a job again when they
change). Nothing here knows of Snakemake, so that the whole graph of a study is there to be looked
at, compared and tested within milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from hanas.core import contents, plugins
from hanas.core.errors import InputError
from hanas.core.files import RESOURCES, checksum, user_path
from hanas.core.settings import UserFile, canonical, marked
from hanas.devices._device import Device, MeasuredDevice
from hanas.fronts.rows import Row
from hanas.proxies.learned import Learned
from hanas.spaces.kinds.lens import stages
from hanas.study.results import EVALUATED, EXPORTED, QUALITY, RESULTS, WEIGHTS, made_by, result
from hanas.study.rows import Rows, is_predicted, require_judged
from hanas.study.settings import Retraining, Study, Task

#: The role of the declarations of spaces that the lens on another one has made smaller.
STAGES = "spaces"
#: The files of a search that tell how far to trust its front.
OF_DEVICE = ("quality", "measured", "measured_front")
TRUSTED_BY = ("proxy_table", "rescored", "differences", "images", *OF_DEVICE)


class Job:
    """What a job reads and depends on.

    ``inputs`` are files by their role in the script: a path, or a list of paths. ``params`` are the
    plain settings that change the result, keys sorted, with the ``revision`` of the code among
    them: Snakemake does not see changes in imported code, so it is raised whenever such a change
    changes what the job computes. The job and all that reads of it then run again. ``threads`` are
    the cores that it takes, ``compute`` is where it computes: ``auto``, ``cpu`` or ``cuda``.
    """

    def __init__(
        self,
        inputs: Mapping[str, str | list[str]] | None = None,
        *,
        revision: int = 1,
        threads: int = 1,
        compute: str = "cpu",
        **params: Any,
    ) -> None:
        self.inputs, self.threads, self.compute = inputs or {}, threads, compute
        self.params: Mapping[str, Any] = canonical({"revision": revision, **params})

    @property
    def files(self) -> list[str]:
        """All files that are read."""
        read = self.inputs.values()
        return [one for files in read for one in ([files] if isinstance(files, str) else files)]


class Graph:
    """The jobs of a study; every public method but the last few is the job of the rule of its name.

    ``data`` is the folder that the user's relative paths start from.
    """

    def __init__(self, study: Study, data: Path) -> None:
        self.study, self.data, self.rows = study, data, Rows(study)

    def job(self, rule: str, **wildcards: str) -> Job:
        """Return the job of a rule, with the declarations of the user's spaces that it is about."""
        found: Job = getattr(self, rule)(**wildcards)
        named, declared = _spaces_in([found.params, wildcards]), plugins.declarations()
        if about := {name: declared[name] for name in sorted(named & declared.keys())}:
            found.params = canonical({**found.params, "declared_spaces": about})
        if later := stages(list(about)):
            made = [result("smaller_space", smaller=name) for name in later]
            found.inputs = {**found.inputs, STAGES: made}
        return found

    # ---- what is there: images, spaces, true accuracies, devices -----------------------------

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
            inputs = self._own_files(given.datasets[dataset]) | _images(dataset)
            network = plugins.space(space).deployed.read({}).params()
            return Job(inputs, device=given.params(), space=space, network=network)
        found = self._measured(device)
        return Job(_images(dataset), **_as_measured(found, space), campaign=found.campaign.params())

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

    # ---- what ranks: supernets and proxies ---------------------------------------------------

    def train_supernet(self, supernet: str) -> Job:
        """Train a weight-sharing network."""
        found = self._entry("supernets", supernet)
        revision = plugins.space(found.space).revision
        inputs, how = _images(found.dataset), {"supernet": found.params(), **_taken_by(found)}
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
        return Job(inputs, revision=found.revision, **how, **_taken_by(found))

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
            return {"weights": result("train_supernet", supernet=supernet), **_images(dataset)}
        return _images(dataset) if hasattr(found, "dataset") else {}

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
            read["files"] = sorted(set().union(*map(_paths, parts.values())))
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
        inputs = {"chosen": chosen, **_images(dataset)}
        takes = {"threads": how.threads, "compute": how.train_on}
        revision = plugins.space(found.space).revision
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

    # ---- searches and tables -----------------------------------------------------------------

    def search(self, task: str, device: str, proxy: str) -> Job:
        """Run all searches of the front of a proxy and a device's metrics."""
        of_task, scored_by = self._entry("tasks", task), self._entry("proxies", proxy)
        how = {
            "space": of_task.space,
            "searches": {name: found.params() for name, found in self.study.searches.items()},
            "proxy_objective": scored_by.objective,
            "device_objectives": self._entry("devices", device).objectives,
        }
        where = {"device": device, **of_task.where}
        if plugins.space(of_task.space).enumerable:
            scores = self.rows.scores(proxy, of_task.dataset)
            tables = {"proxy": scores, "device": result("device_table", **where)}
            return Job(tables, revision=2, **how)
        part = self._part(proxy, of_task.dataset)
        inputs = {"predictor": result("measure", **where), "files": sorted(_paths(part))}
        return Job(inputs, revision=2, **how, part=part, **self._taken_by_all([proxy]))

    def _taken_by_all(self, proxies: Iterable[str]) -> dict[str, Any]:
        """Return the most that one of some proxies, or of what they are made of, takes."""
        names = set().union(*map(self.study.made_of, proxies))
        taken = [_taken_by(self.study.proxies[name]) for name in names]
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

    def rescore(self, task: str, device: str, proxy: str) -> Job:
        """Score found fronts again, on images that the search did not see."""
        of_task, scored_by = self._entry("tasks", task), self._entry("proxies", proxy)
        self._entry("devices", device)
        if not scored_by.rescores:
            raise InputError(
                f"proxies.{proxy} is of kind {scored_by.kind}, whose scores have no error; "
                "expected a proxy of kind supernet"
            )
        inputs = self._read_by_proxy(proxy, self.study.own_dataset(proxy) or of_task.dataset)
        inputs["history"] = result("search", task=task, device=device, proxy=proxy)
        return Job(
            inputs,
            space=of_task.space,
            proxy=scored_by.params(),
            objective=scored_by.objective,
            searches=list(self.study.searches),
            **_taken_by(scored_by),
        )

    def table(self, device: str) -> Job:
        """Put baselines and searches of a device side by side, and beside the published table."""
        found, rows = self._entry("devices", device), self.rows.table_rows(device)
        if not rows:
            raise InputError(
                f"results/tables/{device}.csv would be empty: no task whose true accuracies are "
                f"known (benchmarks) is reported on it; see results/decisions/{device}.csv"
            )
        read = {row[key] for row in rows for key in ("file", "accuracies", "metrics")}
        trusted = [
            replace(row, accuracy_floor_percent=0)  # which plays no part in a table
            for row in self.rows.judged_rows(device)
            if row.search == self.rows.first_search
            and row.proxy in self.study.tasks[row.task].proxies
        ]
        read.update(_files(trusted, "accuracies", "facts", *TRUSTED_BY))
        return Job(
            {"files": sorted(read), "published": str(RESOURCES / "thesis_tables.csv")},
            revision=5,
            device=device,
            front_of=self.rows.first_search,
            trusted=_plain(trusted),
            published_device=getattr(found, "device", device),
            datasets={name: of.kind for name, of in self.study.datasets.items()},
            representative=self.study.tables.representative,
            rows=rows,
        )

    @cached_property
    def tabled(self) -> list[str]:
        """The devices that have a table."""
        return [device for device in self.study.devices if self.rows.table_rows(device)]

    def all_tables(self) -> Job:
        """Join the tables of all devices."""
        tables = [result("table", device=device) for device in require_judged(self.tabled)]
        return Job({"tables": tables}, devices=self.tabled)

    # ---- judgement ---------------------------------------------------------------------------

    def evaluation(self, device: str) -> Job:
        """Judge every found front of a device."""
        self._entry("devices", device)
        rows = require_judged(self.rows.judged_rows(device), device)
        return Job(
            {"files": sorted({*_files(rows), *_files(rows, "facts", *OF_DEVICE)})},
            revision=7,
            rows=_plain(rows),
            front_search=self.rows.first_search,
            peeling=self.study.evaluation.peeling.params(),
        )

    def ranking(self) -> Job:
        """Judge how well each proxy ranks."""
        rows = require_judged(self.rows.judged_rows())
        names = ("task", "dataset", "proxy", "trained_on", "proxy_objective")
        names += ("trained_architectures", "accuracy_floor_percent", "accuracies", "proxy_table")
        ranked = [
            {name: getattr(row, name) for name in names}
            | {"space_table": result("space", space=row.space)}
            for row in {(row.task, row.proxy): row for row in rows}.values()
        ]
        keys = ("accuracies", "proxy_table", "space_table")
        files = sorted({row[key] for row in ranked for key in keys})
        return Job({"files": files}, revision=3, rows=ranked)

    def devices_compared(self) -> Job:
        """Compare devices: how far they agree, and what a borrowed front loses."""
        judged = [row for row in self.rows.judged_rows() if row.search == self.rows.first_search]
        rows = require_judged(judged)
        return Job({"files": _files(rows)}, revision=2, rows=_plain(rows))

    def decisions(self, device: str) -> Job:
        """Say what to take, as a table and in words."""
        self._entry("devices", device)
        rows = self.rows.decision_rows(device)
        if not rows:
            raise InputError(
                f"no task is searched on {device}, so there is no front to choose from; name a "
                "proxy in the proxies of a task, and see that tables.tasks and the device's tasks "
                "leave one"
            )
        in_words = [
            [row.task, row.proxy, row.search]
            for row in rows
            if row.search == self.rows.first_search
            and row.proxy in (self.study.tasks[row.task].proxies or [row.proxy])
        ]
        trained = self._compared_on(device)
        read = ("accuracies", "metrics", "history", "facts", *TRUSTED_BY)
        files = sorted({*_files(rows, *read), *_tables_of(trained)})
        how = {"rows": _plain(rows), "in_words": in_words, "trained": trained}
        return Job({"files": files}, revision=7, **how)

    def lens(self, space: str, device: str, lens: str) -> Job:
        """Say what each choice of a space is worth on a device."""
        self._entry("devices", device)
        named = {
            self.rows.lens_of(device, task)["lens"]: task for task in self.lensed(device, space)
        }
        if lens not in named:
            path = result("lens", space=space, device=device, lens="{}").replace(".csv", ".md")
            has = ", ".join(path.format(name) for name in named) or "none: no task searches there"
            raise InputError(
                f"{path.format(lens)} is no lens of this study; of space {space} on {device} it "
                f"has: {has}"
            )
        task = named[lens]
        rows = self.rows.lens_rows(device, task)
        of_task, row = self.study.tasks[task], rows[0]
        files = {*_files(rows), *_files(rows, "facts", *TRUSTED_BY)}
        inputs: dict[str, Any] = {}
        if is_predicted(self.study.devices[device], of_task.dataset):
            inputs["predictor"] = result("measure", device=device, **of_task.where)
        how: dict[str, Any] = {"rows": _plain(rows), "keep": self.study.lens.keep}
        if not plugins.space(space).enumerable:
            # As the search asks for scores, which are kept: none is computed twice.
            search = self.search(task, device, row.proxy)
            files |= set(search.inputs["files"])
            how |= {"part": search.params["part"], "threads": search.threads}
            how |= {"compute": search.compute, **self.study.lens.params()}
        return Job({"files": sorted(files), **inputs}, **how)

    def smaller_space(self, smaller: str) -> Job:
        """Declare the space of a second stage."""
        found = self._second_stage(smaller)
        lens = result("lens", **self.rows.lens_of(found.device, found.task))
        return Job({"lens": lens}, space=found.space_before, name=smaller, keep=found.keep)

    def gained(self, task: str, device: str) -> Job:
        """Say what a second stage gained."""
        second = self._entry("tasks", task)
        found = self._second_stage(second.space)
        if task not in self.lensed(device) or found.task not in self.lensed(device):
            raise InputError(
                f"tasks {found.task} and {task} are not both searched on {device}: there is "
                "nothing to compare"
            )
        rows = {
            stage: self.rows.lens_rows(device, name)[0]
            for stage, name in (("first", found.task), ("second", task))
        }
        files = {*_files([*rows.values()]), *_files([*rows.values()], "facts", *TRUSTED_BY)}
        proxies = [self.study.proxies[row.proxy].params() for row in rows.values()]
        alike = [
            {key: value for key, value in proxy.items() if key not in ("space", "label")}
            for proxy in proxies
        ]
        return Job(
            {"files": sorted(files)},
            rows={stage: asdict(row) for stage, row in rows.items()},
            alike=alike[0] == alike[1] and not any("trainings" in one for one in alike),
        )

    def _second_stage(self, name: str) -> Any:
        found = self.study.spaces.get(name)
        if found is None or found.kind != "lens":
            raise InputError(f"spaces has no {name!r} of kind lens")
        return found

    def lensed(self, device: str, space: str | None = None) -> list[str]:
        """Return the tasks, of a space, that are searched on a device."""
        tasks = self.study.tasks
        return [
            name
            for name in self.study.devices[device].tasks or tasks
            if tasks[name].proxies and space in (None, tasks[name].space)
        ]

    def _compared_on(self, device: str) -> list[dict[str, Any]]:
        """Return the trained models that are compared with others on a device, as their tables."""
        return [
            {
                "device": device,
                "task": found.task,
                "models": result("model_cards", retraining=name),
                "others": found.beside and result("model_cards", retraining=found.beside),
            }
            for name, found in self.study.retrainings.items()
            if (found.beside or found.random) and device in self.study.measured_on(name)
        ]

    def explorer(self) -> Job:
        """Make one page of all fronts."""
        rows = self.rows.judged_rows()
        trained = [each for device in self.study.devices for each in self._compared_on(device)]
        if not trained:
            require_judged(rows)
        parts = {"page": "page.html", "style": "style.css", "script": "explorer.js"}
        shipped = {part: str(RESOURCES / "explorer" / name) for part, name in parts.items()}
        # Searches that trained models come from: where none is judged, the page shows these alone.
        trusted = [
            row
            for device in dict.fromkeys(each["device"] for each in trained)
            for row in self.rows.decision_rows(device)
            if row.accuracies is None and row.search == self.rows.first_search
        ]
        files = {*_files(rows), *_files(rows, "facts", *TRUSTED_BY), *_tables_of(trained)}
        files.update(_files(trusted, "history", "facts", *TRUSTED_BY))
        how: dict[str, Any] = {"rows": _plain(rows), "trained": trained}
        return Job({"files": sorted(files), **shipped}, revision=4, trusted=_plain(trusted), **how)

    def figures(self, device: str, task: str) -> Job:
        """Draw the figures of a task on a device."""
        self._entry("devices", device)
        self._entry("tasks", task)
        rows, first = self.rows.judged_rows(device, task), self.rows.first_search
        if not rows:
            raise InputError(f"no front of task {task} is searched on {device}; nothing to draw")
        evaluated = {name: path.format(device=device) for name, path in EVALUATED.items()}
        return Job(
            {"files": _files(rows), **evaluated},
            revision=3,
            rows=_plain(rows),
            front_search=first,
            searches_beside=[search for search in self.rows.shown_searches if search != first],
        )

    # ---- trained models ----------------------------------------------------------------------

    def retrain(self, retraining: str) -> Job:
        """Train picks from scratch."""
        found, task, how = self._retraining(retraining)
        inputs = _images(task.dataset)
        names = ("seed", "images", "train_on", "precision", "threads")
        how |= {"space": task.space, **{name: getattr(found, name) for name in names}}
        params: dict[str, Any] = {"how": how, "seeds": found.seeds}
        if self.study.has_benchmark(found.task):
            inputs["accuracies"] = result("accuracy_table", **task.where)
        if found.front is None:
            params["archs"] = found.archs or found.published
            params["role"] = "given" if found.archs else "published"
        else:
            device, proxy, search = found.front
            inputs["front"] = result("search", task=found.task, device=device, proxy=proxy)
            params |= {"search": search, "representative": self.study.tables.representative}
            if found.peeling is None:
                params |= {"picks": found.picks, "random": found.random, "role": "pick"}
            else:
                params["peeling"] = found.peeling.params()
                params["accuracy_floor_percent"] = task.accuracy_floor_percent
        revision = 1 + plugins.space(task.space).revision
        taken = {"threads": found.threads, "compute": found.train_on}
        return Job(inputs, revision=revision, **params, **taken)

    def export(self, retraining: str) -> Job:
        """Write trained networks as ONNX, float32 and INT8, and test them."""
        found, task, how = self._retraining(retraining)
        trained = {
            "weights": WEIGHTS.format(retraining=retraining),
            "metrics": result("retrain", retraining=retraining),
            **_images(task.dataset),
        }
        quantisation = found.quantisation.params()
        return Job(trained, revision=2, quantisation=quantisation, space=task.space, **how)

    def _exported(self, retraining: str, task: Task) -> dict[str, Any]:
        return {
            "models": EXPORTED.format(retraining=retraining),
            "accuracies": result("export", retraining=retraining),
            **_images(task.dataset),
        }

    def measure_models(self, retraining: str, device: str) -> Job:
        """Measure trained models on a device."""
        measured, (_, task, _) = self._measured(device), self._retraining(retraining)
        return Job(self._exported(retraining, task), **_as_measured(measured, task.space))

    def rknn_report(self, retraining: str, device: str) -> Job:
        """List what of trained models a Rockchip NPU cannot run, and their accuracy on it."""
        measured, (found, task, _) = self._measured(device), self._retraining(retraining)
        simulated_images = getattr(measured, "simulated_images", None)
        if simulated_images is None:
            raise InputError(
                f"devices.{device} is of kind {measured.kind}; only kind rknn has such a report"
            )
        return Job(
            self._exported(retraining, task),
            **_as_measured(measured, task.space),
            resolution=found.training.resolution,
            calibration_images=found.quantisation.calibration_images,
            simulated_images=simulated_images,
        )

    def model_cards(self, retraining: str) -> Job:
        """Describe trained models: a card each, and all that is known of them in a table."""
        found, task, how = self._retraining(retraining)
        latencies = {
            device: result("measure_models", retraining=retraining, device=device)
            for device in self.study.measured_on(retraining)
        }
        if found.device is not None and found.device not in latencies:
            latencies[found.device] = result("device_table", device=found.device, **task.where)
        predicted = {
            device: QUALITY.format(device=device, **task.where)
            for device in latencies
            if device not in self.study.measured_on(retraining)
            and is_predicted(self.study.devices[device], task.dataset)
        }
        others = {}
        if found.beside is not None:
            others = {"others": result("model_cards", retraining=found.beside)}
        names = ("task", "images", "seed", "precision")
        read: dict[str, Any] = {"latencies": list(latencies.values())}
        read |= {"predicted": list(predicted.values())} if predicted else {}
        return Job(
            {**self._exported(retraining, task), **read, **others},
            revision=6,
            predicted=predicted,
            retraining=retraining,
            **{name: getattr(found, name) for name in names},
            **task.where,
            **how,
            quantisation=found.quantisation.params(),
            latencies=latencies,
        )

    def measured_front(self, task: str, device: str, proxy: str, search: str) -> Job:
        """Measure a found front, beside what was predicted of it."""
        of_task, found = self._entry("tasks", task), self._measured(device)
        self._entry("proxies", proxy)
        self._entry("searches", search)
        row = self.rows.row(device, task, proxy, search)
        predictor = result("measure", device=device, **of_task.where)
        return Job(
            {"history": row.history, "predictor": predictor, **_images(of_task.dataset)},
            **_as_measured(found, of_task.space),
            proxy_label=row.proxy_label,
            search_label=row.search_label,
        )

    def figure_front_spaces(self) -> Job:
        """Draw error against latency of the models of several retrainings."""
        shown = self.study.figures.front_spaces
        if shown is None:
            raise InputError("figures.front_spaces says nothing to draw; see config/rk3588.yaml")
        models = [
            {"label": label, "file": result("model_cards", retraining=name), "published": published}
            for label, name in shown.retrainings.items()
            for published in [self.study.retrainings[name].published is not None]
        ]
        files = [model["file"] for model in models]
        return Job({"files": files}, device=shown.device, models=models)

    # ---- all of a study ----------------------------------------------------------------------

    def targets(self) -> list[str]:
        """Return every result that a study asks for."""
        study, judged = self.study, self.rows.judged_rows()
        decided = [device for device in study.devices if self.rows.decision_rows(device)]
        fronts = [
            {"task": task, "device": device, "proxy": proxy, "search": self.rows.first_search}
            for device, found in study.devices.items()
            if isinstance(found, MeasuredDevice)
            for task in found.tasks or study.tasks
            for proxy in study.tasks[task].proxies
        ]
        of_study = ["ranking", "devices_compared"] if judged else []
        if judged or any(self._compared_on(device) for device in study.devices):
            of_study.append("explorer")
        shown = dict.fromkeys((row.device, row.task) for row in judged)
        return [
            *(result("table", device=device) for device in self.tabled),
            *([RESULTS["all_tables"]] if self.tabled else []),
            *(result("retrain", retraining=name) for name in study.retrainings),
            *(result("model_cards", retraining=name) for name in study.retrainings),
            *(result("fit_surrogates", space=space) for space in study.surrogates),
            *(result("measured_front", **front) for front in fronts),
            *([RESULTS["figure_front_spaces"]] if study.figures.front_spaces else []),
            *(RESULTS[rule] for rule in of_study),
            *(
                result("evaluation", device=device)
                for device in dict.fromkeys(each[0] for each in shown)
            ),
            *(result("decisions", device=device) for device in decided),
            *(
                result("lens", **self.rows.lens_of(device, task))
                for device in study.devices
                for task in self.lensed(device)
                # Of cells it is made when asked for: they have no stages to be made smaller.
                if plugins.space(study.tasks[task].space).layerwise
            ),
            *(
                result("gained", task=task, device=device)
                for device in study.devices
                for task in self.lensed(device)
                if stages([space := study.tasks[task].space])
                and self._second_stage(space).task in self.lensed(device)
            ),
            *(result("figures", device=device, task=task) for device, task in shown),
        ]

    def jobs(self, targets: Sequence[str] | None = None) -> dict[str, Job]:
        """Return all jobs behind targets by their results, each before those that read it.

        Without targets they are those of the whole study.
        """
        found: dict[str, Job] = {}

        def add(file: str) -> None:
            rule, wildcards = made_by(file) or ("", {})
            if rule and (path := result(rule, **wildcards)) not in found:
                job = self.job(rule, **wildcards)
                for read in job.files:
                    add(read)
                found[path] = job

        for target in self.targets() if targets is None else targets:
            add(target)
        return found

    # ---- entries -----------------------------------------------------------------------------

    def user_file(self, name: str) -> str:
        """Return the path of one of the user's files: relative ones lie in the data folder."""
        return str(user_path(self.data, name))

    def _own_files(self, found: Any) -> dict[str, Any]:
        """Return the user's files that an entry names, by the path of the setting."""
        named = ((path, name) for path, name, _ in marked(found, UserFile))
        return {"_".join(path): self.user_file(name) for path, name in named}

    def _entry(self, section: str, *names: str) -> Any:
        """Return an entry; a name that does not exist is an error that lists all."""
        found = getattr(self.study, section)
        for name in names:
            if name not in found:
                known = ", ".join(found) or "(none)"
                raise InputError(f"{section} has no {name!r}; it has: {known}")
            found = found[name]
        return found

    def _retraining(self, name: str) -> tuple[Retraining, Task, dict[str, Any]]:
        """Return an entry, its task, and the network and the training that models depend on."""
        found = self._entry("retrainings", name)
        network = self.study.network_of(name).params()
        how = {"network": network, "training": found.training.params()}
        return found, self.study.tasks[found.task], how

    def _measured(self, device: str) -> MeasuredDevice:
        found = self._entry("devices", device)
        if not isinstance(found, MeasuredDevice):
            raise InputError(f"devices.{device} is of kind {found.kind}, which is not measured")
        return found


def _spaces_in(node: Any) -> set[str]:
    """Return what stands under a key ``space`` anywhere in plain settings."""
    if isinstance(node, list):
        return set().union(*map(_spaces_in, node))
    if not isinstance(node, Mapping):
        return set()
    own = {node["space"]} if isinstance(node.get("space"), str) else set()
    return own.union(*map(_spaces_in, node.values()))


def contents_of(found: Any, data: Path) -> dict[str, str | None]:
    """Return what each of the user's files that an entry names holds, by the path of the setting.

    In the settings of the job and not among its inputs: Snakemake sees in a folder that a file is
    added, but not that one is changed.
    """
    named = ((path, user_path(data, name)) for path, name, _ in marked(found, UserFile))
    return {".".join(path): contents.content(file) for path, file in named}


def _images(dataset: str) -> dict[str, Any]:
    return {"images": result("dataset", dataset=dataset)}


def _paths(part: Mapping[str, Any]) -> set[str]:
    """Return the files that a proxy on demand and all that it is made of read."""
    own = Job(part["files"]).files
    return set(own).union(*map(_paths, part["parts"].values()))


def _taken_by(found: Any) -> dict[str, Any]:
    return {"threads": getattr(found, "threads", 1), "compute": getattr(found, "device", "cpu")}


def _plain(rows: list[Row]) -> list[dict[str, Any]]:
    return [asdict(row) for row in rows]


def _files(rows: list[Row], *keys: str) -> list[str]:
    """Return what is read of searches; without keys, what judging them takes."""
    keys = keys or ("accuracies", "metrics", "proxy_table", "history")
    return sorted({getattr(row, key) for row in rows for key in keys} - {None})


def _tables_of(trained: list[dict[str, Any]]) -> list[str]:
    """Return the tables of models that are compared."""
    return sorted({each[key] for each in trained for key in ("models", "others")} - {None})


def _as_measured(device: MeasuredDevice, space: str) -> dict[str, Any]:
    """Return how a device is measured, with the network of a space."""
    network, threads = device.networks[space].params(), device.threads_taken
    how = {"device": device.params(), "space": space, "network": network}
    if (state := device.state()) is not None:
        how["state"] = state
    return {"revision": 3, "threads": threads, **how}


def _shipped(found: Any) -> dict[str, Any]:
    """Return the checksum of the shipped surrogates where an entry uses them."""
    if found.kind != "surrogate" or found.file is not None:
        return {}
    return {"shipped_sha256": checksum(RESOURCES / "surrogates" / "nb201.npz")}
