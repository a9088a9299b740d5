"""What is judged, tabled and decided on: the searches of a study with the files that hold them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.fronts.rows import Row
from hanas.study.results import FOUND, result
from hanas.study.settings import Study


class Rows:
    """The searches of a study, in the order they are shown."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._made: dict[tuple[str, ...], Row] = {}

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

    def row(self, device: str, task_name: str, proxy: str, search: str) -> Row:
        """Return a search with the files that hold it and what it is judged by."""
        names = (device, task_name, proxy, search)
        if names not in self._made:
            self._made[names] = self._row(*names)
        return self._made[names]

    def _row(self, device: str, task_name: str, proxy: str, search: str) -> Row:
        task, found = self.study.tasks[task_name], self.study.proxies[proxy]
        where = task.where
        judged, searcher = self.study.has_benchmark(task_name), self.study.searches[search]
        listed = plugins.space(task.space).enumerable
        return Row(
            device=device,
            task=task_name,
            dataset=task.dataset,
            space=task.space,
            proxy=proxy,
            proxy_label=self._proxy_label(proxy),
            proxy_objective=found.objective,
            trained_architectures=self.study.trained_architectures(proxy),
            trained_on=self.study.trained_on(proxy),
            search=search,
            search_label=searcher.label or searcher.searcher.upper(),
            accuracy_floor_percent=task.accuracy_floor_percent,
            device_objectives=self.study.devices[device].objectives,
            accuracies=result("accuracy_table", **where) if judged else None,
            metrics=result("device_table", device=device, **where) if listed else None,
            proxy_table=self.scores(proxy, task.dataset) if listed else None,
            history=result("search", task=task_name, device=device, proxy=proxy),
        )

    def scores(self, proxy: str, dataset: str) -> str:
        """Return the table of a proxy's scores on a data set, or on its own."""
        own = self.study.own_dataset(proxy)
        return result("proxy_table", proxy=proxy, dataset=own or dataset)

    def _proxy_label(self, proxy: str) -> str:
        found = self.study.proxies[proxy]
        return found.label or getattr(found, "supernet", found.kind)

    def judged_rows(self, device: str | None = None, task: str | None = None) -> list[Row]:
        """Return every search that is judged against the truth, those of first_search first."""
        study, rows = self.study, []
        for device_name in [device] if device else study.devices:
            for task_name in self.shown_tasks(device_name):
                if task not in (None, task_name):
                    continue
                space = study.tasks[task_name].space
                beside = [p for p in study.evaluation.proxies if study.proxy_space(p) == space]
                proxies = dict.fromkeys([*study.tasks[task_name].proxies, *beside])
                searches = dict.fromkeys([*self.shown_searches, *study.evaluation.searches])
                rows += [
                    self.row(device_name, task_name, proxy, search)
                    for proxy in proxies
                    for search in searches
                ]
        return rows

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
            where = task.where
            common = {
                "task": task_name,
                **where,
                "accuracies": result("accuracy_table", **where),
                "metrics": result("device_table", device=device, **where),
            }
            for name in task.supernets:
                supernet = self.study.supernets[name]
                rows.append(
                    {
                        **common,
                        "method": supernet.label or supernet.name.upper(),
                        "search": None,
                        "ranked_by": None,
                        "trained_architectures": 0,
                        "trained_on": supernet.dataset,
                        "file": FOUND.format(supernet=name),
                    }
                )
            for proxy in task.proxies:
                for search in self.shown_searches:
                    row = self.row(device, task_name, proxy, search)
                    rows.append(
                        {
                            **common,
                            "method": f"{row.proxy_label}+{row.search_label}",
                            "search": search,
                            "ranked_by": self.study.proxies[proxy].in_words(
                                self.study.members(proxy)
                            ),
                            "trained_architectures": row.trained_architectures,
                            "trained_on": row.trained_on,
                            "file": row.history,
                        }
                    )
        return rows

    def decision_rows(self, device: str) -> list[Row]:
        """Return every search of a device, judged or not; those of first_search come first."""
        study = self.study
        rows = self.judged_rows(device)
        for task in study.devices[device].tasks or study.tasks:
            if not study.has_benchmark(task):
                rows += [
                    self.row(device, task, proxy, search)
                    for proxy in study.tasks[task].proxies
                    for search in study.searches
                ]
        return sorted(rows, key=lambda row: row.search != self.first_search)


def require_judged(rows: list[Row], where: str) -> list[Row]:
    """Return what there is to judge; an error if it is nothing, as no true accuracy is known."""
    if not rows:
        raise InputError(
            f"no task whose true accuracies are known is searched {where}: its fronts cannot "
            "be looked up; add the task's data set to benchmarks, or train fronts by a "
            "retraining with peeling"
        )
    return rows
