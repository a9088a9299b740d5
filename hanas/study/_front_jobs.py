"""Jobs that search fronts, judge them, and show them."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import cached_property
from typing import Any

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import RESOURCES
from hanas.fronts.rows import Row
from hanas.proxies.learned import Learned
from hanas.study._entries import Job, taken_by
from hanas.study._scoring_jobs import ScoringJobs, paths_of
from hanas.study.results import EVALUATED, result
from hanas.study.rows import is_predicted, require_judged

#: The files of a search that tell how far to trust its front.
OF_DEVICE = ("quality", "measured", "measured_front")
TRUSTED_BY = ("proxy_table", "rescored", "differences", "images", *OF_DEVICE)


class FrontJobs(ScoringJobs):
    """The jobs from a search to its tables, pages and figures."""

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
        inputs = {"predictor": result("measure", **where), "files": sorted(paths_of(part))}
        return Job(inputs, revision=2, **how, part=part, **self._taken_by_all([proxy]))

    def rescore(self, task: str, device: str, proxy: str) -> Job:
        """Score found fronts again, on images that the search did not see, or say what is known."""
        of_task, scored_by = self._entry("tasks", task), self._entry("proxies", proxy)
        self._entry("devices", device)
        if not scored_by.rescores:
            raise InputError(
                f"proxies.{proxy} is of kind {scored_by.kind}, whose scores have no error; "
                "expected a proxy of kind supernet, or one that is learned from trainings"
            )
        if isinstance(scored_by, Learned):
            part = self._part(proxy, of_task.dataset)
            read = {"history": result("search", task=task, device=device, proxy=proxy)}
            return Job(
                {**read, "files": sorted(paths_of(part))},
                space=of_task.space,
                part=part,
                searches=list(self.study.searches),
                **self._taken_by_all([proxy]),
            )
        inputs = self._read_by_proxy(proxy, self.study.own_dataset(proxy) or of_task.dataset)
        inputs["history"] = result("search", task=task, device=device, proxy=proxy)
        return Job(
            inputs,
            space=of_task.space,
            proxy=scored_by.params(),
            objective=scored_by.objective,
            searches=list(self.study.searches),
            **taken_by(scored_by),
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
        rows = [*self.rows.judged_rows(), *self._unjudged_rows()]
        trained = [each for device in self.study.devices for each in self._compared_on(device)]
        if not trained and not rows:
            raise InputError("no task is searched on any device; there is no front to explore")
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
        return Job({"files": sorted(files), **shipped}, revision=5, trusted=_plain(trusted), **how)

    def _unjudged_rows(self) -> list[Row]:
        """Return the searches of tasks whose true accuracies are not known, on all devices."""
        found = [row for device in self.study.devices for row in self.rows.decision_rows(device)]
        return [row for row in found if row.accuracies is None]

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


def _plain(rows: list[Row]) -> list[dict[str, Any]]:
    return [asdict(row) for row in rows]


def _files(rows: list[Row], *keys: str) -> list[str]:
    """Return what is read of searches; without keys, what judging them takes."""
    keys = keys or ("accuracies", "metrics", "proxy_table", "history")
    return sorted({getattr(row, key) for row in rows for key in keys} - {None})


def _tables_of(trained: list[dict[str, Any]]) -> list[str]:
    """Return the tables of models that are compared."""
    return sorted({each[key] for each in trained for key in ("models", "others")} - {None})
