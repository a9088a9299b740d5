"""Fill in the defaults of a study's settings and check them before anything is computed.

A *study* is the dictionary that the workflow reads from its configuration file. Snakemake says
"Nothing to be done" when a rule cannot be made but its output exists, so every name must be
checked here, when the settings are read, and not when a rule asks for them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from hanas import combined_proxies, plugins
from hanas.errors import InputError

#: Settings that name an entry of another section, or a plug-in of a seam.
#: ``*`` stands for any entry, ``[]`` for the items of a list.
_REFERENCES = (
    ("supernets.*.dataset", "datasets"),
    ("proxies.*.supernet", "supernets"),
    ("proxies.*.dataset", "datasets"),
    ("proxies.*.learns_from", "datasets"),
    ("proxies.*.proxies.[]", "proxies"),
    ("tasks.*.dataset", "datasets"),
    ("tasks.*.supernets.[]", "supernets"),
    ("tasks.*.proxies.[]", "proxies"),
    ("devices.*.tasks.[]", "tasks"),
    ("tables.tasks.[]", "tasks"),
    ("tables.searches.[]", "searches"),
    ("evaluation.proxies.[]", "proxies"),
    ("evaluation.searches.[]", "searches"),
    ("retrainings.*.task", "tasks"),
    ("retrainings.*.device", "devices"),
    ("retrainings.*.proxy", "proxies"),
    ("retrainings.*.search", "searches"),
)
_PLUGINS = (
    ("datasets.*.kind", "datasets"),
    ("benchmarks.*.*.kind", "benchmarks"),
    ("devices.*.kind", "devices"),
    ("supernets.*.space", "spaces"),
    ("supernets.*.trainer", "trainers"),
    ("proxies.*.kind", "proxies"),
    ("proxies.*.space", "spaces"),
    ("tasks.*.space", "spaces"),
    ("searches.*.searcher", "searchers"),
)
_MOST_SETTINGS = 100_000
_TYPE_NAMES = {
    "object": "a mapping of keys",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}


def complete(study: Mapping[str, Any], schema: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """Return the settings with every default filled in and all keys sorted.

    Sorted, because Snakemake takes another order of the same keys for a change.

    Parameters
    ----------
    study
        The settings as read.
    schema
        JSON Schema (draft 2020-12) with types, defaults and descriptions.
    name
        Name of the file, for messages.

    Raises
    ------
    InputError
        Naming each setting that is wrong, its value and what is expected; or a name that is
        used but not defined.
    """
    _check_size(study, name)
    _check_names(study, name)
    filled = copy.deepcopy(dict(study))
    # Plug-in names first: the schema only knows the settings of each kind, by its name.
    problems = list(_plugin_problems(filled))
    if not problems:
        problems = [_message(error) for error in _validator(schema).iter_errors(filled)]
    if not problems:
        circles = list(combined_proxies.circles(filled))
        problems = list(_reference_problems(filled)) + circles
        # What is made of itself has no space that could be looked at.
        problems += [] if circles else list(_consistency_problems(filled))
    if not problems:
        problems = list(combined_proxies.problems(filled))
    if problems:
        unique = list(dict.fromkeys(problems))
        more = [f"... and {len(unique) - 10} more"] if len(unique) > 10 else []
        raise InputError("\n".join([f"{name}: {problem}" for problem in unique[:10]] + more))
    return _sorted(filled)


def check_keys(path: str | Path) -> None:
    """Refuse a YAML file that gives a key twice: the first would be silently forgotten.

    Raises
    ------
    InputError
        Naming the key and both lines.
    """

    def walk(node: Any, place: str) -> None:
        if id(node) in seen:  # an alias
            return
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for item in node.value:
                walk(item, place)
        if not isinstance(node, yaml.MappingNode):
            return
        lines: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in lines and name != "<<":
                raise InputError(
                    f"{path}, line {line}: {place}{name} is given again, after line {lines[name]}; "
                    "leave one"
                )
            lines[name] = line
            walk(value, f"{place}{name}.")

    seen: set[int] = set()
    try:
        walk(yaml.compose(Path(path).read_text(encoding="utf-8"), Loader=yaml.SafeLoader), "")
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{path}: not readable as YAML: {error}") from error


def _check_names(node: Any, name: str, place: str = "") -> None:
    """Refuse keys that YAML does not read as text, such as 7, or on and no (true and false)."""
    for key, item in node.items():
        if not isinstance(key, str):
            where = f"{place.rstrip('.')}: " if place else ""
            raise InputError(
                f"{name}: {where}the name {key!r} is a {type(key).__name__}, not text; put it "
                "between quotes (YAML reads on, off, yes and no as true and false)"
            )
        if isinstance(item, Mapping):
            _check_names(item, name, f"{place}{key}.")


def _check_size(study: Any, name: str) -> None:
    """Refuse settings that YAML's aliases blow up, before anything walks through them."""
    sizes: dict[int, int | None] = {}  # of each node by its identity; None: being counted

    def size(node: Any) -> int:
        if not isinstance(node, dict | list):
            return 1
        if id(node) not in sizes:
            sizes[id(node)] = None
            children = [*node, *node.values()] if isinstance(node, dict) else node
            sizes[id(node)] = 1 + sum(map(size, children))
        found = sizes[id(node)]
        if found is None:
            raise InputError(f"{name}: an alias holds itself; leave it out")
        return found

    try:
        total = size(study)
    except RecursionError:
        raise InputError(f"{name}: its settings are nested too deeply") from None
    if total > _MOST_SETTINGS:
        raise InputError(
            f"{name}: aliases make it {total:,} settings; expected at most {_MOST_SETTINGS:,}"
        )


