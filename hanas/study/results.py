"""Where the result of each rule lies, and which rule writes a file."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

#: The result of each rule that other jobs read, or that a study asks for.
RESULTS = {
    "dataset": "results/datasets/{dataset}.pt",
    "space": "results/spaces/{space}.parquet",
    "nats_bench_cells": "results/benchmarks/nats_bench.parquet",
    "accuracy_table": "results/benchmarks/{space}/{dataset}.parquet",
    "measure": "results/measurements/{device}/{space}/{dataset}.predictor.npz",
    "device_table": "results/devices/{device}/{space}/{dataset}.parquet",
    "fit_surrogates": "results/surrogates/{space}.npz",
    "train_supernet": "results/supernets/{supernet}/weights.pt",
    "proxy_table": "results/proxies/{proxy}/{dataset}.parquet",
    "choose_architectures": "results/learned/{proxy}/{dataset}/{round}/chosen.csv",
    "train_chosen": "results/learned/{proxy}/{dataset}/{round}/{number}.csv",
    "search": "results/searches/{task}/{device}/{proxy}.parquet",
    "rescore": "results/rescored/{task}/{device}/{proxy}.csv",
    "all_tables": "results/tables/all.csv",
    "table": "results/tables/{device}.csv",
    "retrain": "results/retrained/{retraining}/metrics.parquet",
    "export": "results/exports/{retraining}/accuracies.csv",
    "measure_models": "results/exports/{retraining}/latency/{device}.csv",
    "rknn_report": "results/exports/{retraining}/rknn/{device}.csv",
    "model_cards": "results/models/{retraining}.csv",
    "measured_front": "results/measured_fronts/{task}/{device}/{proxy}/{search}.csv",
    "ranking": "results/evaluations/ranking.csv",
    "devices_compared": "results/evaluations/device_correlation.csv",
    "evaluation": "results/evaluations/{device}/indicators.csv",
    "decisions": "results/decisions/{device}.csv",
    "lens": "results/spaces/{space}/{device}/{lens}.csv",
    "smaller_space": "results/spaces/{smaller}.yaml",
    "gained": "results/gained/{task}/{device}.csv",
    "explorer": "results/explorer.html",
    "figure_front_spaces": "results/figures/front_spaces.svg",
    "figures": "results/figures/fronts/{device}/{task}.svg",
}
#: Where the facts of a rule lie, where not beside its result under the same name.
_FACTS = {
    "measure": "results/measurements/{device}/{space}/{dataset}.json",
    "train_supernet": "results/supernets/{supernet}/meta.json",
    "retrain": "results/retrained/{retraining}/meta.json",
    "devices_compared": "results/evaluations/devices_compared.json",
    "evaluation": "results/evaluations/{device}/evaluation.json",
}
#: What else a job writes beside its result, where another job reads it.
EXPORTED = "results/exports/{retraining}/models"
WEIGHTS = "results/retrained/{retraining}/weights.pt"
FOUND = "results/supernets/{supernet}/found.json"
#: How well a predictor of a device does, and what was measured for it.
QUALITY = "results/measurements/{device}/{space}/{dataset}.quality.csv"
MEASURED = "results/measurements/{device}/{space}/{dataset}.parquet"
DIFFERENCES = "results/rescored/{task}/{device}/{proxy}.differences.parquet"
EVALUATED = {
    "convergence": "results/evaluations/{device}/convergence.parquet",
    "budget": "results/evaluations/{device}/budget.csv",
    "layers": "results/evaluations/{device}/peeling.csv",
}
#: Rules that write files, beside their result, which others read.
SIDE_FILES = {
    "dataset": (RESULTS["dataset"].replace(".pt", ".json"),),
    "measure": (QUALITY, MEASURED),
    "rescore": (DIFFERENCES,),
    "train_supernet": (FOUND,),
    "retrain": (WEIGHTS,),
    "export": (EXPORTED,),
    "evaluation": tuple(EVALUATED.values()),
    "search": (RESULTS["search"].replace(".parquet", ".json"),),
}


def is_result(path: str | list[str]) -> bool:
    """Return whether files are results of the workflow, not the user's and not shipped."""
    return all(one.startswith("results/") for one in ([path] if isinstance(path, str) else path))


def result(rule: str, **names: Any) -> str:
    """Return the path of a rule's result."""
    return RESULTS[rule].format(**names)


def facts_file(rule: str, **names: Any) -> str:
    """Return the path of the JSON that says how a rule's result came about."""
    beside = f"{RESULTS[rule].rpartition('.')[0]}.json"
    return _FACTS.get(rule, beside).format(**names)


@cache
def made_by(path: str) -> tuple[str, dict[str, str]] | None:
    """Return the rule that writes a file and its wildcards; None for a file of the user's."""
    for rule, pattern in RESULTS.items():
        for written in (pattern, *SIDE_FILES.get(rule, ())):
            named = re.sub(r"\\{(\w+)\\}", r"(?P<\1>\\w+)", re.escape(written))
            if found := re.fullmatch(named, path):
                return rule, found.groupdict()
    return None
