"""The jobs of a study: what each reads, what its result depends on, and all there are.

A rule of the workflow asks for its job by name and wildcards and wires it in: files that are read
(``inputs``), and settings that change the result (``params``: Snakemake runs a job again when they
change). Nothing here knows of Snakemake, so that the whole graph of a study is there to be looked
at, compared and tested within milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import checksum
from hanas.core.settings import canonical
from hanas.devices._device import Device, MeasuredDevice
from hanas.fronts.rows import Row
from hanas.study import revisions
from hanas.study.results import EVALUATED, EXPORTED, RESULTS, WEIGHTS, made_by, result
from hanas.study.rows import Rows, require_judged
from hanas.study.settings import Retraining, Study, Task

SHIPPED = Path(__file__).parents[2] / "resources"


@dataclass(frozen=True)
class Job:
    """What a job reads and depends on.

    Attributes
    ----------
    inputs
        Files by their role in the script: a path, or a list of paths.
    params
        Plain settings that change the result, the revision of the code among them.
    threads
        Cores that the job takes.
    compute
        Where it computes: ``auto``, ``cpu`` or ``cuda``.
    """

    inputs: Mapping[str, str | list[str]] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 1
    compute: str = "cpu"

    @property
    def files(self) -> list[str]:
        """All files that are read."""
        lists = ([files] if isinstance(files, str) else files for files in self.inputs.values())
        return [file for files in lists for file in files]


class Graph:
    """The jobs of a study; every public method but the last few is the job of the rule of its name.

    Parameters
    ----------
    study
        Its settings.
    data
        The folder that the user's relative paths start from.
    """

    def __init__(self, study: Study, data: Path) -> None:
        self.study, self.data, self.rows = study, data, Rows(study)

    # ---- what is there: images, spaces, true accuracies, devices -----------------------------

    def dataset(self, dataset: str) -> Job:
        """Read the images of a data set."""
        found = self._entry("datasets", dataset)
        state = found.state(self.data)
        given = {"state": state} if state is not None else {}
        return Job(params=_params("dataset", dataset=found.params(), **given))

    def space(self, space: str) -> Job:
        """List every architecture of a space."""
        return Job(params=_params("space", space=space))

    def nats_bench_cells(self) -> Job:
        """Read the cells of NATS-Bench once for all data sets."""
        for of_space in self.study.benchmarks.values():
            for found in of_space.values():
                folder = getattr(found, "folder", None)
                if folder is not None:  # one folder for all: see hanas.study.checks
                    inputs = {"folder": self.user_file(folder)}
                    return Job(inputs, _params("accuracy_table"))
        raise InputError("benchmarks has no entry of kind nats_bench")

    def accuracy_table(self, space: str, dataset: str) -> Job:
        """Read the true accuracies of every architecture."""
        found = self._entry("benchmarks", space, dataset)
        inputs = self._own_file(found)
        if hasattr(found, "folder"):
            inputs = {"cells": RESULTS["nats_bench_cells"]}
        return Job(inputs, _params("accuracy_table", benchmark=found.params(), **_shipped(found)))

    def device_table(self, device: str, space: str, dataset: str) -> Job:
        """Read, or predict, latency and energy of every architecture."""
        found: Device = self._entry("devices", device)
        if isinstance(found, MeasuredDevice):  # what it depends on shows in its predictor
            where = {"device": device, "space": space, "dataset": dataset}
            return Job({"predictor": result("measure", **where)}, _params("device_table"))
        of_dataset = self._entry("devices", device, "datasets", dataset, found=found)
        return Job(
            self._own_file(of_dataset),
            _params("device_table", device=found.params(), **_shipped(found)),
        )

    def measure(self, device: str, space: str, dataset: str) -> Job:
        """Measure some architectures on a device, and fit a predictor of all others."""
        found = self._measured(device)
        return Job(
            {"images": result("dataset", dataset=dataset)},
            _params("measuring", **_as_measured(found, space), campaign=found.campaign.params()),
            threads=found.threads_taken,
        )

    def fit_surrogates(self, space: str) -> Job:
        """Fit small models to the tables of a space."""
        datasets = self._entry("benchmarks", space)
        devices = [
            result("device_table", device=device, space=space, dataset=dataset)
            for device in self.study.devices
            for dataset in datasets
        ]
        accuracies = [result("accuracy_table", space=space, dataset=name) for name in datasets]
        settings = self._entry("surrogates", space).params()
        return Job(
            {"accuracies": accuracies, "devices": devices}, _params("surrogates", **settings)
        )

    # ---- what ranks: supernets and proxies ---------------------------------------------------

    def train_supernet(self, supernet: str) -> Job:
        """Train a weight-sharing network."""
        found = self._entry("supernets", supernet)
        return Job(
            {"images": result("dataset", dataset=found.dataset)},
            _params("supernet", supernet=found.params()),
            threads=found.threads,
            compute=found.device,
        )

    def proxy_table(self, proxy: str, dataset: str) -> Job:
        """Score every architecture of a space."""
        found, space = self._entry("proxies", proxy), self.study.proxy_space(proxy)
        bound_to = self.study.own_dataset(proxy)
        if bound_to not in (None, dataset):
            raise InputError(
                f"proxies.{proxy} is computed on {bound_to}, which it was given, not on {dataset}"
            )
        inputs = self._read_by_proxy(proxy, dataset)
        more: dict[str, Any] = {}
        members = self.study.members(proxy)
        if members:
            more["members"] = [
                {"proxy": name, "objective": self.study.proxies[name].objective} for name in members
            ]
            inputs["tables"] = [self.rows.scores(name, dataset) for name in members]
        if hasattr(found, "learns_from"):
            learns_from = found.learns_from or dataset
            self._entry("benchmarks", str(space), learns_from)
            inputs["accuracies"] = result("accuracy_table", space=space, dataset=learns_from)
            more["dataset"] = learns_from
        return Job(
            inputs,
            _params("proxy", found.revision, proxy=found.params(), space=space, **more),
            threads=getattr(found, "threads", 1),
            compute=getattr(found, "device", "cpu"),
        )

    def _read_by_proxy(self, proxy: str, dataset: str) -> dict[str, Any]:
        """Return the supernet and the images that a proxy looks at, if any."""
        found = self.study.proxies[proxy]
        images = {"images": result("dataset", dataset=dataset)}
        supernet = getattr(found, "supernet", None)
        if supernet is not None:
            return {"weights": result("train_supernet", supernet=supernet), **images}
        return images if hasattr(found, "dataset") else {}

    # ---- searches ----------------------------------------------------------------------------

    def search(self, task: str, device: str, proxy: str) -> Job:
        """Run all searches of the front of a proxy and a device's metrics."""
        of_task, scored_by = self._entry("tasks", task), self._entry("proxies", proxy)
        where = {"device": device, "space": of_task.space, "dataset": of_task.dataset}
        params = {
            "space": of_task.space,
            "searches": {name: found.params() for name, found in self.study.searches.items()},
            "proxy_objective": scored_by.objective,
            "device_objectives": self._entry("devices", device).objectives,
        }
        if plugins.space(of_task.space).enumerable:
            tables = {
                "proxy": self.rows.scores(proxy, of_task.dataset),
                "device": result("device_table", **where),
            }
            return Job(tables, _params("search", **params))
        inputs = self._read_by_proxy(proxy, self.study.own_dataset(proxy) or of_task.dataset)
        return Job(
            {"predictor": result("measure", **where), **inputs},
            _params("search", **params, proxy=scored_by.params()),
            threads=getattr(scored_by, "threads", 1),
            compute=getattr(scored_by, "device", "cpu"),
        )

    # ---- tables ------------------------------------------------------------------------------

    def table(self, device: str) -> Job:
        """Put baselines and searches of a device side by side, and beside the published table."""
        found = self._entry("devices", device)
        rows = self.rows.table_rows(device)
        if not rows:
            raise InputError(
                f"results/tables/{device}.csv would be empty: no task whose true accuracies are "
                f"known (benchmarks) is reported on it; see results/decisions/{device}.csv"
            )
        read = {row[key] for row in rows for key in ("file", "accuracies", "metrics")}
        return Job(
            {"files": sorted(read), "published": str(SHIPPED / "thesis_tables.csv")},
            _params(
                "table",
                device=device,
                published_device=getattr(found, "device", device),
                datasets={name: of.kind for name, of in self.study.datasets.items()},
                representative=self.study.tables.representative,
                rows=rows,
            ),
        )

    @cached_property
    def tabled(self) -> list[str]:
        """The devices that have a table."""
        return [device for device in self.study.devices if self.rows.table_rows(device)]

    def all_tables(self) -> Job:
        """Join the tables of all devices."""
        if not self.tabled:
            require_judged([], "on any device")
        tables = [result("table", device=device) for device in self.tabled]
        return Job({"tables": tables}, _params("all_tables", devices=self.tabled))

    # ---- judgement ---------------------------------------------------------------------------

    def evaluation(self, device: str) -> Job:
        """Judge every found front of a device."""
        self._entry("devices", device)
        rows = require_judged(self.rows.judged_rows(device), f"on {device}")
        return Job(
            {"files": sorted({*_files(rows), *(row.facts for row in rows)})},
            _params(
                "evaluation",
                rows=_plain(rows),
                front_search=self.rows.first_search,
                peeling=self.study.evaluation.peeling.params(),
            ),
        )

    def ranking(self) -> Job:
        """Judge how well each proxy ranks."""
        rows = require_judged(self.rows.judged_rows(), "on any device")
        once = {(row.task, row.proxy): row for row in rows}.values()
        ranked = [
            {
                "task": row.task,
                "dataset": row.dataset,
                "proxy": row.proxy,
                "trained_on": row.trained_on,
                "proxy_objective": row.proxy_objective,
                "trained_architectures": row.trained_architectures,
                "accuracy_floor_percent": row.accuracy_floor_percent,
                "accuracies": row.accuracies,
                "proxy_table": row.proxy_table,
                "space_table": result("space", space=row.space),
            }
            for row in once
        ]
        keys = ("accuracies", "proxy_table", "space_table")
        files = sorted({row[key] for row in ranked for key in keys})
        return Job({"files": files}, _params("ranking", rows=ranked))

    def devices_compared(self) -> Job:
        """Compare devices: how far they agree, and what a borrowed front loses."""
        judged = [row for row in self.rows.judged_rows() if row.search == self.rows.first_search]
        rows = require_judged(judged, "on any device")
        return Job({"files": _files(rows)}, _params("devices_compared", rows=_plain(rows)))

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
        files = {file for row in rows for file in (row.accuracies, row.metrics)}
        files |= {file for row in rows for file in (row.history, row.facts)}
        return Job(
            {"files": sorted(file for file in files if file is not None)},
            _params("decisions", rows=_plain(rows), in_words=in_words),
        )

    def explorer(self) -> Job:
        """Make one page of all fronts."""
        rows = require_judged(self.rows.judged_rows(), "on any device")
        parts = {"page": "page.html", "style": "style.css", "script": "explorer.js"}
        shipped = {part: str(SHIPPED / "explorer" / name) for part, name in parts.items()}
        return Job({"files": _files(rows), **shipped}, _params("explorer", rows=_plain(rows)))

    def figures(self, device: str, task: str) -> Job:
        """Draw the figures of a task on a device."""
        self._entry("devices", device)
        self._entry("tasks", task)
        rows = self.rows.judged_rows(device, task)
        if not rows:
            raise InputError(f"no front of task {task} is searched on {device}; nothing to draw")
        evaluated = {name: path.format(device=device) for name, path in EVALUATED.items()}
        return Job(
            {"files": _files(rows), **evaluated},
            _params(
                "figures",
                rows=_plain(rows),
                front_search=self.rows.first_search,
                searches_beside=[
                    s for s in self.rows.shown_searches if s != self.rows.first_search
                ],
            ),
        )

    # ---- trained models ----------------------------------------------------------------------

    def retrain(self, retraining: str) -> Job:
        """Train picks from scratch."""
        found, task = self._retraining(retraining)
        inputs = {"images": result("dataset", dataset=task.dataset)}
        how = {
            "space": task.space,
            "network": self.study.network_of(retraining).params(),
            "training": found.training.params(),
            "seed": found.seed,
            "images": found.images,
            "train_on": found.train_on,
            "precision": found.precision,
            "threads": found.threads,
        }
        params: dict[str, Any] = {"how": how}
        if self.study.has_benchmark(found.task):
            where = {"space": task.space, "dataset": task.dataset}
            inputs["accuracies"] = result("accuracy_table", **where)
        if found.front is None:
            params["archs"] = found.archs or found.published
        else:
            device, proxy, search = found.front
            inputs["front"] = result("search", task=found.task, device=device, proxy=proxy)
            params |= {"search": search, "representative": self.study.tables.representative}
            if found.peeling is None:
                params["picks"] = found.picks
            else:
                params["peeling"] = found.peeling.params()
                params["accuracy_floor_percent"] = canonical(task.accuracy_floor_percent)
        return Job(
            inputs, _params("retraining", **params), threads=found.threads, compute=found.train_on
        )

    def export(self, retraining: str) -> Job:
        """Write trained networks as ONNX, float32 and INT8, and test them."""
        found, task = self._retraining(retraining)
        return Job(
            {
                "weights": WEIGHTS.format(retraining=retraining),
                "metrics": result("retrain", retraining=retraining),
                "images": result("dataset", dataset=task.dataset),
            },
            _params(
                "export",
                space=task.space,
                network=self.study.network_of(retraining).params(),
                training=found.training.params(),
                quantisation=found.quantisation.params(),
            ),
        )

    def _exported(self, retraining: str) -> dict[str, str]:
        _, task = self._retraining(retraining)
        return {
            "models": EXPORTED.format(retraining=retraining),
            "accuracies": result("export", retraining=retraining),
            "images": result("dataset", dataset=task.dataset),
        }

    def measure_models(self, retraining: str, device: str) -> Job:
        """Measure trained models on a device."""
        found, (_, task) = self._measured(device), self._retraining(retraining)
        return Job(
            self._exported(retraining),
            _params("measuring", **_as_measured(found, task.space)),
            threads=found.threads_taken,
        )

    def rknn_report(self, retraining: str, device: str) -> Job:
        """List what of trained models a Rockchip NPU cannot run, and their accuracy on it."""
        found, (of_retraining, task) = self._measured(device), self._retraining(retraining)
        simulated_images = getattr(found, "simulated_images", None)
        if simulated_images is None:
            raise InputError(
                f"devices.{device} is of kind {found.kind}; only kind rknn has such a report"
            )
        params = {
            **_as_measured(found, task.space),
            "resolution": of_retraining.training.resolution,
            "calibration_images": of_retraining.quantisation.calibration_images,
            "simulated_images": simulated_images,
        }
        return Job(self._exported(retraining), _params("measuring", **params))

    def latencies(self, retraining: str) -> dict[str, str]:
        """Return the tables of latencies of the models of a retraining, by device."""
        found, task = self._retraining(retraining)
        measured = self.study.measured_on(retraining)
        tables = {
            device: result("measure_models", retraining=retraining, device=device)
            for device in measured
        }
        if found.device is not None and found.device not in measured:
            where = {"space": task.space, "dataset": task.dataset}
            tables[found.device] = result("device_table", device=found.device, **where)
        return tables

    def model_cards(self, retraining: str) -> Job:
        """Describe trained models: a card each, and all that is known of them in a table."""
        found, task = self._retraining(retraining)
        latencies = self.latencies(retraining)
        return Job(
            {**self._exported(retraining), "latencies": list(latencies.values())},
            _params(
                "models",
                retraining=retraining,
                task=found.task,
                dataset=task.dataset,
                space=task.space,
                network=self.study.network_of(retraining).params(),
                training=found.training.params(),
                images=found.images,
                seed=found.seed,
                precision=found.precision,
                quantisation=found.quantisation.params(),
                latencies=latencies,
            ),
        )

    def measured_front(self, task: str, device: str, proxy: str, search: str) -> Job:
        """Measure a found front, beside what was predicted of it."""
        of_task, found = self._entry("tasks", task), self._measured(device)
        row = self.rows.row(device, task, proxy, search)
        where = {"device": device, "space": of_task.space, "dataset": of_task.dataset}
        return Job(
            {
                "history": row.history,
                "predictor": result("measure", **where),
                "images": result("dataset", dataset=of_task.dataset),
            },
            _params(
                "measuring",
                **_as_measured(found, of_task.space),
                proxy_label=row.proxy_label,
                search_label=row.search_label,
            ),
            threads=found.threads_taken,
        )

    def figure_front_spaces(self) -> Job:
        """Draw error against latency of the models of several retrainings."""
        shown = self.study.figures.front_spaces
        if shown is None:
            raise InputError("figures.front_spaces says nothing to draw; see config/rk3588.yaml")
        models = [
            {
                "label": label,
                "file": result("model_cards", retraining=name),
                "published": self.study.retrainings[name].published is not None,
            }
            for label, name in shown.retrainings.items()
        ]
        return Job(
            {"files": [model["file"] for model in models]},
            _params("figure_front_spaces", device=shown.device, models=models),
        )

    # ---- all of a study ----------------------------------------------------------------------

    def targets(self) -> list[str]:
        """Return every result that a study asks for."""
        study = self.study
        judged = self.rows.judged_rows()
        evaluated = list(dict.fromkeys(row.device for row in judged))
        decided = [device for device in study.devices if self.rows.decision_rows(device)]
        of_study = ("ranking", "devices_compared", "explorer") if judged else ()
        shown = dict.fromkeys((row.device, row.task) for row in judged)
        return [
            *(result("table", device=device) for device in self.tabled),
            *([RESULTS["all_tables"]] if self.tabled else []),
            *(result("retrain", retraining=name) for name in study.retrainings),
            *(result("model_cards", retraining=name) for name in study.retrainings),
            *(result("fit_surrogates", space=space) for space in study.surrogates),
            *self._measured_fronts(),
            *([RESULTS["figure_front_spaces"]] if study.figures.front_spaces else []),
            *(RESULTS[rule] for rule in of_study),
            *(result("evaluation", device=device) for device in evaluated),
            *(result("decisions", device=device) for device in decided),
            *(result("figures", device=device, task=task) for device, task in shown),
        ]

    def _measured_fronts(self) -> Iterator[str]:
        for device, found in self.study.devices.items():
            if isinstance(found, MeasuredDevice):
                for task in found.tasks or self.study.tasks:
                    for proxy in self.study.tasks[task].proxies:
                        where = {"task": task, "device": device, "proxy": proxy}
                        yield result("measured_front", **where, search=self.rows.first_search)

    def jobs(self, targets: Sequence[str] | None = None) -> dict[str, Job]:
        """Return all jobs behind targets by their results, each before those that read it.

        Without targets they are those of the whole study.
        """
        found: dict[str, Job] = {}

        def add(path: str) -> None:
            made = made_by(path)
            if made is None or result(made[0], **made[1]) in found:
                return
            job: Job = getattr(self, made[0])(**made[1])
            for file in job.files:
                add(file)
            found[result(made[0], **made[1])] = job

        for target in self.targets() if targets is None else targets:
            add(target)
        return found

    # ---- entries -----------------------------------------------------------------------------

    def user_file(self, name: str) -> str:
        """Return the path of one of the user's files: relative ones lie in the data folder."""
        return str(self.data / Path(name).expanduser())

    def _entry(self, section: str, *names: str, found: Any = None) -> Any:
        """Return an entry; a name that does not exist is an error that lists all."""
        if found is None:
            found = getattr(self.study, section)
        elif not hasattr(found, "datasets"):
            return found  # a device with one file for all data sets
        else:
            found, names = found.datasets, names[2:]
        for name in names:
            if name not in found:
                known = ", ".join(found) or "(none)"
                raise InputError(f"{section} has no {name!r}; it has: {known}")
            found = found[name]
        return found

    def _retraining(self, name: str) -> tuple[Retraining, Task]:
        found = self._entry("retrainings", name)
        return found, self.study.tasks[found.task]

    def _measured(self, device: str) -> MeasuredDevice:
        found = self._entry("devices", device)
        if not isinstance(found, MeasuredDevice):
            raise InputError(f"devices.{device} is of kind {found.kind}, which is not measured")
        return found

    def _own_file(self, found: Any) -> dict[str, Any]:
        file = getattr(found, "file", None)
        return {} if file is None else {"file": self.user_file(file)}


def _params(stage: str, revision: int | None = None, **settings: Any) -> dict[str, Any]:
    """Return parameters of a job with the revision of the code, keys sorted."""
    own = revisions.REVISIONS[stage] if revision is None else revision
    return canonical(dict(sorted({"revision": own, **settings}.items())))


def _plain(rows: list[Row]) -> list[dict[str, Any]]:
    return [asdict(row) for row in rows]


def _files(rows: list[Row]) -> list[str]:
    """Return what is read to judge searches."""
    keys = ("accuracies", "metrics", "proxy_table", "history")
    return sorted({getattr(row, key) for row in rows for key in keys} - {None})


def _as_measured(device: MeasuredDevice, space: str) -> dict[str, Any]:
    """Return how a device is measured, with the network of a space."""
    return {
        "device": device.params(),
        "space": space,
        "network": device.networks[space].params(),
    }


def _shipped(found: Any) -> dict[str, Any]:
    """Return the checksum of the shipped surrogates where an entry uses them."""
    if found.kind != "surrogate" or found.file is not None:
        return {}
    return {"shipped_sha256": _shipped_sha256()}


@cache
def _shipped_sha256() -> str:
    return checksum(SHIPPED / "surrogates" / "nb201.npz")
