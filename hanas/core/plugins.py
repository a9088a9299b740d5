"""Find plugins by their files: what a study can name as the kind of an entry.

A plugin is a module of a group's package without a leading underscore, named as in the
configuration. In all groups but spaces it holds one class, whose fields are the settings of an
entry and whose methods do the work; a space is an object called ``SPACE``. The checks of a study,
``config.schema.yaml`` and the tests find it by its file. More plugins may lie in a folder of the
user's, which the environment variable ``HANAS_PLUGINS`` names: ``FOLDER/proxies/mine.py``.

Most spaces are data: a YAML file in the place of a module, or an entry of the section ``spaces`` of
a study. All processes know that section by the environment variable ``HANAS_SPACES``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import import_module, util
from pathlib import Path
from types import ModuleType
from typing import Any

from hanas.core.errors import InputError

FOLDER_VARIABLE = "HANAS_PLUGINS"
SPACES_VARIABLE = "HANAS_SPACES"


@dataclass(frozen=True)
class Group:
    """Where the plugins of a group lie, and the key of an entry that names one."""

    package: str
    key: str = "kind"


GROUPS = {
    "datasets": Group("hanas.data.datasets"),
    "spaces": Group("hanas.spaces", key="space"),
    "space_kinds": Group("hanas.spaces.kinds"),
    "benchmarks": Group("hanas.benchmarks"),
    "trainers": Group("hanas.training.trainers", key="trainer"),
    "proxies": Group("hanas.proxies"),
    "devices": Group("hanas.devices"),
    "searchers": Group("hanas.search.searchers", key="searcher"),
}


def names(group: str) -> tuple[str, ...]:
    """Return the sorted names of the plugins of a group, without importing any of them.

    >>> names("spaces")
    ('mobile_i', 'nas_bench_macro', 'nb201', 'shuffle', 'shuffle_i')
    """
    folder, spaces = _surroundings()
    of_study = json.loads(spaces) if group == "spaces" else ()
    return tuple(sorted({*_files(group, folder), *of_study}))


def plugin(group: str, name: str) -> Any:
    """Return the class (of ``spaces``: the object) of a plugin; InputError if there is none."""
    return _plugin(group, name, *_surroundings())


def space(name: str) -> Any:
    """Return a search space by its name, see :mod:`hanas.spaces`."""
    return plugin("spaces", name)


def declare(spaces: Mapping[str, Any]) -> None:
    """Make the section ``spaces`` of a study known to this process and all that it starts."""
    os.environ[SPACES_VARIABLE] = json.dumps(spaces, sort_keys=True)


def of_study() -> dict[str, Any]:
    """Return the section ``spaces`` of the study."""
    return json.loads(_surroundings()[1])


def declarations() -> dict[str, Mapping[str, Any]]:
    """Return the declarations of spaces that are the user's: of the study, and of their folder."""
    folder, spaces = _surroundings()
    files = {name: path for name, path in _files("spaces", folder).items() if _is_data(path)}
    own = {name: path for name, path in files.items() if path.parent != _own_folder("spaces")}
    return {name: _read(path) for name, path in own.items()} | json.loads(spaces)


def declared(space: str) -> dict[str, Any]:
    """Return what a key of what is kept needs to hold of a space that the user declares.

    A name and a text stand for other networks after an edit; of other spaces nothing is needed.
    """
    found = declarations().get(space)
    return {} if found is None else {"declared": found}


def declaration(name: str) -> Mapping[str, Any] | None:
    """Return the declaration of a space, shipped or the user's; None of one that is a module."""
    folder, declared = _surroundings()
    of_study, file = json.loads(declared), _files("spaces", folder).get(name)
    if name in of_study:
        return of_study[name]
    return _read(file) if file is not None and _is_data(file) else None


def in_files(group: str) -> tuple[str, ...]:
    """Return the names of the plugins of a group that are files, so none that a study declares."""
    return tuple(_files(group, _surroundings()[0]))


def _surroundings() -> tuple[str, str]:
    """Return the user's folder and the spaces of the study, as JSON."""
    return os.environ.get(FOLDER_VARIABLE, ""), os.environ.get(SPACES_VARIABLE) or "{}"


def enumerable_space(name: str, place: str) -> Any:
    """Return a space whose architectures can all be listed; else InputError names the ``place``."""
    found = space(name)
    if not found.enumerable:
        listed = [other for other in names("spaces") if space(other).enumerable]
        raise InputError(
            f"{place} looks at every architecture of a space, but space {name!r} has "
            f"{Decimal(found.count):.1e}; expected a space of: {', '.join(listed)}"
        )
    return found


@cache
def _files(group: str, folder: str) -> dict[str, Path]:
    """Return the file of each plugin; those of the user's come last."""
    places = [_own_folder(group)] + ([Path(folder) / group] if folder else [])
    forms = ("[!_]*.py", "[!_]*.yaml") if group == "spaces" else ("[!_]*.py",)
    paths = [path for place in places for form in forms for path in sorted(place.glob(form))]
    return {path.stem: path for path in paths}


def _own_folder(group: str) -> Path:
    return Path(__file__).parents[2].joinpath(*GROUPS[group].package.split("."))


def _is_data(path: Path) -> bool:
    return path.suffix == ".yaml"


@cache
def _read(path: Path) -> Mapping[str, Any]:
    import yaml

    from hanas.core import yaml_files

    yaml_files.check(path)
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


@cache
def _plugin(group: str, name: str, folder: str, spaces: str) -> Any:
    files = _files(group, folder)
    of_study = json.loads(spaces) if group == "spaces" else {}
    if name in of_study:
        return _made(name, of_study[name], f"spaces.{name}")
    if name not in files:
        known = ", ".join(sorted({*files, *of_study}))
        raise InputError(f"{group}: no {name!r}; expected one of: {known}")
    if _is_data(files[name]):
        return _made(name, _read(files[name]), str(files[name]))
    module, key = _module(group, name, files[name]), GROUPS[group].key
    if group == "spaces":
        found, wanted = [module.SPACE] if hasattr(module, "SPACE") else [], "SPACE"
    else:
        found = list(_classes(module, key, name))
        wanted = f"class with {key}: Literal[{name!r}]"
    if len(found) != 1:
        raise InputError(f"{files[name]}: {len(found)} plugins; expected one {wanted}")
    return found[0]


def _made(name: str, declaration: Mapping[str, Any], place: str) -> Any:
    """Return the space of a declaration; InputError, by its place, where it cannot be."""
    from pydantic import ValidationError

    from hanas.core.settings import Member, canonical, problems  # which name plugins

    try:
        kind: Any = Member("space_kinds").read(canonical(declaration))
    except ValidationError as error:
        raise InputError("\n".join(problems(error, place))) from None
    return kind.space(name)


def _module(group: str, name: str, path: Path) -> ModuleType:
    if path.parent == _own_folder(group):
        return import_module(f"{GROUPS[group].package}.{name}")
    full = f"hanas_plugins.{group}.{name}"
    spec: Any = util.spec_from_file_location(full, path)
    module = util.module_from_spec(spec)
    sys.modules[full] = module  # pydantic looks names up there
    spec.loader.exec_module(module)
    return module


def _classes(module: ModuleType, key: str, name: str) -> Iterator[type]:
    """Yield the classes that a module defines and whose key can be the name."""
    for value in vars(module).values():
        if isinstance(value, type) and value.__module__ == module.__name__:
            fields = getattr(value, "model_fields", {})
            if key in fields and name in getattr(fields[key].annotation, "__args__", ()):
                yield value
