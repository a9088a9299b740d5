"""The jobs of a study: what each reads, what its result depends on, and all there are.

A rule of the workflow asks for its job by name and wildcards and wires it in: files that are read
(``inputs``), and settings that change the result (``params``: Snakemake runs a job again when they
change). Nothing here knows of Snakemake, so that the whole graph of a study is there to be looked
at, compared and tested within milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hanas.core import plugins
from hanas.core.settings import canonical
from hanas.devices._device import MeasuredDevice
from hanas.spaces.kinds.lens import stages
from hanas.study._entries import Job
from hanas.study._front_jobs import FrontJobs
from hanas.study._model_jobs import ModelJobs
from hanas.study.results import RESULTS, made_by, result

#: The role of the declarations of spaces that the lens on another one has made smaller.
STAGES = "spaces"


class Graph(FrontJobs, ModelJobs):
    """The jobs of a study; a public method that takes wildcards is the rule of its name."""

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
        if decided or judged or any(self._compared_on(device) for device in study.devices):
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


def _spaces_in(node: Any) -> set[str]:
    """Return what stands under a key ``space`` anywhere in plain settings."""
    if isinstance(node, list):
        return set().union(*map(_spaces_in, node))
    if not isinstance(node, Mapping):
        return set()
    own = {node["space"]} if isinstance(node.get("space"), str) else set()
    return own.union(*map(_spaces_in, node.values()))
