"""Fill in the defaults of a study's settings and check them before anything is computed.

A *study* is the dictionary that the workflow reads from its configuration file. Snakemake says
"Nothing to be done" when a rule cannot be made but its output exists, so every name must be
checked here, when the settings are read, and not when a rule asks for them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.study import combined_proxies, study_checks

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
    ("retrainings.*.measure_on.[]", "devices"),
    ("figures.front_spaces.device", "devices"),
    ("figures.front_spaces.retrainings.*", "retrainings"),
)
_PLUGINS = (
    ("datasets.*.kind", "datasets"),
    ("benchmarks.*.*.kind", "benchmarks"),
    ("devices.*.kind", "devices", "meters"),
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
        problems = list(_network_problems(filled, schema))
    if not problems:
        filled = _sorted(filled)  # numbers are checked as the jobs get them
        circles = list(combined_proxies.circles(filled))
        problems = list(_reference_problems(filled)) + circles
        # What is made of itself has no space that could be looked at.
        problems += [] if circles else list(study_checks.problems(filled))
    if not problems:
        problems = list(combined_proxies.problems(filled))
    if problems:
        unique = list(dict.fromkeys(problems))
        more = [f"... and {len(unique) - 10} more"] if len(unique) > 10 else []
        raise InputError("\n".join([f"{name}: {problem}" for problem in unique[:10]] + more))
    return filled


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
    for pattern, *seams in _PLUGINS:
        known = [name for seam in seams for name in plugins.names(seam)]
        for path, value in _walk(study, pattern.split(".")):
            if value not in known:
                yield f"{path} is {value!r}; expected one of: {', '.join(known)}"


def _network_problems(study: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """Complete the networks whose kind follows from another entry, and yield what is wrong."""
    for name, retraining in study["retrainings"].items():
        task = study["tasks"].get(retraining["task"])
        if task is None or task["space"] not in plugins.names("spaces"):
            continue  # told by _reference_problems
        kind = "cell" if study_checks.is_enumerable(task["space"]) else "layerwise"
        part = {"$ref": f"#/$defs/deployed_{kind}_network"}
        for key in ("network", name, "retrainings"):
            part = {"properties": {key: part}}
        nested = _validator({**part, "$defs": schema["$defs"]})
        yield from map(_message, nested.iter_errors(study))


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


def _sorted(node: Any) -> Any:
    """Return settings in which equal meaning has one form: sorted keys, and 1 for 1.0."""
    if isinstance(node, dict):
        return {key: _sorted(node[key]) for key in sorted(node)}
    if isinstance(node, list):
        return [_sorted(item) for item in node]
    if isinstance(node, float) and node.is_integer():
        return int(node)
    return node
