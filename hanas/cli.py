"""The command ``hanas``: what to take from computed results, and where they came from.

``hanas pick --device edgegpu --dataset cifar10 --max-latency-ms 4``
``hanas explain results/tables/edgegpu.csv``
``hanas plan --configfile config/own.yaml``
``hanas status``
``hanas forget --device board``
``hanas schema > config.schema.yaml``
"""

# First of all: a random.py in the folder where the command is called is none of ours, nor is one
# of __future__.
import sys

import hanas

hanas.leave_the_current_folder()

import argparse
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hanas import __version__
from hanas.core import escape
from hanas.core.errors import InputError

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
            given = {metric: getattr(options, f"max_{metric}") for metric in _UNITS}
            limits = {metric: most for metric, most in given.items() if most is not None}
            names = ("device", "dataset", "proxy", "search", "trained")
            chosen = {name: getattr(options, name) for name in names}
            answer = pick(options.results, **chosen, limits=limits)
            said = _in_words(answer)
        elif options.command == "forget":
            from hanas.devices.measuring.forget import forget

            models, files = forget(options.results, options.device, options.arch or ())
            answer = {}
            said = (
                f"forgot {models} measurements of {options.device}, and removed {files} files of "
                "results that follow from them: the next run of the workflow measures again"
            )
        elif options.command == "schema":
            from hanas.study import schema  # late, so that --help is quick

            answer, said = {}, schema.text().rstrip("\n")
        elif options.command == "plan":
            from hanas.study import plan

            answer, said = {}, plan.in_words(options.study, options.configfile)
        elif options.command == "status":
            from hanas.study import status as of_study

            answer = of_study.status(options.study, options.configfile)
            said = of_study.in_words(answer)
        else:
            from hanas.study.explain import explained_in_words, explanation

            answer = explanation(options.file, options.study, configfile=options.configfile)
            said = explained_in_words(answer)
            status = 0 if answer["up_to_date"] else 3
    except InputError as error:
        print(f"hanas: {escape.terminal(str(error))}", file=sys.stderr)
        return 1
    except OSError as error:  # what may not be read or written, a name too long, a full disk
        said = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        print(f"hanas: {escape.terminal(said[:1000])}", file=sys.stderr)
        return 1
    if answer and options.json:
        said = json.dumps(answer, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        print(escape.terminal(said), flush=True)
    except BrokenPipeError:  # the reader, such as head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


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
    or from a ``trained`` front (:mod:`hanas.fronts.peeling`) the most accurate. ``dataset`` may be
    the name of a task; where not given, the front is that of the task's first proxy and its NSGA-II
    search; ``limits`` are the most that ``latency_ms`` and ``energy_mj`` may be. InputError if a
    name is unknown, a limit is not above 0, results are not there, or nothing keeps within limits.
    """
    import pandas as pd  # late, so that --help is quick

    from hanas.fronts import picks
    from hanas.fronts.decisions import rounded_up

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
            there = f"{tasks[0]} on {device}; there are: {', '.join(known)}"
            raise InputError(f"no {column} {wanted} for {there}")
        front = [row for row in front if str(row[column]) == (wanted or known[0])]
    for metric in limits:
        if math.isnan(front[0].get(metric, math.nan)):
            raise InputError(f"{device} has no {metric} to limit")
    position = picks.pick(pd.DataFrame(front), limits)
    if position is None:
        least = {metric: rounded_up(min(row[metric] for row in front)) for metric in limits}
        nearest = "; ".join(
            f"the least on its front is {value:.4g} {_UNITS[metric]}"
            for metric, value in least.items()
        )
        said = " and ".join(f"{limit:g} {_UNITS[metric]}" for metric, limit in limits.items())
        raise InputError(f"nothing keeps within {said} on {device} for {tasks[0]}: {nearest}")
    return _picked(front[position], limits)


def _picked(row: dict[str, Any], limits: dict[str, float]) -> dict[str, Any]:
    import pandas as pd

    from hanas.fronts import trust
    from hanas.fronts.truth import reaches_percent

    accuracy, floor = row["accuracy_percent"], float(row["accuracy_floor_percent"])
    known = not pd.isna(accuracy)
    values = {metric: float(row.get(metric, math.nan)) for metric in _UNITS}
    names = ("device", "task", "dataset", "proxy", "search", "method", "space")
    sources = ("accuracy_source", "metrics_source", "proxy_source")
    return {
        **{name: str(row[name]) for name in names},
        "seed": int(row["seed"]),
        "limits": limits,
        "arch": str(row["arch"]),
        "index": None if pd.isna(row["index"]) else int(row["index"]),
        "accuracy_percent": float(accuracy) if known else None,
        **{metric: value for metric, value in values.items() if not math.isnan(value)},
        "proxy_objective": str(row["proxy_objective"]),
        "proxy_value": float(row["proxy_value"]),
        "accuracy_floor_percent": floor,
        "reaches_accuracy_floor": bool(reaches_percent(accuracy, floor)) if known else None,
        **{name: str(row[name]) for name in sources},
        # No marks of Markdown.
        **{name: [_plain(one) for one in said] for name, said in trust.read(row).about.items()},
        **_ties(row),
        **_trained(row),
    }


def _plain(said: str) -> str:
    return said.replace("**", "").replace("`", "")


def _ties(row: dict[str, Any]) -> dict[str, list[str]]:
    """Return what a pick of a front that was scored again cannot be told apart from."""
    ties = row.get("ties")
    return {"ties": ties.split("; ")} if isinstance(ties, str) and ties else {}


def _trained(row: dict[str, Any]) -> dict[str, Any]:
    """Return what trainings of a pick showed, and what one would take otherwise, if they did."""
    from hanas.fronts.otherwise_in_words import pick_in_words

    found: dict[str, Any] = {}
    if not math.isnan(row.get("trained_accuracy_percent", math.nan)):
        deviation = row["trained_std"]
        found["trained"] = {
            "accuracy_percent": float(row["trained_accuracy_percent"]),
            "seeds": int(row["trained_seeds"]),
            "deviation_points": None if math.isnan(deviation) else float(deviation),
            "latency_ms": float(row["measured_latency_ms"]),
        }
        if row.get("trained_judged_by") == "balanced":
            found["trained"]["balanced"] = True
    if said := list(pick_in_words(row)):
        found["otherwise"] = _plain(said[0]).strip(" -")
    return found


def _in_words(picked: dict[str, Any]) -> str:
    index, accuracy = picked["index"], picked["accuracy_percent"]
    lines = [f"Do not trust this pick: {said}" for said in picked["do_not_trust"]]
    lines += [picked["arch"]] + ([] if index is None else [f"  {picked['space']} index  {index}"])
    said = "" if accuracy is None else f"{accuracy:.2f} %  "
    lines.append(f"  true accuracy  {said}({picked['accuracy_source']})")
    for metric, unit in _UNITS.items():
        if metric in picked:
            word = metric.split("_")[0]
            lines.append(f"  {word:<13}  {picked[metric]:.4g} {unit}  ({picked['metrics_source']})")
    value = f"{picked['proxy_objective']} {picked['proxy_value']:.4g}"
    lines.append(f"  chosen by      {picked['method']}, {value}  ({picked['proxy_source']})")
    if picked["reaches_accuracy_floor"] is False:
        floor = f"{picked['dataset']}, {picked['accuracy_floor_percent']:g} %"
        useless = "nothing within the limits that the proxy likes is of use."
        lines.append(f"  Beware: below the accuracy floor of {floor}: {useless}")
    if ties := picked.get("ties"):
        count = f"{len(ties)} other{'s' if len(ties) > 1 else ''}"
        lines.append(f"  a tie          with {count} of the front: {', '.join(ties)}")
    if trained := picked.get("trained"):
        deviation, seeds = trained["deviation_points"], trained["seeds"]
        spread = "one seed" if deviation is None else f"± {deviation:.2f}, {seeds} seeds"
        percent, latency = trained["accuracy_percent"], trained["latency_ms"]
        spread = f"balanced, {spread}" if trained.get("balanced") else spread
        lines.append(f"  trained        {percent:.2f} % ({spread}), measured {latency:.4g} ms")
    if said := picked.get("otherwise"):
        lines.append(f"  {said}")
    if known := picked["how_well_known"]:
        lines += ["How well things are known:", *(f"  - {said}" for said in known)]
    return "\n".join(lines)


def _decisions(results: Path, device: str, *, trained: bool) -> list[dict[str, Any]]:
    from hanas.core.files import read_csv

    place = "evaluations/{}/trained_fronts.csv" if trained else "decisions/{}.csv"
    path = results / place.format(device)
    tables = results.glob(place.format("*"))
    known = sorted(table.parent.name if trained else table.stem for table in tables)
    if device not in known:
        there = f"there are those of: {', '.join(known)}" if known else "there are none yet"
        needs = " and a benchmark has its tasks' accuracies" if trained else ""
        raise InputError(
            f"{path} is not there ({there}). If {device} is a device of your study{needs}, make "
            f"it, in the study's folder, with: snakemake --cores 2 results/{place.format(device)}"
        )
    _require_as_written(results, place.format(device))
    table = read_csv(path)
    needed = {"task", "dataset", "proxy", "search", "arch", "index", "accuracy_percent"}
    if trained and needed <= set(table) and table.empty:
        said = "nothing that was trained reaches tasks.*.accuracy_floor_percent"
        raise InputError(f"{path} is empty: {said}")
    if not needed <= set(table) or table.empty:
        raise InputError(f"{path} is no decision table that this version of hanas can read")
    numbers = {"proxy_value", "accuracy_floor_percent", "seed", *_UNITS} & set(table)
    if not all(table[name].dtype.kind in "fi" for name in numbers):
        raise InputError(f"{path}: holds text in the place of numbers; run the workflow again")
    return table.to_dict("records")  # pyright: ignore[reportReturnType]


def _require_as_written(results: Path, file: str) -> None:
    """Raise InputError if a result holds something else than the facts beside it say."""
    from hanas.core import contents
    from hanas.study import facts
    from hanas.study.results import facts_file, made_by

    rule, names = made_by(f"results/{file}") or ("", {})
    if not rule:
        return
    beside = results / facts_file(rule, **names).removeprefix("results/")
    found = facts.read(beside) if beside.is_file() else None
    written = found["outputs"].get(f"results/{file}") if found else None
    if written is not None and contents.content(results / file) != written:
        raise InputError(
            f"{results / file} holds something else than what was written; delete it and run the "
            "workflow again"
        )


def _known(rows: Sequence[dict[str, Any]], column: str) -> list[str]:
    return list(dict.fromkeys(str(row[column]) for row in rows))


def _path(text: str) -> Path:
    if "\0" in text:
        raise argparse.ArgumentTypeError("holds a null character")
    return Path(text)


def _parser() -> argparse.ArgumentParser:
    words = "Hardware-aware neural architecture search: what to take, and why."
    parser = argparse.ArgumentParser(prog="hanas", description=words)
    parser.add_argument("--version", action="version", version=f"hanas {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, words: str) -> Any:
        return commands.add_parser(name, help=words, description=f"Print {words}.").add_argument

    folder: dict[str, Any] = {"type": _path, "metavar": "DIR"}
    words = "the architecture to take under limits, from a front that the workflow has found"
    add = command("pick", words)
    add("--device", required=True, help="a device of the study")
    add("--dataset", required=True, help="a data set, or a task, of the study")
    add("--max-latency-ms", type=float, metavar="MS", help="the most latency")
    add("--max-energy-mj", type=float, metavar="MJ", help="the most energy")
    add("--proxy", help="whose ranking; the task's first where not given")
    add("--search", help="which search; NSGA-II where not given")
    words = "from the front of what was trained, layer by layer, instead of the predicted one"
    add("--trained", action="store_true", help=words)
    words = "the study's results (default: results)"
    add("--results", **folder, default=Path("results"), help=words)
    add("--json", action="store_true", help="print JSON")
    words = "the files and settings a result came from, and whether they have changed since"
    add = command("explain", words)
    add("file", help="a result, such as results/tables/edgegpu.csv")
    words = "the folder that holds results (default: here)"
    add("--study", **folder, default=Path(), help=words)
    words = "the study's settings, where not config.yaml"
    add("--configfile", type=_path, metavar="FILE", help=words)
    add("--json", action="store_true", help="print JSON")
    add = command("plan", "what is still to be computed, and how long trainings take here")
    add("--study", **folder, default=Path(), help="the folder that holds results (default: here)")
    add("--configfile", type=_path, metavar="FILE", help=words)
    add = command("status", "what of a study is done, what runs and how long, what is to come")
    add("--study", **folder, default=Path(), help="the folder that holds results (default: here)")
    add("--configfile", type=_path, metavar="FILE", help=words)
    add("--json", action="store_true", help="print JSON")
    add = commands.add_parser(
        "forget",
        help="forget measurements of a device, to measure its models again",
        description="Forget measurements of a device, so that the next run measures them again.",
    ).add_argument
    add("--device", required=True, help="a device of the study that is measured")
    words = "an architecture by its text; all where not given (may be repeated)"
    add("--arch", action="append", metavar="TEXT", help=words)
    words = "the study's results (default: results)"
    add("--results", **folder, default=Path("results"), help=words)
    command("schema", "the JSON Schema of all settings, as YAML")
    return parser


if __name__ == "__main__":
    sys.exit(main())
