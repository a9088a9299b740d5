"""Checks of a study that need several of its settings together, and what such settings imply.

The settings are complete and their names exist when they come here; see
:mod:`hanas.study.study`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.settings import from_mapping, selected
from hanas.proxies._settings import UntrainedSettings
from hanas.study import combined_proxies
from hanas.training.settings import TrainingSettings
from hanas.training.trainers._settings import supernet_settings

#: Kinds of proxies that score an architecture when a search asks for it.
_ON_DEMAND = ("supernet", "params", "flops")


def is_measured(device: Mapping[str, Any]) -> bool:
    """Return whether an entry of ``devices`` is measured, a model at a time."""
    return device["kind"] in plugins.names("meters")


def is_enumerable(space: str) -> bool:
    """Return whether all architectures of a space can be listed."""
    return plugins.space(space).enumerable


def has_benchmark(study: Mapping[str, Any], task: str) -> bool:
    """Return whether the true accuracies of a task are known before anything is trained."""
    found = study["tasks"][task]
    return found["dataset"] in study["benchmarks"].get(found["space"], {})


def measured_on(study: Mapping[str, Any], retraining: str) -> list[str]:
    """Return the devices that the trained models of an entry of ``retrainings`` are measured on."""
    found = study["retrainings"][retraining]
    own = [found["device"]] if "device" in found else []
    return found.get("measure_on", [name for name in own if is_measured(study["devices"][name])])


def problems(study: Mapping[str, Any]) -> Iterator[str]:
    """Yield what only shows when several settings are read together."""
    not_finite = list(_not_finite(study))
    if not_finite:  # what else is said of such numbers only says it again
        yield from not_finite
        return
    yield from _refused_where_used(study)
    for name, task in study["tasks"].items():
        if not has_benchmark(study, name) and name in study["tables"].get("tasks", []):
            yield (
                f"tables.tasks: {name!r} cannot be shown, as its true accuracy is unknown: "
                f"benchmarks.{task['space']} has no {task['dataset']!r}; add that entry, or take "
                "the task out of tables.tasks"
            )
        for supernet in task["supernets"]:
            space = study["supernets"].get(supernet, {}).get("space", task["space"])
            if space != task["space"]:
                yield f"tasks.{name}.supernets: {supernet!r} is of space {space!r}, not the task's"
        for proxy in task["proxies"]:
            space = combined_proxies.space(study, proxy)
            if space not in (None, task["space"]):
                yield f"tasks.{name}.proxies: {proxy!r} is of space {space!r}, not the task's"
    folders = {
        f"benchmarks.{space}.{dataset}.folder": entry["folder"]
        for space, of_space in study["benchmarks"].items()
        for dataset, entry in of_space.items()
        if entry["kind"] == "nats_bench"
    }
    if len(set(folders.values())) > 1:
        said = ", ".join(f"{key} is {folder!r}" for key, folder in folders.items())
        yield f"{said}; expected one folder: the cells of NATS-Bench are read once for all"
    for name, search in study["searches"].items():
        if "population" in search:
            children = search["crossover"] + search["mutation"] + search["random"]
            if children != search["population"]:
                yield (
                    f"searches.{name}: crossover + mutation + random is {children}; expected "
                    f"population, {search['population']}"
                )
            if search.get("quota_bins", 1) > search["parents"]:
                yield (
                    f"searches.{name}.quota_bins is {search['quota_bins']}; expected at most "
                    f"parents, which is {search['parents']}: each bin has one at least"
                )
            if search["parents"] > search["population"]:
                yield f"searches.{name}.parents is {search['parents']}; expected at most population"
    if "all" in study["devices"]:
        yield "devices.all: results/tables/all.csv holds all devices; give it another name"
    for name, device in study["devices"].items():
        if "datasets" not in device:
            continue
        for task in device.get("tasks", study["tasks"]):
            dataset = study["tasks"].get(task, {}).get("dataset")
            if dataset is not None and dataset not in device["datasets"]:
                yield (
                    f"devices.{name}.datasets has no {dataset!r}, which tasks.{task} needs; add "
                    f"it, or list in devices.{name}.tasks the tasks to report on this device"
                )
    yield from _layerwise_problems(study)
    for name, retraining in study["retrainings"].items():
        front = {"device", "proxy", "search"}
        given = front & set(retraining)
        if ("archs" in retraining) + ("published" in retraining) + bool(given) != 1:
            yield (
                f"retrainings.{name}: give either archs, or published, or all of device, proxy "
                "and search"
            )
        elif given and given != front:
            yield f"retrainings.{name}: {', '.join(sorted(front - given))} is missing"
        elif given and retraining["proxy"] not in study["tasks"].get(retraining["task"], {}).get(
            "proxies", []
        ):
            yield (
                f"retrainings.{name}.proxy is {retraining['proxy']!r}; expected one of "
                f"tasks.{retraining['task']}.proxies"
            )
        if "peeling" in retraining and not given:
            yield (
                f"retrainings.{name}.peeling: only a front has layers; give device, proxy and "
                "search, or leave it out"
            )
        elif "peeling" in retraining and retraining["images"] != "train":
            yield (
                f"retrainings.{name}.peeling goes by validation accuracy; set "
                f"retrainings.{name}.images to train"
            )
    spaces = sorted({task["space"] for task in study["tasks"].values()})
    for proxy in study["evaluation"]["proxies"]:
        space = combined_proxies.space(study, proxy)
        if space not in (None, *spaces):
            yield (
                f"evaluation.proxies: {proxy!r} is of space {space!r}, which no task has; the "
                f"tasks have: {', '.join(spaces)}"
            )
    for space in study["surrogates"]:
        if space not in study["benchmarks"]:
            yield f"surrogates.{space}: benchmarks has no such space"
            continue
        for dataset, entry in study["benchmarks"][space].items():
            if entry["kind"] == "surrogate":
                yield f"surrogates.{space}: benchmarks.{space}.{dataset} is itself a surrogate"
        for device, entry in study["devices"].items():
            if entry["kind"] == "surrogate":
                yield f"surrogates.{space}: devices.{device} is itself a surrogate"


def _layerwise_problems(study: Mapping[str, Any]) -> Iterator[str]:
    """Yield what does not go together with spaces that cannot be listed, and with measuring."""
    tasks, devices = study["tasks"], study["devices"]
    measured = [name for name, device in devices.items() if is_measured(device)]
    for name, task in tasks.items():
        if is_enumerable(task["space"]):
            continue
        for device, entry in devices.items():
            if device not in measured and name in entry.get("tasks", [name]):
                yield (
                    f"devices.{device}: has numbers of listed architectures only, but tasks.{name} "
                    f"is of space {task['space']!r}, which cannot be listed; measure such a device "
                    f"(kind {', '.join(plugins.names('meters'))}), or leave {name!r} out of "
                    f"devices.{device}.tasks"
                )
        for proxy in task["proxies"]:
            if study["proxies"].get(proxy, {}).get("kind") not in _ON_DEMAND:
                yield (
                    f"tasks.{name}.proxies: {proxy!r} scores listed architectures only; expected "
                    f"one of kind {', '.join(_ON_DEMAND)} for space {task['space']!r}"
                )
    for space in (*study["benchmarks"], *study["surrogates"]):
        if not is_enumerable(space):
            yield (
                f"benchmarks.{space}: this space has too many architectures to list them in a "
                "table; leave it out: picks are trained to know their accuracy"
            )
    for name, proxy in study["proxies"].items():
        space = combined_proxies.space(study, name)
        counted = proxy["kind"] in ("params", "flops") and "network" in proxy
        if counted and space is not None and is_enumerable(space):
            yield (
                f"proxies.{name}.network: the cells of {space} rank alike at every size of the "
                "network; leave it out"
            )
        if proxy["kind"] != "supernet" or space is None:
            continue
        for key, plain in (("statistics", "batch"), ("precision", "float32")):
            if is_enumerable(space) and proxy[key] != plain:
                yield (
                    f"proxies.{name}.{key} is {proxy[key]!r}, which works in layer-wise spaces; "
                    f"expected {plain} for space {space!r}"
                )
        centred = proxy["objective"] == "centred_cross_entropy"
        if centred and not is_enumerable(space):
            yield (
                f"proxies.{name}.objective is 'centred_cross_entropy', which works in spaces of "
                f"cells; expected another one, such as cross_entropy, for space {space!r}"
            )
        if centred and 1 in (proxy["images"], proxy["batch_size"]):
            yield (
                f"proxies.{name}.objective is 'centred_cross_entropy': the logits of one image "
                "less their mean are zero; expected images and batch_size of at least 2"
            )
        if proxy["precision"] == "int8" and proxy["statistics"] != "recalibrated":
            yield f"proxies.{name}.precision is 'int8'; set statistics to recalibrated too"
        if proxy["objective"].startswith("int8") and proxy["precision"] != "int8":
            yield f"proxies.{name}.objective is {proxy['objective']!r}; set precision to int8 too"
    for name, device in devices.items():
        if device["kind"] == "command" and ("command" in device) == ("boards" in device):
            yield f"devices.{name}: give either command or boards"
    for name, retraining in study["retrainings"].items():
        for device in retraining.get("measure_on", []):
            if device in devices and device not in measured:
                yield (
                    f"retrainings.{name}.measure_on: {device!r} is not measured, but of kind "
                    f"{devices[device]['kind']!r}; expected one of: "
                    f"{', '.join(measured) or '(none)'}"
                )
        task = tasks.get(retraining["task"], {"space": "nb201"})
        if "published" in retraining and is_enumerable(task["space"]):
            yield (
                f"retrainings.{name}.published: such networks take the settings of a layer-wise "
                f"space, but tasks.{retraining['task']} is of space {task['space']!r}"
            )
        for arch in retraining.get("archs", []):
            try:
                plugins.space(task["space"]).from_text(arch)
            except InputError as error:
                yield f"retrainings.{name}.archs: {error}"
    shown = study["figures"].get("front_spaces")
    if shown:
        known = [name for name in shown["retrainings"].values() if name in study["retrainings"]]
        for name in known:
            if shown["device"] not in measured_on(study, name):
                yield (
                    f"figures.front_spaces: retrainings.{name} is not measured on "
                    f"{shown['device']!r}; add it to retrainings.{name}.measure_on"
                )
        of = {tasks[study["retrainings"][name]["task"]]["dataset"] for name in known}
        if len(of) > 1:
            yield (
                f"figures.front_spaces.retrainings are of {', '.join(sorted(of))}; expected one "
                "data set"
            )


def _refused_where_used(study: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a job would refuse, by the checks that the job itself makes."""
    for name, supernet in study["supernets"].items():
        given = {key: value for key, value in supernet.items() if key != "label"}
        yield from _refusal(supernet_settings, given, f"supernets.{name}")
    for name, retraining in study["retrainings"].items():
        place = f"retrainings.{name}.training"
        yield from _refusal(from_mapping, TrainingSettings, retraining["training"], place)
    for name, proxy in study["proxies"].items():
        if "seeds" in proxy:  # what draws untrained networks
            yield from _refusal(selected, UntrainedSettings, proxy, f"proxies.{name}")


def _refusal(make: Callable[..., object], *given: Any) -> Iterator[str]:
    """Yield what is said where settings cannot be made of what is given."""
    try:
        make(*given)
    except InputError as error:
        yield str(error)


def _not_finite(node: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, item in node.items():
            yield from _not_finite(item, (*path, str(key)))
    elif isinstance(node, float) and not math.isfinite(node):
        yield f"{'.'.join(path)} is {node}; expected a finite number"