def _validator(schema: Mapping[str, Any]) -> Any:
    """Return a validator that fills in ``default`` as it goes down the settings."""
    check_properties = Draft202012Validator.VALIDATORS["properties"]

    def fill_and_check(validator, properties, instance, subschema):
        if validator.is_type(instance, "object"):
            for key, property_schema in properties.items():
                if "default" in property_schema:
                    instance.setdefault(key, copy.deepcopy(property_schema["default"]))
        yield from check_properties(validator, properties, instance, subschema)

    return extend(Draft202012Validator, {"properties": fill_and_check})(schema)


def _message(error: Any) -> str:
    path = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        unknown = sorted(key for key in error.instance if key not in known)
        at = f"{path}.{unknown[0]}" if path else unknown[0]
        return f"{at}: no such setting; expected one of: {', '.join(known)}"
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return f"{path or 'the study'}: {missing[0]!r} is missing; {_about(error, missing[0])}"
    said = f"{path} is {error.instance!r}"
    if error.validator == "type":
        types = error.validator_value
        types = [types] if isinstance(types, str) else types
        expected = " or ".join(_TYPE_NAMES[kind] for kind in types)
        hint = ""
        if isinstance(error.instance, str) and {"number", "integer"} & set(types):
            hint = _number_hint(error.instance)
        return f"{said}; expected {expected}{hint}"
    if error.validator == "enum":
        return f"{said}; expected one of: {', '.join(map(str, error.validator_value))}"
    if error.validator == "pattern":
        return f"{said}; names may hold letters, digits and _ only"
    limits = {
        "minimum": "at least",
        "maximum": "at most",
        "exclusiveMinimum": "more than",
        "exclusiveMaximum": "less than",
    }
    if error.validator in limits:
        return f"{said}; expected {limits[error.validator]} {error.validator_value}"
    return f"{path}: {error.message}"


def _about(error: Any, key: str) -> str:
    description = error.schema.get("properties", {}).get(key, {}).get("description", "")
    return description or "see config.schema.yaml"


def _number_hint(text: str) -> str:
    """Say how to write a number that YAML took for text, such as ``1e-3``."""
    try:
        number = float(text)
    except ValueError:
        return ""
    plain = repr(number) if "e" not in repr(number) else f"{number:.1e}"
    return f" (YAML reads {text} as text; write {plain})"


