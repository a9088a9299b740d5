"""The command ``hanas``: what to take from computed results, and where they came from.

``hanas pick --device edgegpu --dataset cifar10 --max-latency-ms 4``
``hanas explain results/tables/edgegpu.csv``
``hanas schema > config.schema.yaml``
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hanas import __version__
from hanas.core.errors import InputError
from hanas.study.explanation import explained_in_words, explanation

_LIMITS = {"max_latency_ms": "latency_ms", "max_energy_mj": "energy_mj"}
_UNITS = {"latency_ms": "ms", "energy_mj": "mJ"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, or 1 with a message on standard error.

    Wrong usage (an option that does not exist, a limit that is no number) ends with status 2;
    ``explain`` of a result that is no longer what its files and settings give, with status 3.
    """
    options = _parser().parse_args(arguments)
    status = 0
    try:
        if options.command == "pick":
            answer = _pick(options)
            said = _in_words(answer)
        elif options.command == "schema":
            from hanas.study import schema  # late, so that --help is quick

            answer, said = {}, schema.text().rstrip("\n")
        else:
            answer = explanation(options.file, options.study, configfile=options.configfile)
            said = explained_in_words(answer)
            status = 0 if answer["up_to_date"] else 3
    except InputError as error:
        print(f"hanas: {error}", file=sys.stderr)
        return 1
    if answer and options.json:
        said = json.dumps(answer, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        print(said, flush=True)
    except BrokenPipeError:  # the reader, such as head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def _pick(options: argparse.Namespace) -> dict[str, Any]:
    return pick(
        options.results,
        device=options.device,
        dataset=options.dataset,
        proxy=options.proxy,
        search=options.search,
        trained=options.trained,
        limits={
            metric: getattr(options, option)
            for option, metric in _LIMITS.items()
            if getattr(options, option) is not None
        },
    )


def pick(
    results: Path,
    *,
    device: str,
    dataset: str,
    proxy: str | None = None,
    search: str | None = None,
    trained: bool = False,
    limits: dict[str, float],
) -> dict[str, Any]:
    """Return the architecture to take from a found front, with its numbers and their sources.

    It is the one that the proxy likes best of those within the limits (:mod:`hanas.fronts.picks`),
    or from a trained front (:mod:`hanas.fronts.peeling`) the most accurate.

    Parameters
    ----------
    results
        The folder ``results`` of a study.
    device, dataset
        Their names in the study; instead of the data set, the name of a task.
    proxy, search
        Which front; where not given, the first proxy of the task and its NSGA-II search.
    trained
        Whether to pick from the trained front instead of the predicted one.
    limits
        The most that ``latency_ms`` and ``energy_mj`` may be.

    Raises
    ------
    InputError
        If a name is unknown, a limit is not above 0, the results are not there, or no
        architecture of the front keeps within the limits.
    """
    import pandas as pd  # late, so that --help is quick

    from hanas.fronts import picks
    from hanas.fronts.decision_words import rounded_up

    for metric, limit in limits.items():
        if not (math.isfinite(limit) and limit > 0):
            raise InputError(f"a limit of {limit:g} {_UNITS[metric]} cannot be; give one above 0")
    rows = _decisions(results, device, trained=trained)
    front = [row for row in rows if dataset in (str(row["dataset"]), str(row["task"]))]
    tasks = _known(front, "task")
    if not tasks:
        known = ", ".join(dict.fromkeys([*_known(rows, "dataset"), *_known(rows, "task")]))
        raise InputError(f"no results for {dataset} on {device}; there are: {known}")
    if len(tasks) > 1:
        raise InputError(f"{dataset} is that of several tasks; give one: {', '.join(tasks)}")
    for column, wanted in (("proxy", proxy), ("search", search)):
        known = _known(front, column)
        if wanted is not None and wanted not in known:
            raise InputError(
                f"no {column} {wanted} for {tasks[0]} on {device}; there are: {', '.join(known)}"
            )
        chosen = known[0] if wanted is None else wanted
        front = [row for row in front if str(row[column]) == chosen]
    for metric in limits:
        if math.isnan(front[0].get(metric, math.nan)):
            raise InputError(f"{device} has no {metric} to limit")
    position = picks.pick(pd.DataFrame(front), limits)
    if position is None:
        nearest = "; ".join(
            f"the least on its front is {rounded_up(min(row[metric] for row in front)):.4g} "
            f"{_UNITS[metric]}"
            for metric in limits
        )
        said = " and ".join(f"{limit:g} {_UNITS[metric]}" for metric, limit in limits.items())
        raise InputError(f"nothing keeps within {said} on {device} for {tasks[0]}: {nearest}")
    return _picked(front[position], limits)


def _picked(row: dict[str, Any], limits: dict[str, float]) -> dict[str, Any]:
    import pandas as pd

    from hanas.fronts.floor import reaches_percent

    unknown = pd.isna(row["accuracy_percent"])
    values = {metric: float(row.get(metric, math.nan)) for metric in _UNITS}
    metrics = {metric: value for metric, value in values.items() if not math.isnan(value)}
    names = ("device", "task", "dataset", "proxy", "search", "method", "space")
    sources = ("accuracy_source", "metrics_source", "proxy_source")
    return {
        **{name: str(row[name]) for name in names},
        "seed": int(row["seed"]),
        "limits": limits,
        "arch": str(row["arch"]),
        "index": None if pd.isna(row["index"]) else int(row["index"]),
        "accuracy_percent": None if unknown else float(row["accuracy_percent"]),
        **metrics,
        "proxy_objective": str(row["proxy_objective"]),
        "proxy_value": float(row["proxy_value"]),
        "accuracy_floor_percent": float(row["accuracy_floor_percent"]),
        "reaches_accuracy_floor": None
        if unknown
        else bool(reaches_percent(row["accuracy_percent"], row["accuracy_floor_percent"])),
        **{name: str(row[name]) for name in sources},
    }


def _in_words(picked: dict[str, Any]) -> str:
    lines = [f"{picked['arch']}"]
    if picked["index"] is not None:
        lines.append(f"  {picked['space']} index  {picked['index']}")
    accuracy = picked["accuracy_percent"]
    said = "" if accuracy is None else f"{accuracy:.2f} %  "
    lines.append(f"  true accuracy  {said}({picked['accuracy_source']})")
    for metric, unit in _UNITS.items():
        if metric in picked:
            word = metric.split("_")[0]
            lines.append(f"  {word:<13}  {picked[metric]:.4g} {unit}  ({picked['metrics_source']})")
    lines.append(
        f"  chosen by      {picked['method']}, {picked['proxy_objective']} "
        f"{picked['proxy_value']:.4g}  ({picked['proxy_source']})"
    )
    if picked["reaches_accuracy_floor"] is False:
        lines.append(
            f"  Beware: below the accuracy floor of {picked['dataset']}, "
            f"{picked['accuracy_floor_percent']:g} %: nothing within the limits that the proxy "
            "likes is of use."
        )
    return "\n".join(lines)


def _decisions(results: Path, device: str, *, trained: bool) -> list[dict[str, Any]]:
    from hanas.core.files import read_csv

    if trained:
        tables = {
            path.parent.name: path for path in results.glob("evaluations/*/trained_fronts.csv")
        }
        path = results / "evaluations" / device / "trained_fronts.csv"
    else:
        tables = {path.stem: path for path in results.glob("decisions/*.csv")}
        path = results / "decisions" / f"{device}.csv"
    if device not in tables:
        known = ", ".join(sorted(tables))
        there = f"there are those of: {known}" if known else "there are none yet"
        raise InputError(
            f"{path} is not there ({there}). If {device} is a device of your study"
            + (" and a benchmark has its tasks' accuracies" if trained else "")
            + ", make it, in the study's folder, with: "
            f"snakemake --cores 2 results/{path.relative_to(results)}"
        )
    table = read_csv(path)
    needed = {"task", "dataset", "proxy", "search", "arch", "index", "accuracy_percent"}
    if trained and needed <= set(table) and table.empty:
        raise InputError(
            f"{path} is empty: nothing that was trained reaches tasks.*.accuracy_floor_percent"
        )
    if not needed <= set(table) or table.empty:
        raise InputError(f"{path} is no decision table that this version of hanas can read")
    return table.to_dict("records")  # pyright: ignore[reportReturnType]


def _known(rows: Sequence[dict[str, Any]], column: str) -> list[str]:
    return list(dict.fromkeys(str(row[column]) for row in rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hanas",
        description="Hardware-aware neural architecture search: what to take, and why.",
    )
    parser.add_argument("--version", action="version", version=f"hanas {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    words = "the architecture to take under limits, from a front that the workflow has found"
    one = commands.add_parser("pick", help=words, description=f"Print {words}.")
    one.add_argument("--device", required=True, help="a device of the study")
    one.add_argument("--dataset", required=True, help="a data set, or a task, of the study")
    one.add_argument("--max-latency-ms", type=float, metavar="MS", help="the most latency")
    one.add_argument("--max-energy-mj", type=float, metavar="MJ", help="the most energy")
    one.add_argument("--proxy", help="whose ranking; the task's first where not given")
    one.add_argument("--search", help="which search; NSGA-II where not given")
    one.add_argument(
        "--trained",
        action="store_true",
        help="from the front of what was trained, layer by layer, instead of the predicted one",
    )
    one.add_argument(
        "--results",
        type=Path,
        default=Path("results"),
        metavar="DIR",
        help="the study's results (default: results)",
    )
    one.add_argument("--json", action="store_true", help="print JSON")
    words = "the files and settings a result came from, and whether they have changed since"
    one = commands.add_parser("explain", help=words, description=f"Print {words}.")
    one.add_argument("file", help="a result, such as results/tables/edgegpu.csv")
    one.add_argument(
        "--study",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="the folder that holds results (default: here)",
    )
    one.add_argument(
        "--configfile",
        type=Path,
        metavar="FILE",
        help="the study's settings, where not config.yaml",
    )
    one.add_argument("--json", action="store_true", help="print JSON")
    words = "the JSON Schema of all settings, as YAML"
    commands.add_parser("schema", help=words, description=f"Print {words}.")
    return parser


if __name__ == "__main__":
    sys.exit(main())
