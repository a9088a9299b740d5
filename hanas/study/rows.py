"""What is judged, tabled and decided on: the searches of a study with the files that hold them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, cached_property
from typing import Any, TypeVar

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.devices._device import Device, MeasuredDevice
from hanas.fronts.rows import Row
from hanas.study.results import DIFFERENCES, FOUND, MEASURED, QUALITY, facts_file, result
from hanas.study.settings import Study

T = TypeVar("T")


class Rows:
    """The searches of a study, in the order they are shown."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.row = cache(self._row)

    @cached_property
    def first_search(self) -> str:
        """The search whose front is used: the first NSGA-II, or else the first of all."""
        shown = [*self.shown_searches, *self.study.evaluation.searches]
        pareto = [name for name in shown if self.study.searches[name].searcher == "nsga2"]
        return [*pareto, *shown][0]

    @property
    def shown_searches(self) -> list[str]:
        """The searches of tables, in their order."""
        return self.study.tables.searches or list(self.study.searches)

    def _row(self, device: str, task_name: str, proxy: str, search: str) -> Row:
        """Return a search with the files that hold it and what it is judged by."""
        task, found = self.study.tasks[task_name], self.study.proxies[proxy]
        judged, searcher = self.study.has_benchmark(task_name), self.study.searches[search]
        listed = plugins.space(task.space).enumerable
        measured = isinstance(self.study.devices[device], MeasuredDevice)
        predicted = is_predicted(self.study.devices[device], task.dataset)
        of_search = {"task": task_name, "device": device, "proxy": proxy}
        again = None if judged or not found.rescores else result("rescore", **of_search)
        is_measured_too = measured and search == self.first_search and proxy in task.proxies
        return Row(
            device=device,
            task=task_name,
            **task.where,
            proxy=proxy,
            proxy_label=found.label or getattr(found, "supernet", found.kind),
            proxy_objective=found.objective,
            trained_architectures=self.study.trained_architectures(proxy),
            trained_on=self.study.trained_on(proxy),
            search=search,
            search_label=searcher.label or searcher.searcher.upper(),
            accuracy_floor_percent=task.accuracy_floor_percent,
            device_objectives=self.study.devices[device].objectives,
            accuracies=result("accuracy_table", **task.where) if judged else None,
            metrics=result("device_table", device=device, **task.where) if listed else None,
            proxy_table=self.scores(proxy, task.dataset) if listed else None,
            history=result("search", **of_search),
            rescored=again,
            differences=DIFFERENCES.format(**of_search) if again else None,
            quality=QUALITY.format(device=device, **task.where) if predicted else None,
            measured=MEASURED.format(device=device, **task.where) if predicted else None,
            measured_front=result("measured_front", search=search, **of_search)
            if is_measured_too
            else None,
            images=None if judged else facts_file("dataset", dataset=task.dataset),
        )

    def scores(self, proxy: str, dataset: str) -> str:
        """Return the table of a proxy's scores on a data set, or on its own."""
        own = self.study.own_dataset(proxy)
        return result("proxy_table", proxy=proxy, dataset=own or dataset)

    def judged_rows(self, device: str | None = None, task: str | None = None) -> list[Row]:
        """Return every search that is judged against the truth, those of first_search first."""
        searches = dict.fromkeys([*self.shown_searches, *self.study.evaluation.searches])
        return [
            self.row(device_name, task_name, proxy, search)
            for device_name in ([device] if device else self.study.devices)
            for task_name in self.shown_tasks(device_name)
            if task in (None, task_name)
            for proxy in self._judged_proxies(task_name)
            for search in searches
        ]

    def _judged_proxies(self, task_name: str) -> Iterable[str]:
        study, task = self.study, self.study.tasks[task_name]
        beside = [p for p in study.evaluation.proxies if study.proxy_space(p) == task.space]
        return dict.fromkeys([*task.proxies, *beside])

    def shown_tasks(self, device: str) -> list[str]:
        """Return the tasks that are reported on a device, in the order of the table.

        A task whose true accuracies are not known is searched, but not judged.
        """
        known = [name for name in self.study.tasks if self.study.has_benchmark(name)]
        shown = self.study.tables.tasks or known
        return [name for name in shown if name in (self.study.devices[device].tasks or shown)]

    def table_rows(self, device: str) -> list[dict[str, Any]]:
        """Return what each row of a device's table shows and the file that it is read from."""
        rows = []
        for task_name in self.shown_tasks(device):
            task = self.study.tasks[task_name]
            common = {
                "task": task_name,
                **task.where,
                "accuracies": result("accuracy_table", **task.where),
                "metrics": result("device_table", device=device, **task.where),
            }
            for name in task.supernets:
                supernet = self.study.supernets[name]
                baseline = {
                    "method": supernet.label or supernet.name.upper(),
                    "search": None,
                    "ranked_by": None,
                    "trained_architectures": 0,
                    "trained_on": supernet.dataset,
                    "file": FOUND.format(supernet=name),
                }
                rows.append({**common, **baseline})
            for proxy in task.proxies:
                words = self.study.proxies[proxy].in_words(self.study.members(proxy))
                for search in self.shown_searches:
                    row = self.row(device, task_name, proxy, search)
                    searched = {
                        "method": f"{row.proxy_label}+{row.search_label}",
                        "search": search,
                        "ranked_by": words,
                        "trained_architectures": row.trained_architectures,
                        "trained_on": row.trained_on,
                        "file": row.history,
                    }
                    rows.append({**common, **searched})
        return rows

    def lens_of(self, device: str, task: str) -> dict[str, str]:
        """Return the wildcards of the lens on the space of a task on a device."""
        space = self.study.tasks[task].space
        several = sum(each.space == space for each in self.study.tasks.values()) > 1
        return {"space": space, "device": device, "lens": f"lens_{task}" if several else "lens"}

    def lens_rows(self, device: str, task: str) -> list[Row]:
        """Return the searches by the first proxy of a task, the one that is shown first of all."""
        first = self.study.tasks[task].proxies[:1]
        rows = [
            self.row(device, task, proxy, name) for proxy in first for name in self.study.searches
        ]
        return sorted(rows, key=lambda row: row.search != self.first_search)

    def decision_rows(self, device: str) -> list[Row]:
        """Return every search of a device, judged or not; those of first_search come first."""
        tasks = self.study.tasks
        unjudged = [
            self.row(device, task, proxy, search)
            for task in self.study.devices[device].tasks or tasks
            if not self.study.has_benchmark(task)
            for proxy in tasks[task].proxies
            for search in self.study.searches
        ]
        rows = [*self.judged_rows(device), *unjudged]
        return sorted(rows, key=lambda row: row.search != self.first_search)


def require_judged(found: list[T], device: str | None = None) -> list[T]:
    """Return what there is to judge; an error if it is nothing, as no true accuracy is known."""
    if not found:
        where = "any device" if device is None else device
        raise InputError(
            f"no task whose true accuracies are known is searched on {where}: its fronts cannot "
            "be looked up; add the task's data set to benchmarks, or train fronts by a "
            "retraining with peeling"
        )
    return found


def is_predicted(device: Device, dataset: str) -> bool:
    """Return whether some architectures are measured, or known, and all others predicted."""
    predicts = getattr(device, "predicts", None)
    return isinstance(device, MeasuredDevice) or (predicts is not None and predicts(dataset))
