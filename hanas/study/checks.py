"""Read the settings of a study, and check what needs several of its sections together.

What one entry shows alone is checked by its own model; here are names of other entries, spaces
that do not go together, and what some job would refuse later. Snakemake says "Nothing to be done"
when a rule cannot be made but its output exists, so all names are checked when settings are read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from hanas.core import escape, extras, plugins
from hanas.core.errors import InputError
from hanas.core.settings import Entry, UserFile, canonical, marked
from hanas.core.settings import problems as told
from hanas.devices._device import MeasuredDevice
from hanas.spaces.kinds.lens import stages
from hanas.study import starts
from hanas.study.settings import Retraining, Spaces, Study

_MOST_PROBLEMS = 10
_SIDE = "training.resolution"
_TAG, _RUN_BY_PAGES = r"<[A-Za-z/!?]\w*", r"(?i)</?script|<!--"


def read(config: Mapping[str, Any], name: str) -> Study:
    """Return the settings of a study, read from YAML, all defaults filled in.

    Raises InputError with a line for each setting that is wrong: the ``name`` of the file, the
    setting's path, its value and what is expected.
    """
    config = canonical(config)
    spaces = config.get("spaces")
    try:
        plugins.declare(_plain(spaces) if isinstance(spaces, dict) else {})
        Spaces.model_validate({"spaces": spaces} if "spaces" in config else {})
        study = Study.model_validate(config)
    except ValidationError as error:
        found = told(error)
    else:
        found = list(dict.fromkeys([*_odd_texts(config, ""), *problems(study)]))
        if not found:
            return study
    lines = [escape.terminal(f"{name}: {problem}") for problem in found[:_MOST_PROBLEMS]]
    if len(found) > _MOST_PROBLEMS:
        lines.append(f"... and {len(found) - _MOST_PROBLEMS} more")
    raise InputError("\n".join(lines))


def _plain(node: Any) -> Any:
    """Return what can be written as JSON; other keys and dates, which are refused, as text."""
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(item) for item in node]
    return node if isinstance(node, str | int | float | None) else str(node)


def _odd_texts(node: Any, place: str) -> Iterator[str]:
    """Yield the names and texts that hold what cannot be seen, or what a page would run.

    All settings stand in the page of ``snakemake --report``, which does not escape them. Commands
    may have several lines, and ``<`` in them.
    """
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _odd_texts(str(key), f"the name {key!r} in {place or 'the study'}")
            yield from _odd_texts(value, f"{place}.{key}".lstrip("."))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _odd_texts(value, f"{place}.{number}")
    elif isinstance(node, str):
        is_command = "command" in place.split(".")
        allowed = "\n\t" if is_command else ""
        odd = next((c for c in node if escape.is_control(c) and c not in allowed), None)
        if odd is not None:
            yield f"{place}: holds the control character {odd!a}; leave it out"
        if found := re.search(_RUN_BY_PAGES if is_command else _TAG, node):
            yield f"{place}: holds {found[0]!r}, which pages take for a tag; leave it out"


def user_files(study: Study) -> Iterator[tuple[str, str]]:
    """Yield (key, path) of every file or folder of the user's that a study reads."""
    for path, value, _ in marked(study, UserFile):
        yield ".".join(path), value


def problems(study: Study) -> Iterator[str]:
    """Yield what only shows when several settings are read together."""
    of_names = [*_references(study), *_circles(study)]
    yield from of_names
    if of_names:  # what is made of itself, or of nothing, has no space that could be looked at
        return
    try:
        if study.curves:
            extras.require(study.curves, study.curves)
    except InputError as error:
        yield f"curves: {error}"
    yield from _tasks(study)
    yield from _benchmarks(study)
    yield from _devices(study)
    yield from _proxies(study)
    for name, retraining in study.retrainings.items():
        yield from _retraining(study, name, retraining)
    yield from _surrogates(study)
    yield from _front_spaces(study)
    yield from _networks(study)
    yield from _second_stages(study)


