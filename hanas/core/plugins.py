"""Find the members of a seam (a folder of ``hanas``) by their file names.

A member is a module without a leading underscore; its file name is the name used in the
configuration, and tests parametrised over :func:`names` pick it up. Its settings are described in
``config.schema.yaml``; what else adding one touches is a table in the README, *How it is built*.
"""

import ast
import math
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from hanas.core.errors import InputError

#: Where the members of each seam lie.
SEAMS = {
    "datasets": "data/datasets",
    "spaces": "spaces",
    "trainers": "training/trainers",
    "proxies": "proxies",
    "devices": "devices",
    "meters": "devices",
    "benchmarks": "benchmarks",
    "searchers": "search/searchers",
}
_METERS = ("analytic", "command", "host", "rknn")


def names(seam: str) -> tuple[str, ...]:
    """Return the sorted names of the members of ``seam``, without importing any of them.

    >>> names("spaces")
    ('mobile_i', 'nb201', 'shuffle', 'shuffle_i')
    """
    folder = Path(__file__).parents[1] / SEAMS[seam]
    found = sorted(p.stem for p in folder.glob("*.py") if not p.stem.startswith("_"))
    if seam in ("devices", "meters"):
        found = [name for name in found if (name in _METERS) == (seam == "meters")]
    return tuple(found)


def load(seam: str, name: str) -> ModuleType:
    """Import the member ``name`` of ``seam``.

    Raises
    ------
    InputError
        If the seam has no such member; the message lists those it has.
    """
    _check_member(seam, name)
    return import_module(f"hanas.{SEAMS[seam].replace('/', '.')}.{name}")


def _check_member(seam: str, name: str) -> None:
    if name not in names(seam):
        raise InputError(f"{seam}: no {name!r}; expected one of: {', '.join(names(seam))}")


@cache
def constant(seam: str, name: str, wanted: str) -> Any:
    """Return what a member of ``seam`` assigns to a name, without importing the member.

    For what rules have to know of members that import PyTorch.

    Raises
    ------
    InputError
        If there is no such member, or its source does not assign a literal to that name.

    Examples
    --------
    >>> constant("trainers", "spos", "LAYER_WISE")
    True
    """
    _check_member(seam, name)
    path = Path(__file__).parents[1] / SEAMS[seam] / f"{name}.py"
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and wanted in map(ast.unparse, node.targets):
            try:
                return ast.literal_eval(node.value)
            except ValueError:
                break
    raise InputError(
        f"hanas/{SEAMS[seam]}/{name}.py has no {wanted} that can be read without importing it; write "
        f"{wanted} = ... there, with nothing but names in quotes, numbers, True and False"
    )


def load_enumerable(space: str, place: str) -> ModuleType:
    """Import a space whose architectures are few enough to list all of them.

    Raises
    ------
    InputError
        Naming ``place``, what lists them all, if the space is another one.
    """
    module = load("spaces", space)
    if not module.ENUMERABLE:
        listed = [name for name in names("spaces") if load("spaces", name).ENUMERABLE]
        raise InputError(
            f"{place} looks at every architecture of a space, but space {space!r} has "
            f"{math.prod(module.choices):.1e}; expected a space of: {', '.join(listed)}"
        )
    return module