def _walk(
    node: Any, pattern: Sequence[str], path: tuple[str, ...] = ()
) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of every setting that matches a pattern such as ``tasks.*.dataset``."""
    if not pattern:
        if isinstance(node, str):
            yield ".".join(path), node
        return
    head, *rest = pattern
    if head == "[]" and isinstance(node, list):
        for position, item in enumerate(node):
            yield from _walk(item, rest, (*path, str(position)))
    elif head == "*" and isinstance(node, dict):
        for key, item in node.items():
            yield from _walk(item, rest, (*path, str(key)))
    elif isinstance(node, dict) and head in node:
        yield from _walk(node[head], rest, (*path, head))


def _plugin_problems(study: Mapping[str, Any]) -> Iterator[str]:
    for pattern, seam in _PLUGINS:
        known = plugins.names(seam)
        for path, value in _walk(study, pattern.split(".")):
            if value not in known:
                yield f"{path} is {value!r}; expected one of: {', '.join(known)}"


def _reference_problems(study: Mapping[str, Any]) -> Iterator[str]:
    for pattern, section in _REFERENCES:
        known = sorted(study.get(section, {}))
        for path, value in _walk(study, pattern.split(".")):
            if value not in known:
                yield (
                    f"{path} is {value!r}; expected one of: {', '.join(known) or '(none)'} "
                    f"(the entries of {section})"
                )
    spaces = plugins.names("spaces")
    for space, of_space in study["benchmarks"].items():
        if space not in spaces:
            yield f"benchmarks.{space}: no such space; expected one of: {', '.join(spaces)}"
        for dataset in of_space:
            if dataset not in study["datasets"]:
                yield (
                    f"benchmarks.{space}.{dataset}: no such data set; expected one of: "
                    f"{', '.join(sorted(study['datasets']))} (the entries of datasets)"
                )


def _consistency_problems(study: Mapping[str, Any]) -> Iterator[str]:
    """Yield what only shows when several settings are read together."""
    yield from _not_finite(study)
    for name, task in study["tasks"].items():
        if task["dataset"] not in study["benchmarks"].get(task["space"], {}):
            yield (
                f"tasks.{name}: benchmarks.{task['space']} has no {task['dataset']!r}, so its "
                "true accuracy is unknown; add that entry"
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
            if search["parents"] > search["population"]:
                yield f"searches.{name}.parents is {search['parents']}; expected at most population"
    if "all" in study["devices"]:
        yield "devices.all: results/tables/all.csv holds all devices; give it another name"
    for name, device in study["devices"].items():
        if device["kind"] != "table":
            continue
        for task in device.get("tasks", study["tasks"]):
            dataset = study["tasks"].get(task, {}).get("dataset")
            if dataset is not None and dataset not in device["datasets"]:
                yield (
                    f"devices.{name}.datasets has no {dataset!r}, which tasks.{task} needs; add "
                    f"it, or list in devices.{name}.tasks the tasks to report on this device"
                )
    for name, retraining in study["retrainings"].items():
        front = {"device", "proxy", "search"}
        given = front & set(retraining)
        if ("archs" in retraining) == bool(given):
            yield f"retrainings.{name}: give either archs or all of device, proxy and search"
        elif given and given != front:
            yield f"retrainings.{name}: {', '.join(sorted(front - given))} is missing"
        elif given and retraining["proxy"] not in study["tasks"].get(retraining["task"], {}).get(
            "proxies", []
        ):
            yield (
                f"retrainings.{name}.proxy is {retraining['proxy']!r}; expected one of "
                f"tasks.{retraining['task']}.proxies"
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


def data_files(study: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (key, path) of every file or folder of the user's that a completed study reads."""
    for pattern in (
        "datasets.*.folder",
        "datasets.*.split_file",
        "benchmarks.*.*.file",
        "benchmarks.*.*.folder",
        "devices.*.file",
        "devices.*.datasets.*.file",
    ):
        yield from _walk(study, pattern.split("."))


def _not_finite(node: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, item in node.items():
            yield from _not_finite(item, (*path, str(key)))
    elif isinstance(node, float) and not math.isfinite(node):
        yield f"{'.'.join(path)} is {node}; expected a finite number"


def _sorted(node: Any) -> Any:
    """Return settings in which equal meaning has one form: sorted keys, and 1 for 1.0."""
    if isinstance(node, dict):
        return {key: _sorted(node[key]) for key in sorted(node)}
    if isinstance(node, list):
        return [_sorted(item) for item in node]
    if isinstance(node, float) and node.is_integer():
        return int(node)
    return node
