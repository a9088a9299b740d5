"""Find plugins by their files: what a study can name as the kind of an entry.

A plugin is a module of a group's package without a leading underscore, named as in the
configuration. In all groups but spaces it holds one class, whose fields are the settings of an
entry and whose methods do the work; a space is an object called ``SPACE``. The checks of a study,
``config.schema.yaml`` and the tests find it by its file. More plugins may lie in a folder of the
user's, which the environment variable ``HANAS_PLUGINS`` names: ``FOLDER/proxies/mine.py``.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module, util
from pathlib import Path
from types import ModuleType
from typing import Any

from hanas.core.errors import InputError

FOLDER_VARIABLE = "HANAS_PLUGINS"


@dataclass(frozen=True)
class Group:
    """Where the plugins of a group lie, and the key of an entry that names one."""

    package: str
    key: str = "kind"


GROUPS = {
    "datasets": Group("hanas.data.datasets"),
    "spaces": Group("hanas.spaces", key="space"),
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
    return tuple(sorted(_files(group, os.environ.get(FOLDER_VARIABLE, ""))))


def plugin(group: str, name: str) -> Any:
    """Return the class (of ``spaces``: the object) of a plugin; InputError if there is none."""
    return _plugin(group, name, os.environ.get(FOLDER_VARIABLE, ""))


def space(name: str) -> Any:
    """Return a search space by its name, see :mod:`hanas.spaces`."""
    return plugin("spaces", name)


def enumerable_space(name: str, place: str) -> Any:
    """Return a space whose architectures can all be listed; else InputError names the ``place``."""
    found = space(name)
    if not found.enumerable:
        listed = [other for other in names("spaces") if space(other).enumerable]
        raise InputError(
            f"{place} looks at every architecture of a space, but space {name!r} has "
            f"{math.prod(found.choices):.1e}; expected a space of: {', '.join(listed)}"
        )
    return found


@cache
def _files(group: str, folder: str) -> dict[str, Path]:
    """Return the file of each plugin; those of the user's come last."""
    places = [_own_folder(group)] + ([Path(folder) / group] if folder else [])
    paths = [path for place in places for path in sorted(place.glob("[!_]*.py"))]
    return {path.stem: path for path in paths}


def _own_folder(group: str) -> Path:
    return Path(__file__).parents[2].joinpath(*GROUPS[group].package.split("."))


@cache
def _plugin(group: str, name: str, folder: str) -> Any:
    files = _files(group, folder)
    if name not in files:
        raise InputError(f"{group}: no {name!r}; expected one of: {', '.join(sorted(files))}")
    module, key = _module(group, name, files[name]), GROUPS[group].key
    if group == "spaces":
        found, wanted = [module.SPACE] if hasattr(module, "SPACE") else [], "SPACE"
    else:
        found = list(_classes(module, key, name))
        wanted = f"class with {key}: Literal[{name!r}]"
    if len(found) != 1:
        raise InputError(f"{files[name]}: {len(found)} plugins; expected one {wanted}")
    return found[0]


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