def _second_stages(study: Study) -> Iterator[str]:
    """Yield where no lens is there that could make a space smaller."""
    for name in stages([*study.spaces]):
        found: Any = study.spaces[name]
        if found.made is not None:
            yield (
                f"spaces.{name}.made is filled in by the workflow; leave it out, or declare what "
                "it holds as a space of its own"
            )
        task, searched = study.tasks[found.task], study.devices[found.device].tasks or study.tasks
        if task.space != found.space_before or not task.proxies or found.task not in searched:
            yield (
                f"spaces.{name}.task is {found.task!r}, which searches space {task.space!r} with "
                f"{len(task.proxies)} proxies; expected a task that searches "
                f"{found.space_before!r} with a proxy, on device {found.device}"
            )


def _networks(study: Study) -> Iterator[str]:
    """Yield where a space has no network of the width, or for images of the side, that is asked."""
    asked: list[tuple[str, str, str, str, Any, int | None]] = []
    for name, each in study.supernets.items():
        side = each.training.resolution
        asked.append((f"supernets.{name}", _SIDE, each.space, each.dataset, each.network, side))
    for name, retraining in study.retrainings.items():
        task, side = study.tasks[retraining.task], retraining.training.resolution
        network = study.network_of(name)
        asked.append((f"retrainings.{name}", _SIDE, task.space, task.dataset, network, side))
    for task in study.tasks.values():
        members = {each for proxy in task.proxies for each in study.made_of(proxy)}
        for name in sorted(members):
            found: Any = getattr(study.proxies[name], "trainings", None)
            if found is not None:
                dataset, side = found.dataset or task.dataset, found.training.resolution
                where, form = f"proxies.{name}.trainings", plugins.space(task.space).deployed
                network = form.read(canonical(found.network), f"{where}.network")
                asked.append((where, _SIDE, task.space, dataset, network, side))
    for name, device in study.devices.items():
        if not isinstance(device, MeasuredDevice):
            continue
        for task in (study.tasks[key] for key in device.tasks or study.tasks):
            network, side = device.networks[task.space], device.resolution
            where = f"devices.{name}"
            asked.append((where, "resolution", task.space, task.dataset, network, side))
    for where, key, space, dataset, network, resolution in asked:
        found = study.datasets[dataset]
        side = resolution or getattr(found, "resolution", None) or getattr(found, "side", None)
        if side is not None:
            place = key if resolution else f"datasets.{dataset}"
            try:
                plugins.space(space).for_images(network, (side, side), None, place)
            except InputError as error:
                yield f"{where}: {error}"


def _known(names: Iterable[str], section: str) -> str:
    return f"expected one of: {', '.join(sorted(names)) or '(none)'} (the entries of {section})"


def _references(study: Study) -> Iterator[str]:
    for path, value, entry in marked(study, Entry):
        known = getattr(study, entry.section)
        if value not in known:
            yield f"{'.'.join(path)} is {value!r}; {_known(known, entry.section)}"
    spaces = plugins.names("spaces")
    for space, of_space in study.benchmarks.items():
        if space not in spaces:
            yield f"benchmarks.{space}: no such space; expected one of: {', '.join(spaces)}"
        for dataset in of_space:
            if dataset not in study.datasets:
                known = _known(study.datasets, "datasets")
                yield f"benchmarks.{space}.{dataset}: no such data set; {known}"


def _circles(study: Study) -> Iterator[str]:
    for proxy in study.proxies:
        way = _way_back(study, proxy, ())
        if way:
            yield f"proxies.{proxy}.proxies: {' -> '.join(way)} is a circle"


def _way_back(study: Study, proxy: str, passed: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names on a way from the first of ``passed`` back to it; none if there is none."""
    if proxy in passed:
        return (*passed, proxy) if proxy == passed[0] else ()
    for member in study.members(proxy):
        way = _way_back(study, member, (*passed, proxy))
        if way:
            return way
    return ()


def _tasks(study: Study) -> Iterator[str]:
    for name, task in study.tasks.items():
        if not study.has_benchmark(name) and name in (study.tables.tasks or ()):
            yield (
                f"tables.tasks: {name!r} cannot be shown, as its true accuracy is unknown: "
                f"benchmarks.{task.space} has no {task.dataset!r}; add that entry, or take "
                "the task out of tables.tasks"
            )
        spaces = {("supernets", each): study.supernets[each].space for each in task.supernets}
        spaces |= {("proxies", each): study.proxy_space(each) for each in task.proxies}
        for (section, each), space in spaces.items():
            if space not in (None, task.space):
                yield f"tasks.{name}.{section}: {each!r} is of space {space!r}, not the task's"
        if not plugins.space(task.space).enumerable:
            yield from _not_listed(study, name)
    known = sorted({task.space for task in study.tasks.values()})
    for proxy in study.evaluation.proxies:
        space = study.proxy_space(proxy)
        if space not in (None, *known):
            yield (
                f"evaluation.proxies: {proxy!r} is of space {space!r}, which no task has; the "
                f"tasks have: {', '.join(known)}"
            )


def _not_listed(study: Study, name: str) -> Iterator[str]:
    """Yield what a task cannot have in a space that is too large to list."""
    task = study.tasks[name]
    cells = bool(plugins.space(task.space).edges)
    for device, entry in study.devices.items():
        predicts = getattr(entry, "predicts", None)  # from a file of some architectures
        if isinstance(entry, MeasuredDevice) or (predicts and predicts(task.dataset)):
            continue
        if name in (entry.tasks or [name]):
            able = _kinds("devices", lambda found: issubclass(found, MeasuredDevice))
            yield (
                f"devices.{device}: has numbers of listed architectures only, but tasks.{name} "
                f"is of space {task.space!r}, which cannot be listed; measure such a device "
                f"(kind {able}), or leave {name!r} out of devices.{device}.tasks"
            )
    for proxy in task.proxies:
        for each in sorted(study.made_of(proxy)):
            if not study.proxies[each].on_demand:
                able = _kinds(
                    "proxies", lambda kind: kind.on_demand and (cells or not kind.of_cells)
                )
                yield (
                    f"tasks.{name}.proxies: {each!r} scores listed architectures only; expected "
                    f"one of kind {able} for space {task.space!r}, which holds "
                    f"{Decimal(plugins.space(task.space).count):.1e} of them"
                )


def _kinds(group: str, able: Callable[[Any], bool]) -> str:
    names = plugins.names(group)
    return ", ".join(name for name in names if able(plugins.plugin(group, name)))


def _benchmarks(study: Study) -> Iterator[str]:
    folders = {
        f"benchmarks.{space}.{dataset}.folder": folder
        for space, of_space in study.benchmarks.items()
        for dataset, entry in of_space.items()
        if (folder := getattr(entry, "folder", None)) is not None
    }
    if len(set(folders.values())) > 1:
        said = ", ".join(f"{key} is {folder!r}" for key, folder in folders.items())
        yield f"{said}; expected one folder: the cells of NATS-Bench are read once for all"
    for space, of_space in study.benchmarks.items():
        for dataset, entry in of_space.items():
            if entry.covers not in (None, space):
                yield _covers(f"benchmarks.{space}.{dataset}", entry, space)
    for space in (*study.benchmarks, *study.surrogates):
        if not plugins.space(space).enumerable:
            yield (
                f"benchmarks.{space}: this space has too many architectures to list them in a "
                f"table, {Decimal(plugins.space(space).count):.1e}; leave it out: picks are "
                "trained to know their accuracy"
            )


def _covers(where: str, entry: Any, space: str) -> str:
    """Say that an entry has numbers of another space only."""
    return (
        f"{where}.kind is {entry.kind!r}, which knows space {entry.covers!r} alone, not {space!r}; "
        "give numbers of your own (kind table)"
    )


def _devices(study: Study) -> Iterator[str]:
    if "all" in study.devices:
        yield "devices.all: results/tables/all.csv holds all devices; give it another name"
    for name, device in study.devices.items():
        for task in device.tasks or study.tasks:
            dataset, space = study.tasks[task].dataset, study.tasks[task].space
            covers = getattr(device, "covers", None)
            if covers not in (None, space) and plugins.space(space).enumerable:
                yield _covers(f"devices.{name}", device, space)
            if dataset not in getattr(device, "datasets", study.datasets):
                yield (
                    f"devices.{name}.datasets has no {dataset!r}, which tasks.{task} needs; add "
                    f"it, or list in devices.{name}.tasks the tasks to report on this device"
                )


def _proxies(study: Study) -> Iterator[str]:
    for name, proxy in study.proxies.items():
        members, where = study.members(name), f"proxies.{name}"
        for member in members[1:]:
            if study.proxy_space(member) != study.proxy_space(members[0]):
                yield (
                    f"{where}.proxies: {member!r} is of space {study.proxy_space(member)!r}, "
                    f"{members[0]!r} of {study.proxy_space(members[0])!r}; expected one space"
                )
        space = study.proxy_space(name)
        own = getattr(proxy, "space", space)
        if own != space:
            yield f"{where}.space is {own!r}; its proxies are of space {space!r}"
        if members and proxy.objective not in study.columns(name):
            shared = ", ".join(study.columns(name)) or "(none)"
            yield (
                f"{where}.objective is {proxy.objective!r}; expected one of the columns that "
                f"all its proxies have: {shared}"
            )
        learns_from = getattr(proxy, "learns_from", None)
        benchmarks = study.benchmarks.get(space or "", {})
        if learns_from is not None and learns_from not in benchmarks:
            known = _known(benchmarks, f"benchmarks.{space}")
            yield f"{where}.learns_from is {learns_from!r}; {known}"
        if space is not None:
            for problem in proxy.problems_in(plugins.space(space)):
                yield f"{where}.{problem}"


def _retraining(study: Study, name: str, retraining: Retraining) -> Iterator[str]:
    where, task = f"retrainings.{name}", study.tasks[retraining.task]
    space = plugins.space(task.space)
    front = {"device", "proxy", "search"}
    missing = sorted(key for key in front if getattr(retraining, key) is None)
    given = len(missing) < len(front)
    if (retraining.archs is not None) + (retraining.published is not None) + given != 1:
        yield f"{where}: give either archs, or published, or all of device, proxy and search"
    elif given and missing:
        yield f"{where}: {', '.join(missing)} is missing"
    elif given and retraining.proxy not in task.proxies:
        expected = f"expected one of tasks.{retraining.task}.proxies"
        yield f"{where}.proxy is {retraining.proxy!r}; {expected}"
    if retraining.peeling is not None and not given:
        instead = "give device, proxy and search, or leave it out"
        yield f"{where}.peeling: only a front has layers; {instead}"
    elif retraining.peeling is not None and retraining.images != "train":
        yield f"{where}.peeling goes by validation accuracy; set {where}.images to train"
    measured = [key for key, found in study.devices.items() if isinstance(found, MeasuredDevice)]
    if retraining.peeling is not None and (retraining.seeds > 1 or retraining.random):
        yield f"{where}.peeling: each is trained once; leave out seeds and random"
    if retraining.random and not given:
        yield f"{where}.random: such members stand beside the picks of a front; leave it out"
    yield from starts.problems(study, name)
    if retraining.beside is not None:
        yield from _beside(study, name, retraining)
    for device in retraining.measure_on or ():
        if device not in measured:
            yield (
                f"{where}.measure_on: {device!r} is not measured, but of kind "
                f"{study.devices[device].kind!r}; expected one of: "
                f"{', '.join(measured) or '(none)'}"
            )
    for device in study.measured_on(name):
        asked = getattr(study.devices[device], "model_format", "onnx")
        if asked != "onnx" and asked not in retraining.formats:
            yield (
                f"{where}.formats is [{', '.join(retraining.formats)}], but devices.{device} "
                f"measures files of format {asked}; add {asked} to {where}.formats"
            )
    if retraining.published is not None and not space.layerwise:
        yield (
            f"{where}.published: such networks take the settings of a layer-wise space, but "
            f"tasks.{retraining.task} is of space {task.space!r}"
        )
    for arch in retraining.archs or ():
        try:
            works = space.connected(space.from_text(arch)[None])[0]
        except InputError as error:
            yield f"{where}.archs: {error}"
        else:
            if not works:
                yield (
                    f"{where}.archs: {arch}: no path leads from its input to its output, so that "
                    "it cannot learn; take it out"
                )
    try:
        study.network_of(name)
    except InputError as error:
        yield from str(error).splitlines()


def _beside(study: Study, name: str, retraining: Retraining) -> Iterator[str]:
    """Yield what keeps published networks from being comparable with trained picks."""
    where, other = f"retrainings.{name}.beside", study.retrainings[str(retraining.beside)]
    if other.published is None:
        yield f"{where}: retrainings.{retraining.beside} has no published networks"
        return
    if retraining.published is not None:
        yield f"{where}: retrainings.{name} has published networks itself; leave it out"
    if study.tasks[other.task].dataset != study.tasks[retraining.task].dataset:
        yield f"{where}: retrainings.{retraining.beside} is of another data set"
    for key in ("images", "training", "precision", "quantisation"):
        mine, others = (canonical(found.params())[key] for found in (retraining, other))
        if mine != others:
            yield (
                f"{where}: retrainings.{retraining.beside}.{key} is {others}, but "
                f"retrainings.{name}.{key} is {mine}; expected one training for both"
            )
    networks = [study.network_of(one).params() for one in (name, str(retraining.beside))]
    free = {"width"} if retraining.start == "scratch" else {"width", "first_scale"}
    mine, others = ({k: v for k, v in found.items() if k not in free} for found in networks)
    if mine != others:
        yield f"{where}: network is {mine} here and {others} there; only width may differ"
    lacking = set(study.measured_on(name)) - set(study.measured_on(str(retraining.beside)))
    if lacking or not study.measured_on(name):
        devices = ", ".join(sorted(lacking)) or "(a measured device)"
        yield f"{where}: both have to be measured on the same devices; set measure_on: [{devices}]"


def _surrogates(study: Study) -> Iterator[str]:
    for space in study.surrogates:
        if space not in study.benchmarks:
            yield f"surrogates.{space}: benchmarks has no such space"
            continue
        if plugins.space(space).layerwise:
            yield f"surrogates.{space}: a layer-wise space; surrogates are of cells: leave it out"
        for dataset, entry in study.benchmarks[space].items():
            if entry.kind == "surrogate":
                yield f"surrogates.{space}: benchmarks.{space}.{dataset} is itself a surrogate"
        for device, found in study.devices.items():
            if found.kind == "surrogate":
                yield f"surrogates.{space}: devices.{device} is itself a surrogate"


def _front_spaces(study: Study) -> Iterator[str]:
    shown = study.figures.front_spaces
    if shown is None:
        return
    names = shown.retrainings.values()
    for name in names:
        if shown.device not in study.measured_on(name):
            yield (
                f"figures.front_spaces: retrainings.{name} is not measured on "
                f"{shown.device!r}; add it to retrainings.{name}.measure_on"
            )
    of = {study.tasks[study.retrainings[name].task].dataset for name in names}
    if len(of) > 1:
        said = ", ".join(sorted(of))
        yield f"figures.front_spaces.retrainings are of {said}; expected one data set"
